"""The animation: the latent space sorting itself out over the epochs, as a GIF.

The frames between two pictures of it are interpolated: what moves has moved in the latent space,
or is one of the few points that t-SNE had to put somewhere.
"""

import io
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vaelib.plots.classes import draw_classes
from vaelib.plots.style import BLUE, GREY

SIZE = 5.6  # inches a side
DOTS_PER_INCH = 120
COLOURS = 128  # of the palette that all frames share
PAPER = 248  # the grey level from which on a colour is meant to be white
FIRST_HOLD, KEY_HOLD, MOVE, LAST_HOLD = 1400, 420, 70, 3000  # milliseconds a frame


def frames_between(
    pictures: Mapping[int, NDArray[np.float32]], n_between: int
) -> list[tuple[float, NDArray[np.float32]]]:
    """Return (epoch, positions) of every frame: the key pictures, and those between them.

    A point starts and ends each stretch at rest.
    """
    epochs = list(pictures)
    frames = []
    for first, second in pairwise(epochs):
        for step in range(n_between + 1):
            share = step / (n_between + 1)
            eased = share * share * (3 - 2 * share)
            middle = (1 - eased) * pictures[first] + eased * pictures[second]
            frames.append((first + share * (second - first), middle))
    return [*frames, (epochs[-1], pictures[epochs[-1]])]


def latent_animation(
    pictures: Mapping[int, NDArray[np.float32]],
    labels: Tensor,
    classes: Sequence[str],
    scores: Mapping[int, float],
    n_between: int = 5,
) -> bytes:
    """Return a GIF of the pictures (epoch → (N, 2)), the epoch and its score written above.

    `scores`: epoch → neighbour accuracy in the latent space, in [0, 1]. The same arrays give
    the same bytes.
    """
    # t-SNE's scale means nothing, so that every key picture may fill the frame
    filling = {
        epoch: (picture - picture.mean(axis=0)) / np.abs(picture - picture.mean(axis=0)).max()
        for epoch, picture in pictures.items()
    }
    frames = frames_between(filling, n_between)
    images, durations = [], []
    for position, (epoch, points) in enumerate(frames):
        key = max(kept for kept in scores if kept <= epoch)
        images.append(_frame(points, labels, classes, key, scores))
        durations.append(KEY_HOLD if epoch in pictures else MOVE)
        if position == 0:
            durations[-1] = FIRST_HOLD
    durations[-1] = LAST_HOLD
    return _gif(images, durations)


def _frame(
    points: NDArray[np.float32],
    labels: Tensor,
    classes: Sequence[str],
    epoch: int,
    scores: Mapping[int, float],
) -> Image.Image:
    figure = Figure(figsize=(SIZE, SIZE * 1.12))
    ax = figure.add_axes((0.01, 0.01, 0.98, 0.98 / 1.12))
    draw_classes(ax, points, labels, classes, size=14, fontsize=16)
    ax.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), xlabel="", ylabel="")
    ax.spines[["left", "bottom"]].set_visible(False)
    figure.text(0.03, 0.945, f"after epoch {epoch}", fontsize=17, weight="semibold")
    figure.text(
        0.97, 0.95, f"neighbours of the same class: {scores[epoch]:.0%}",
        fontsize=12, ha="right", color=GREY,
    )  # fmt: skip
    bar = figure.add_axes((0.03, 0.925, 0.94, 0.008))
    bar.barh(0, 1, color="#e4e4e4")
    bar.barh(0, epoch / max(scores), color=BLUE)
    bar.set(xlim=(0, 1))
    bar.set_axis_off()
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DOTS_PER_INCH)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _gif(images: Sequence[Image.Image], durations: Sequence[int]) -> bytes:
    """Write frames as a GIF that repeats, all in one palette so that no colour flickers."""
    width, height = images[0].size
    ends = Image.new("RGB", (width, 2 * height))
    ends.paste(images[0], (0, 0))
    ends.paste(images[-1], (0, height))
    palette = ends.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, kmeans=2)
    indexed = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    colours = np.array(palette.getpalette()).reshape(-1, 3)
    colours[colours.min(axis=1) >= PAPER] = 255  # the palette's whites are a little grey
    for image in indexed:
        image.putpalette(colours.ravel().tolist())
    buffer = io.BytesIO()
    indexed[0].save(
        buffer, format="gif", save_all=True, append_images=indexed[1:], duration=list(durations),
        loop=0, optimize=False,
    )  # fmt: skip
    return buffer.getvalue()
