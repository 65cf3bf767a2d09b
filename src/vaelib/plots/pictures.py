"""Images as pictures: grids, mosaics, pictures with captions."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from vaelib.plots.style import RED, title_above


def picture_grid(
    pictures: Sequence[Sequence[ArrayLike]],
    title: str,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    size: float = 0.72,
) -> Figure:
    """Show rows of pictures: R × C × (28, 28), white is paper and black is ink.

    `row_labels` stand left of the rows, `column_labels` above the columns.
    """
    n_rows, n_columns = len(pictures), len(pictures[0])
    longest = max((len(line) for label in row_labels for line in label.split("\n")), default=0)
    width = n_columns * size + 0.09 * longest + 0.2
    height = n_rows * size + (0.9 if column_labels else 0.6)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    for row, row_axes in zip(pictures, axes, strict=True):
        for picture, ax in zip(row, row_axes, strict=True):
            draw_picture(ax, picture)
    for ax, label in zip(axes[0], column_labels, strict=False):
        ax.set_title(label, fontsize=11, loc="center", weight="normal")
    for ax, label in zip(axes[:, 0], row_labels, strict=False):
        ax.set_ylabel(label, rotation=0, ha="right", va="center")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.02, hspace=0.02)
    title_above(figure, title)
    return figure


def labelled_and_unlabelled(
    labelled: ArrayLike, names: Sequence[str], unlabelled: ArrayLike, n_unlabelled: int, title: str
) -> Figure:
    """Show labelled images, each with its class, beside unlabelled ones.

    `labelled`: (N, 28, 28) with `names` for each; `unlabelled`: (M, 28, 28), of `n_unlabelled`
    in all.
    """
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    columns = int(np.ceil(len(labelled) ** 0.5))
    draw_picture(left, _mosaic(labelled, columns, pad=9))
    for index, name in enumerate(names):
        row, column = divmod(index, columns)
        place = column * 37 + 33, row * 37 + 6  # in the margin of 9 dots
        left.text(*place, name, color=RED, fontsize=10, ha="center", weight="bold")
    draw_picture(right, _mosaic(unlabelled, int(np.ceil(len(unlabelled) ** 0.5))))
    left.set_title(f"{len(labelled)} images with a label")
    right.set_title(f"{len(unlabelled):,} of the {n_unlabelled:,} without one")
    title_above(figure, title)
    return figure


def captioned_pictures(
    pictures: Sequence[ArrayLike], captions: Sequence[str], title: str, columns: int = 8
) -> Figure:
    """Show pictures (N, 28, 28) with a caption under each."""
    rows = int(np.ceil(len(pictures) / columns))
    figure = Figure(figsize=(columns * 1.25, rows * 1.75 + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(pictures) :]:
        ax.set_axis_off()
    for ax, picture, caption in zip(axes, pictures, captions, strict=False):
        draw_picture(ax, picture)
        ax.set_xlabel(caption, fontsize=10)
    title_above(figure, title)
    return figure


def draw_picture(ax: Axes, picture: ArrayLike) -> None:
    """Draw one picture, bytes or in [0, 1] and ink high, in a thin frame."""
    picture = np.asarray(picture)
    top = 255 if picture.dtype == np.uint8 else 1
    ax.imshow(picture, cmap="gray_r", vmin=0, vmax=top, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, color="#dddddd", linewidth=0.6)


def _mosaic(pictures: ArrayLike, columns: int, pad: int = 0) -> NDArray:
    """Lay pictures (N, 28, 28) out in one large picture, row after row."""
    pictures = np.pad(np.asarray(pictures), ((0, -len(pictures) % columns), (0, pad), (0, pad)))
    _, height, width = pictures.shape
    rows = pictures.reshape(-1, columns, height, width).swapaxes(1, 2)  # (R, height, C, width)
    return rows.reshape(-1, columns * width)
