"""Classes: scatters, profiles and confusions."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from torch import Tensor

from vaelib.plots.style import BLUE, CLASS_COLOURS, GREY, INK


def class_scatter(
    positions: NDArray[np.float32], labels: Tensor, classes: Sequence[str], title: str
) -> Figure:
    """Show points in the plane, coloured by class, with the class's name at its middle."""
    figure = Figure(figsize=(8, 7.2), layout="constrained")
    ax = figure.subplots()
    draw_classes(ax, positions, labels, classes, size=16)
    ax.set_title(title)
    return figure


def scatter_panels(
    panels: Mapping[str, NDArray[np.float32]], labels: Tensor, classes: Sequence[str], title: str
) -> Figure:
    """Show several layouts of the same points side by side: panel title → positions (N, 2)."""
    figure = Figure(figsize=(3.7 * len(panels), 4.6), layout="constrained")
    for ax, (name, positions) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        draw_classes(ax, positions, labels, classes, size=7, fontsize=12)
        ax.set_aspect("equal", adjustable="datalim")  # all boxes stay of one size
        ax.set_title(name, weight="normal")
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def draw_classes(
    ax: Axes,
    positions: NDArray[np.float32],
    labels: Tensor,
    classes: Sequence[str],
    size: float = 6,
    fontsize: float = 17,
) -> None:
    """Draw one scatter: points by class, each class named at the median of its points."""
    labels = np.asarray(labels)
    colours = [CLASS_COLOURS[label % len(CLASS_COLOURS)] for label in labels]
    ax.scatter(*positions.T, s=size, color=colours, alpha=0.6, linewidths=0)
    for number, name in enumerate(classes):  # the names last, on top of every point
        points = positions[labels == number]
        if len(points):
            ax.text(
                *np.median(points, axis=0), name, color="white", fontsize=fontsize, weight="bold",
                ha="center", va="center",
                path_effects=[withStroke(linewidth=fontsize / 5, foreground=INK)],
            )  # fmt: skip
    ax.set(
        xticks=[], yticks=[], aspect="equal", xlabel="t-SNE 1 (no unit)", ylabel="t-SNE 2 (no unit)"
    )
    ax.margins(0.03)


def class_statistics(
    means: NDArray[np.float32],
    deviations: NDArray[np.float32],
    classes: Sequence[str],
    latents: Sequence[int],
    title: str,
) -> Figure:
    """Show for each class and latent the mean and the spread of the posterior means: (C, Z)."""
    import seaborn as sns

    figure = Figure(figsize=(11, 6.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    reach = np.abs(means).max()
    common = {"xticklabels": latents, "yticklabels": classes}
    sns.heatmap(
        means, ax=upper, cmap="vlag", vmin=-reach, vmax=reach, cbar_kws={"label": "mean"}, **common
    )
    sns.heatmap(
        deviations,
        ax=lower,
        cmap="crest",
        vmin=0,
        cbar_kws={"label": "standard deviation"},
        **common,
    )
    upper.set(title="Mean of μ over the images of a class", ylabel="class")
    lower.set(title="Standard deviation of μ", ylabel="class", xlabel="latent, largest KL first")
    for ax in (upper, lower):
        ax.tick_params(axis="y", rotation=0, length=0)
        ax.tick_params(axis="x", labelsize=9, length=0)
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def confusion_matrix(counts: NDArray[np.int64], classes: Sequence[str], title: str) -> Figure:
    """Show how often each true class (rows) was taken for each class (columns): (C, C) counts.

    The colour is the share of the row among the mistakes: the diagonal is left white, since it
    would outshine everything else.
    """
    import seaborn as sns

    figure = Figure(figsize=(7.4, 6.4), layout="constrained")
    ax = figure.subplots()
    mistakes = counts / counts.sum(axis=1, keepdims=True)
    np.fill_diagonal(mistakes, 0)
    sns.heatmap(
        mistakes,
        ax=ax,
        annot=counts,
        fmt="d",
        cmap=sns.light_palette(BLUE, as_cmap=True),
        linewidths=1,
        square=True,
        xticklabels=classes,
        yticklabels=classes,
        annot_kws={"fontsize": 11},
        cbar_kws={
            "label": "share of the class taken for another",
            "format": mpl.ticker.PercentFormatter(1, decimals=0),
            "shrink": 0.8,
        },
    )
    for index in range(len(classes)):
        ax.texts[index * len(classes) + index].set_weight("bold")
    ax.set(title=title, xlabel="predicted class", ylabel="true class")
    ax.tick_params(axis="y", rotation=0)
    ax.tick_params(length=0)
    return figure


def accuracy_tables(
    tables: Mapping[str, Mapping[tuple[str, str], float]], title: str, protocol: str
) -> Figure:
    """Show accuracies as one table a panel: panel → (row, column) → accuracy in [0, 1].

    Darker is better within a panel; the scales of the panels differ.
    """
    import seaborn as sns

    figure = Figure(figsize=(3.7 * len(tables) + 1.6, 3.9), layout="constrained")
    for ax, (name, cells) in zip(figure.subplots(1, len(tables)), tables.items(), strict=True):
        rows, columns = (list(dict.fromkeys(pair[i] for pair in cells)) for i in (0, 1))
        values = 100 * np.array([[cells[row, column] for column in columns] for row in rows])
        sns.heatmap(
            values,
            ax=ax,
            annot=True,
            fmt=".1f",
            cmap=sns.light_palette(BLUE, as_cmap=True),
            cbar=False,
            linewidths=2,
            square=True,
            xticklabels=[column.replace(" ", "\n", 1) for column in columns],
            yticklabels=rows if ax.get_subplotspec().is_first_col() else False,
            annot_kws={"fontsize": 13},
        )
        ax.set_title(name, weight="normal")
        ax.set_xlabel("scored on")
        ax.tick_params(length=0)
        ax.tick_params(axis="x", rotation=0)
        ax.tick_params(axis="y", rotation=0)
    figure.axes[0].set_ylabel("trained on")
    figure.suptitle(title, x=0.01, ha="left")
    figure.supxlabel(protocol, x=0.01, ha="left", fontsize=10, color=GREY)
    return figure
