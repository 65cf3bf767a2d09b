"""One function a picture: arrays in, a matplotlib Figure out.

Titles state what is seen, so they come from the caller, who has seen it. Colours are seaborn's
ten for the colour-blind; a class is always named on the picture as well.
"""

from vaelib.plots.bars import bars, class_counts, kl_per_latent, pixel_histogram, score_overlap
from vaelib.plots.classes import (
    accuracy_tables,
    class_scatter,
    class_statistics,
    confusion_matrix,
    draw_classes,
    scatter_panels,
)
from vaelib.plots.curves import (
    accuracy_by_budget,
    bound_by_samples,
    convergence,
    loss_curves,
    training_curves,
)
from vaelib.plots.pictures import Pictures, captioned_pictures, few_labels, picture_grid
from vaelib.plots.style import BLUE, CLASS_COLOURS, GREEN, GREY, INK, ORANGE, RED, use_style

__all__ = [
    "BLUE",
    "CLASS_COLOURS",
    "GREEN",
    "GREY",
    "INK",
    "ORANGE",
    "RED",
    "Pictures",
    "accuracy_by_budget",
    "accuracy_tables",
    "bars",
    "bound_by_samples",
    "captioned_pictures",
    "class_counts",
    "class_scatter",
    "class_statistics",
    "confusion_matrix",
    "convergence",
    "draw_classes",
    "few_labels",
    "kl_per_latent",
    "loss_curves",
    "picture_grid",
    "pixel_histogram",
    "scatter_panels",
    "score_overlap",
    "training_curves",
    "use_style",
]
