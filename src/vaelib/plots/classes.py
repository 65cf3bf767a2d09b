"""Classes: scatters, profiles and confusions."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from vaelib.plots.style import BLUE, CLASS_COLOURS, INK, ORANGE, PALE, title_above


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

    The colour is the fraction of the row among the mistakes: the diagonal is left white, since it
    would outshine everything else.
    """
    figure = Figure(figsize=(7.4, 6.4), layout="constrained")
    ax = figure.subplots()
    mistakes = counts / counts.sum(axis=1, keepdims=True)
    np.fill_diagonal(mistakes, 0)
    percent = mpl.ticker.PercentFormatter(1, decimals=0)
    bar = {"label": "fraction of the class taken for another", "format": percent, "shrink": 0.8}
    _table(ax, mistakes, classes, classes, annot=counts, fmt="d", linewidths=1, cbar_kws=bar)
    for index in range(len(classes)):
        ax.texts[index * len(classes) + index].set_weight("bold")
    ax.set(title=title, xlabel="predicted class", ylabel="true class")
    return figure


def two_scores(
    scores: Mapping[str, ArrayLike], is_second: ArrayLike, names: tuple[str, str], title: str
) -> Figure:
    """Show two classifiers' scores of the same images against each other: name → scores (N,).

    A score is the log-odds of the second class against the first, in nats; a classifier's
    decision boundary is where its score is 0. `is_second` (N,) says which images are of it.
    """
    figure = Figure(figsize=(8.4, 6.4), layout="constrained")
    ax = figure.subplots()
    is_second = np.asarray(is_second)
    pairs = np.stack([np.asarray(each) for each in scores.values()], axis=1)  # (N, 2)
    outline = [withStroke(linewidth=4, foreground="w")]
    style = {"fontsize": 22, "weight": "bold", "ha": "center", "path_effects": outline}
    for second, colour in ((False, BLUE), (True, ORANGE)):
        of_class = pairs[is_second == second]
        ax.scatter(*of_class.T, s=9, color=colour, alpha=0.5, linewidths=0)
        ax.text(*np.median(of_class, axis=0), names[second], color=colour, **style)
    wrong = ((pairs > 0) != is_second[:, None]).mean(axis=0)
    ax.axvline(0, color=INK, linewidth=1.2)
    ax.axhline(0, color=INK, linewidth=1.2)
    reach = np.quantile(np.abs(pairs), 0.99, axis=0)
    ax.set(xlim=(-reach[0], reach[0]), ylim=(-reach[1], reach[1]))
    told = [f"{name}: {w:.1%} on the wrong side" for name, w in zip(scores, wrong, strict=True)]
    ax.set_xlabel(f"log-odds of {names[1]} against {names[0]}, nats, {told[0]}")
    ax.set_ylabel(f"the same, {told[1]}")
    title_above(figure, title)
    return figure


def decision_regions(
    classifiers: Mapping[str, Any],
    points: ArrayLike,
    labels: ArrayLike,
    shown: ArrayLike,
    title: str,
) -> Figure:
    """Show where fitted classifiers of points in the plane (N, 2) change their answer.

    `classifiers`: panel title → classifier with `predict`; the points are coloured by their
    class (N,), and those whose label was `shown` (L,) are large.
    """
    from sklearn.inspection import DecisionBoundaryDisplay

    points, labels = np.asarray(points), np.asarray(labels)
    colours = mpl.colors.ListedColormap(CLASS_COLOURS[: labels.max() + 1])
    figure = Figure(figsize=(4.6 * len(classifiers), 4), layout="constrained")
    axes = figure.subplots(1, len(classifiers), squeeze=False)[0]
    for ax, (name, classifier) in zip(axes, classifiers.items(), strict=True):
        DecisionBoundaryDisplay.from_estimator(
            classifier, points, response_method="predict", ax=ax, cmap=colours, alpha=0.2
        )
        ax.scatter(*points.T, c=labels, cmap=colours, s=14, linewidths=0)
        style = {"s": 190, "marker": "*", "edgecolors": INK, "linewidths": 1.2}
        ax.scatter(*points[shown].T, c=labels[shown], cmap=colours, **style)
        right = (classifier.predict(points) == labels).mean()
        ax.set_title(f"{name}: {right:.0%} correct", weight="normal")
        ax.set(xticks=[], yticks=[], xlabel="", ylabel="", aspect="equal")
    title_above(figure, title)
    return figure


def pseudo_label_maps(
    embedding: ArrayLike,
    pseudo_labels: Mapping[str, ArrayLike],
    classes: Sequence[str],
    title: str,
) -> Figure:
    """Show the same points (N, 2) coloured by several assignments: panel title → classes (N,).

    A point of class −1 has no label yet, and is grey and small.
    """
    figure = Figure(figsize=(3.7 * len(pseudo_labels), 4.6), layout="constrained")
    axes = figure.subplots(1, len(pseudo_labels), squeeze=False)[0]
    embedding = np.asarray(embedding)
    for ax, (name, labels) in zip(axes, pseudo_labels.items(), strict=True):
        labels = np.asarray(labels)
        ax.scatter(*embedding[labels < 0].T, s=3, color=PALE, linewidths=0)
        known = labels >= 0
        draw_classes(ax, embedding[known], labels[known], classes, size=7, fontsize=12)
        ax.set_aspect("equal", adjustable="datalim")  # all boxes stay of one size
        ax.set_title(name, weight="normal")
    title_above(figure, title)
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
