"""Images as pictures: grids, mosaics, pictures with captions."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from vaelib.plots.style import RED

Pictures = NDArray[np.float32] | Tensor  # (..., 28, 28), ink is high


def picture_grid(
    pictures: Sequence[Pictures],
    title: str,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    size: float = 0.72,
) -> Figure:
    """Show rows of pictures: R × C × (28, 28), white is paper and black is ink.

    `row_labels` stand left of the rows, `column_labels` above the columns.
    """
    n_rows, n_columns = len(pictures), len(pictures[0])
    margin = 0.09 * max(
        (len(line) for label in row_labels for line in label.split("\n")), default=0
    )
    figure = Figure(
        figsize=(n_columns * size + margin + 0.2, n_rows * size + (0.9 if column_labels else 0.6)),
        layout="constrained",
    )
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    for row, row_axes in enumerate(axes):
        for column, ax in enumerate(row_axes):
            draw_picture(ax, pictures[row][column])
            if row == 0 and column_labels:
                ax.set_title(column_labels[column], fontsize=11, loc="center", weight="normal")
        if row_labels:
            row_axes[0].set_ylabel(row_labels[row], rotation=0, ha="right", va="center")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.02, hspace=0.02)
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def few_labels(
    labelled: Pictures, names: Sequence[str], unlabelled: Pictures, n_unlabelled: int, title: str
) -> Figure:
    """Show the labelled images, each with its class, beside a crowd of unlabelled ones.

    `labelled`: (10 k, 28, 28) with `names` for each; `unlabelled`: (M, 28, 28), of
    `n_unlabelled` in all.
    """
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    columns = int(np.ceil(len(labelled) ** 0.5))
    draw_picture(left, _mosaic(labelled, columns, pad=9))
    for index, name in enumerate(names):
        row, column = divmod(index, columns)
        left.text(
            column * 37 + 33, row * 37 + 6, name, color=RED, fontsize=10, ha="center", weight="bold"
        )
    draw_picture(right, _mosaic(unlabelled, int(np.ceil(len(unlabelled) ** 0.5))))
    left.set_title(f"{len(labelled)} images with a label")
    right.set_title(f"{len(unlabelled):,} of the {n_unlabelled:,} without one")
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def captioned_pictures(
    pictures: Pictures, captions: Sequence[str], title: str, columns: int = 8
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
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def draw_picture(ax: Axes, picture: Pictures) -> None:
    """Draw one picture (28, 28), bytes or in [0, 1], in a thin frame."""
    picture = np.asarray(picture)
    top = 255 if picture.dtype == np.uint8 else 1
    ax.imshow(picture, cmap="gray_r", vmin=0, vmax=top, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, color="#dddddd", linewidth=0.6)


def _mosaic(pictures: Pictures, columns: int, pad: int = 0) -> NDArray[np.uint8]:
    """Lay pictures (N, 28, 28) out in one large picture, row after row."""
    pictures = np.pad(np.asarray(pictures), ((0, 0), (0, pad), (0, pad)))
    missing = -len(pictures) % columns
    pictures = np.concatenate([pictures, np.zeros_like(pictures[:missing])])
    height, width = pictures.shape[1:]
    rows = len(pictures) // columns
    return (
        pictures.reshape(rows, columns, height, width)
        .swapaxes(1, 2)
        .reshape(rows * height, columns * width)
    )
