"""One function for each kind of figure: arrays in, a matplotlib Figure out.

Titles state what is seen, so they come from the caller, who has seen it. Colours are seaborn's
ten for the colour-blind; a class is always named on the picture as well.
"""

from vaelib.plots.animation import latent_animation
from vaelib.plots.bars import bars, class_counts, kl_per_latent, pixel_histogram
from vaelib.plots.classes import (
    class_scatter,
    class_statistics,
    confusion_matrix,
    decision_regions,
    pseudo_label_maps,
    scatter_panels,
    two_scores,
)
from vaelib.plots.curves import (
    accuracy_dots,
    bound_by_samples,
    collapse_curves,
    learning_curves,
    loss_curves,
    training_curves,
)
from vaelib.plots.diagram import model_diagram
from vaelib.plots.pictures import captioned_pictures, labelled_and_unlabelled, picture_grid
from vaelib.plots.style import use_style

__all__ = [
    "accuracy_dots",
    "bars",
    "bound_by_samples",
    "captioned_pictures",
    "class_counts",
    "class_scatter",
    "class_statistics",
    "collapse_curves",
    "confusion_matrix",
    "decision_regions",
    "kl_per_latent",
    "labelled_and_unlabelled",
    "latent_animation",
    "learning_curves",
    "loss_curves",
    "model_diagram",
    "picture_grid",
    "pixel_histogram",
    "pseudo_label_maps",
    "scatter_panels",
    "training_curves",
    "two_scores",
    "use_style",
]
