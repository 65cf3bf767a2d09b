"""Bars and histograms."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from vaelib.plots.style import (
    BLUE,
    CLASS_COLOURS,
    GREY,
    INK,
    PALE,
    caption_below,
    note,
    one_panel,
    title_above,
)


def bars(
    values: Mapping[str, float],
    title: str,
    unit: str,
    number_format: str = "{:.1f}",
    errors: Sequence[float] | None = None,
    highlight: Sequence[str] = (),
    limits: tuple[float, float] | None = None,
    caption: str = "",
) -> Figure:
    """Compare a few numbers as labelled horizontal bars; `highlight` names those in blue.

    `errors` are half-widths, NaN where there is none; `caption` says below how it was measured.
    """
    figure, ax = one_panel(8.5, 0.46 * len(values) + 1.3, title)
    lengths = np.array(list(values.values()))
    colours = [BLUE if name in highlight or not highlight else PALE for name in values]
    style = {"ecolor": INK, "capsize": 3}
    ax.barh(list(values), lengths, color=colours, xerr=errors, error_kw=style)
    ends = lengths if errors is None else lengths + np.nan_to_num(errors)
    for row, (length, end) in enumerate(zip(lengths, ends, strict=True)):
        note(ax, number_format.format(length), (end, row), (5, 0), va="center")
    ax.invert_yaxis()
    ax.set_xlabel(unit)
    ax.tick_params(axis="y", length=0)
    ax.margins(x=0.12)
    if limits:
        ax.set_xlim(*limits)
    if caption:
        caption_below(figure, caption)
    return figure


def class_counts(counts: Mapping[str, Sequence[int]], classes: Sequence[str], title: str) -> Figure:
    """Show how many images of each class each split holds: split name → (C,) counts."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, len(counts))
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
    title_above(figure, title)
    return figure


def pixel_histogram(pixels: ArrayLike, title: str) -> Figure:
    """Show how the pixels' values, in [0, 1], are spread, as fractions of all pixels."""
    figure, ax = one_panel(7.5, 3.4, title)
    pixels = np.ravel(pixels)
    weights = np.full(pixels.size, 1 / pixels.size)
    heights, edges, _ = ax.hist(pixels, bins=20, range=(0, 1), weights=weights, color=BLUE)
    for height, edge in zip(heights, edges, strict=False):
        ax.text(edge + 0.025, height + 0.01, f"{height:.1%}", ha="center", fontsize=8)
    ax.set(xlabel="pixel value (0 background, 1 ink)", ylabel="fraction of pixels", xlim=(0, 1))
    ax.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
    return figure


def kl_per_latent(kl: ArrayLike, active: ArrayLike, title: str) -> Figure:
    """Show the KL of each latent dimension (Z,), largest first, with the active units in blue."""
    figure, ax = one_panel(9, 3.6, title)
    kl, active = np.asarray(kl), np.asarray(active)
    order = np.argsort(kl)[::-1]
    ax.bar(range(len(kl)), kl[order], color=np.where(active[order], BLUE, PALE))
    ax.set(xlabel="latent dimension, sorted", ylabel="KL, nats", xlim=(-0.7, len(kl) - 0.3))
    ax.set_xticks(range(len(kl)), order, fontsize=9)
    place = {"ha": "right", "transform": ax.transAxes}
    ax.text(0.98, 0.9, f"{active.sum()} active", color=BLUE, **place)
    if not active.all():
        ax.text(0.98, 0.78, f"{(~active).sum()} collapsed", color=GREY, **place)
    return figure
