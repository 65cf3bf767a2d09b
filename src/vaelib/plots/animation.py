"""The animation: the latent space sorting itself out over the epochs, as a GIF.

The frames between two embeddings are interpolated: what moves has moved in the latent space, or
is one of the few points that t-SNE had to put somewhere.
"""

import io
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from vaelib.plots.classes import draw_classes
from vaelib.plots.style import BLUE, GREY, rendered

SIZE = 5.6  # inches a side
DOTS_PER_INCH = 120
COLOURS = 128  # of the palette that all frames share
PAPER = 248  # the grey level from which on a colour is meant to be white
FIRST_HOLD, KEY_HOLD, MOVE, LAST_HOLD = 1400, 420, 70, 3000  # milliseconds per frame


def latent_animation(
    embeddings: Mapping[int, NDArray[np.float32]],
    labels: ArrayLike,
    classes: Sequence[str],
    accuracies: Mapping[int, float],
    n_between: int = 5,
) -> bytes:
    """Return a GIF of the embeddings (epoch → (N, 2)), the epoch and its accuracy written above.

    The embeddings are Procrustes-aligned, each with the one before. `accuracies`: epoch →
    leave-one-out k-NN accuracy in the latent space, in [0, 1]. The same arrays give the same bytes.
    """
    # t-SNE's scale means nothing, so that every embedding may fill the frame
    centred = {epoch: points - points.mean(axis=0) for epoch, points in embeddings.items()}
    filling = {epoch: points / np.abs(points).max() for epoch, points in centred.items()}
    images, durations = [], []
    for epoch, points in frames_between(filling, n_between):
        key = max(kept for kept in accuracies if kept <= epoch)
        share = key / max(accuracies)
        images.append(_frame(points, labels, classes, key, accuracies[key], share))
        durations.append(KEY_HOLD if epoch in embeddings else MOVE)
    durations[0], durations[-1] = FIRST_HOLD, LAST_HOLD
    return _gif(images, durations)


def frames_between(
    embeddings: Mapping[int, NDArray[np.float32]], n_between: int
) -> list[tuple[float, NDArray[np.float32]]]:
    """Return (epoch, points) of every frame: the embeddings, and `n_between` from one to the next.

    A point starts and ends each stretch at rest.
    """
    frames = []
    for (first, start), (second, end) in pairwise(embeddings.items()):
        for share in np.arange(n_between + 1) / (n_between + 1):
            eased = share * share * (3 - 2 * share)
            frames.append((first + share * (second - first), (1 - eased) * start + eased * end))
    return [*frames, list(embeddings.items())[-1]]


def _frame(
    points: NDArray[np.float32],
    labels: ArrayLike,
    classes: Sequence[str],
    epoch: int,
    accuracy: float,
    share: float,
) -> Image.Image:
    figure = Figure(figsize=(SIZE, SIZE * 1.12), dpi=DOTS_PER_INCH)
    ax = figure.add_axes((0.01, 0.01, 0.98, 0.98 / 1.12))
    draw_classes(ax, points, labels, classes, size=14, fontsize=16)
    ax.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), xlabel="", ylabel="")
    ax.spines[["left", "bottom"]].set_visible(False)
    figure.text(0.03, 0.945, f"after epoch {epoch}", fontsize=17, weight="semibold")
    text = f"leave-one-out k-NN accuracy {accuracy:.0%}"
    figure.text(0.97, 0.95, text, fontsize=12, ha="right", color=GREY)
    bar = figure.add_axes((0.03, 0.925, 0.94, 0.008))
    bar.barh(0, 1, color="#e4e4e4")
    bar.barh(0, share, color=BLUE)
    bar.set(xlim=(0, 1))
    bar.set_axis_off()
    return rendered(figure)


def _gif(images: Sequence[Image.Image], durations: Sequence[int]) -> bytes:
    """Write frames as a GIF that repeats, all in one palette so that no colour flickers."""
    width, height = images[0].size
    ends = Image.new("RGB", (width, 2 * height))
    ends.paste(images[0], (0, 0))
    ends.paste(images[-1], (0, height))
    palette = ends.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=2)
    colours = np.array(palette.getpalette()).reshape(-1, 3)
    colours[colours.min(axis=1) >= PAPER] = 255  # the palette's whites are a little grey
    indexed = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    for image in indexed:
        image.putpalette(colours.ravel().tolist())
    buffer = io.BytesIO()
    first, *rest = indexed
    settings = {"save_all": True, "duration": list(durations), "loop": 0, "optimize": False}
    first.save(buffer, format="gif", append_images=rest, **settings)
    return buffer.getvalue()
