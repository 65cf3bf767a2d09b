"""Bars and histograms."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from vaelib.plots.style import BLUE, CLASS_COLOURS, GREY, INK, ORANGE, one_panel


def bars(
    values: Mapping[str, float],
    title: str,
    unit: str,
    number_format: str = "{:.1f}",
    errors: Sequence[float] | None = None,
    highlight: Sequence[str] = (),
    limits: tuple[float, float] | None = None,
    protocol: str = "",
) -> Figure:
    """Compare a few numbers as labelled horizontal bars; `highlight` names those in blue.

    `errors` are half-widths, NaN where there is none; `protocol` says below how it was measured.
    """
    figure, ax = one_panel(8.5, 0.46 * len(values) + 1.3, title)
    names = list(values)
    heights = np.array(list(values.values()))
    colours = [BLUE if name in highlight or not highlight else "#b8b8b8" for name in names]
    ax.barh(names, heights, color=colours, xerr=errors, error_kw={"ecolor": INK, "capsize": 3})
    reach = heights if errors is None else heights + np.nan_to_num(errors)
    for row, (height, end) in enumerate(zip(heights, reach, strict=True)):
        ax.annotate(
            number_format.format(height),
            (end, row),
            (5, 0),
            textcoords="offset points",
            va="center",
        )
    ax.invert_yaxis()
    ax.set_xlabel(unit)
    ax.tick_params(axis="y", length=0)
    ax.margins(x=0.12)
    if limits:
        ax.set_xlim(*limits)
    if protocol:
        figure.supxlabel(protocol, x=0.01, ha="left", fontsize=10, color=GREY)
    return figure


def class_counts(counts: Mapping[str, Sequence[int]], classes: Sequence[str], title: str) -> Figure:
    """Show how many images of each class each split holds: split name → (C,) counts."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, len(counts), sharex=True)
    for ax, (name, values) in zip(axes, counts.items(), strict=True):
        ax.barh(range(len(classes)), values, color=CLASS_COLOURS[: len(classes)])
        ax.bar_label(ax.containers[0], fmt="{:,.0f}", fontsize=10, padding=2)
        ax.set(title=f"{name}, {sum(values):,}", yticks=range(len(classes)), xticks=[])
        ax.set_yticklabels(classes)
        ax.invert_yaxis()
        ax.spines["bottom"].set_visible(False)
        ax.margins(x=0.2)
    axes[0].set_ylabel("class")
    figure.supxlabel("images", fontsize=12)
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def pixel_histogram(pixels: NDArray[np.float32], title: str) -> Figure:
    """Show how the pixels' values, in [0, 1], are spread; the scale of the counts is a share."""
    figure, ax = one_panel(7.5, 3.4, title)
    weights = np.full(pixels.size, 1 / pixels.size)
    shares, _, bars = ax.hist(
        pixels.ravel(), bins=20, range=(0, 1), weights=weights.ravel(), color=BLUE
    )
    for share, bar in zip(shares, bars, strict=True):
        ax.text(
            bar.get_x() + bar.get_width() / 2, share + 0.01, f"{share:.1%}", ha="center", fontsize=8
        )
    ax.set(xlabel="pixel value (0 paper, 1 ink)", ylabel="share of pixels", xlim=(0, 1))
    ax.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
    return figure


def kl_per_latent(kl: NDArray[np.float32], active: NDArray[np.bool_], title: str) -> Figure:
    """Show each latent's KL in nats, the largest first, with the active units in blue."""
    figure, ax = one_panel(9, 3.6, title)
    order = np.argsort(kl)[::-1]
    ax.bar(range(len(kl)), kl[order], color=[BLUE if unit else "#b8b8b8" for unit in active[order]])
    ax.set(xlabel="latent dimension, sorted", ylabel="KL, nats", xlim=(-0.7, len(kl) - 0.3))
    ax.set_xticks(range(len(kl)))
    ax.set_xticklabels(order, fontsize=9)
    ax.text(0.98, 0.9, f"{active.sum()} active", color=BLUE, ha="right", transform=ax.transAxes)
    if not active.all():
        ax.text(
            0.98,
            0.78,
            f"{(~active).sum()} collapsed",
            color=GREY,
            ha="right",
            transform=ax.transAxes,
        )
    return figure


def score_overlap(
    scores: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    names: tuple[str, str],
    title: str,
) -> Figure:
    """Show how far two classes' scores overlap: classifier → scores of the one and the other.

    A score is the log-odds of the second class against the first, in nats; the border is 0.
    """
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    for ax, (classifier, pair) in zip(figure.subplots(1, len(scores)), scores.items(), strict=True):
        wrong = (pair[0] > 0).mean() / 2 + (pair[1] < 0).mean() / 2
        reach = np.quantile(np.abs(np.concatenate(pair)), 0.99)
        for values, name, colour in zip(pair, names, (BLUE, ORANGE), strict=True):
            ax.hist(values, bins=np.linspace(-reach, reach, 50), color=colour, alpha=0.6)
            ax.text(
                np.median(values), ax.get_ylim()[1] * 0.55, name, color=colour, fontsize=20,
                weight="bold", ha="center", path_effects=[withStroke(linewidth=4, foreground="w")],
            )  # fmt: skip
        ax.axvline(0, color=INK, linewidth=1.2)
        ax.set_title(f"{classifier}: {wrong:.1%} on the wrong side", fontsize=12, weight="normal")
        ax.set(xlabel=f"log-odds of {names[1]} against {names[0]}, nats", ylabel="test images")
    figure.suptitle(title, x=0.01, ha="left")
    return figure
