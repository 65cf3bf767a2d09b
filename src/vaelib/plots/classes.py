"""Classes: scatters, profiles and confusions."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from vaelib.plots.style import BLUE, CLASS_COLOURS, INK, caption_below, title_above


def class_scatter(
    embedding: ArrayLike, labels: ArrayLike, classes: Sequence[str], title: str
) -> Figure:
    """Show an embedding (N, 2), coloured by class, with the class's name at its middle."""
    figure = Figure(figsize=(8, 7.2), layout="constrained")
    ax = figure.subplots()
    draw_classes(ax, embedding, labels, classes, size=16)
    ax.set_title(title)
    return figure


def scatter_panels(
    embeddings: Mapping[str, ArrayLike], labels: ArrayLike, classes: Sequence[str], title: str
) -> Figure:
    """Show several embeddings of the same points side by side: panel title → (N, 2)."""
    figure = Figure(figsize=(3.7 * len(embeddings), 4.6), layout="constrained")
    axes = figure.subplots(1, len(embeddings), squeeze=False)[0]
    for ax, (name, embedding) in zip(axes, embeddings.items(), strict=True):
        draw_classes(ax, embedding, labels, classes, size=7, fontsize=12)
        ax.set_aspect("equal", adjustable="datalim")  # all boxes stay of one size
        ax.set_title(name, weight="normal")
    title_above(figure, title)
    return figure


def draw_classes(
    ax: Axes,
    embedding: ArrayLike,
    labels: ArrayLike,
    classes: Sequence[str],
    size: float = 6,
    fontsize: float = 17,
) -> None:
    """Draw one scatter: points by class, each class named at the median of its points."""
    embedding, labels = np.asarray(embedding), np.asarray(labels)
    colours = [CLASS_COLOURS[label % len(CLASS_COLOURS)] for label in labels]
    ax.scatter(*embedding.T, s=size, color=colours, alpha=0.6, linewidths=0)
    outline = [withStroke(linewidth=fontsize / 5, foreground=INK)]
    style = {"fontsize": fontsize, "weight": "bold", "ha": "center", "va": "center"}
    for number, name in enumerate(classes):  # the names last, on top of every point
        points = embedding[labels == number]
        if len(points):
            middle = np.median(points, axis=0)
            ax.text(*middle, name, color="white", path_effects=outline, **style)
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.set(xlabel="t-SNE 1 (no unit)", ylabel="t-SNE 2 (no unit)")
    ax.margins(0.03)


def class_statistics(
    means: ArrayLike,
    deviations: ArrayLike,
    classes: Sequence[str],
    latents: ArrayLike,
    title: str,
) -> Figure:
    """Show mean and standard deviation of μ for each class and latent dimension: (C, Z)."""
    import seaborn as sns

    figure = Figure(figsize=(11, 6.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    means, deviations = np.asarray(means), np.asarray(deviations)
    reach = np.abs(means).max()
    ticks = {"xticklabels": np.asarray(latents), "yticklabels": classes}
    bar = {"label": "mean"}
    sns.heatmap(means, ax=upper, cmap="vlag", vmin=-reach, vmax=reach, cbar_kws=bar, **ticks)
    bar = {"label": "standard deviation"}
    sns.heatmap(deviations, ax=lower, cmap="crest", vmin=0, cbar_kws=bar, **ticks)
    upper.set(title="Mean of μ over the images of a class", ylabel="class")
    lower.set(
        title="Standard deviation of μ", ylabel="class", xlabel="latent dimension, largest KL first"
    )
    for ax in (upper, lower):
        ax.tick_params(axis="y", rotation=0, length=0)
        ax.tick_params(axis="x", labelsize=9, length=0)
    title_above(figure, title)
    return figure


def confusion_matrix(counts: NDArray[np.int64], classes: Sequence[str], title: str) -> Figure:
    """Show how often each true class (rows) was taken for each class (columns): (C, C) counts.

    The colour is the share of the row among the mistakes: the diagonal is left white, since it
    would outshine everything else.
    """
    figure = Figure(figsize=(7.4, 6.4), layout="constrained")
    ax = figure.subplots()
    mistakes = counts / counts.sum(axis=1, keepdims=True)
    np.fill_diagonal(mistakes, 0)
    percent = mpl.ticker.PercentFormatter(1, decimals=0)
    bar = {"label": "share of the class taken for another", "format": percent, "shrink": 0.8}
    _table(ax, mistakes, classes, classes, annot=counts, fmt="d", linewidths=1, cbar_kws=bar)
    for index in range(len(classes)):
        ax.texts[index * len(classes) + index].set_weight("bold")
    ax.set(title=title, xlabel="predicted class", ylabel="true class")
    return figure


def accuracy_tables(
    tables: Mapping[str, Mapping[tuple[str, str], float]], title: str, caption: str
) -> Figure:
    """Show accuracies as one table a panel: panel → (row, column) → accuracy in [0, 1].

    Darker is better within a panel; the scales of the panels differ.
    """
    figure = Figure(figsize=(3.7 * len(tables) + 1.6, 3.9), layout="constrained")
    axes = figure.subplots(1, len(tables), squeeze=False)[0]
    for ax, (name, cells) in zip(axes, tables.items(), strict=True):
        rows, columns = (list(dict.fromkeys(pair[i] for pair in cells)) for i in (0, 1))
        values = 100 * np.array([[cells[row, column] for column in columns] for row in rows])
        names = [column.replace(" ", "\n", 1) for column in columns]
        first = rows if ax is axes[0] else False
        _table(ax, values, first, names, 13, annot=True, fmt=".1f", linewidths=2, cbar=False)
        ax.set_title(name, weight="normal")
        ax.set_xlabel("scored on")
    axes[0].set_ylabel("trained on")
    title_above(figure, title)
    caption_below(figure, caption)
    return figure


def _table(
    ax: Axes,
    values: NDArray[np.float64],
    rows: Sequence[str] | bool,
    columns: Sequence[str],
    fontsize: float = 11,
    **style: object,
) -> None:
    """Draw numbers in squares, the larger the bluer."""
    import seaborn as sns

    blues = sns.light_palette(BLUE, as_cmap=True)
    names = {"xticklabels": columns, "yticklabels": rows}
    text = {"fontsize": fontsize}
    sns.heatmap(values, ax=ax, cmap=blues, square=True, annot_kws=text, **names, **style)
    ax.tick_params(length=0)
    ax.tick_params(axis="y", rotation=0)
