"""Curves: training, bounds, accuracy against the number of labels."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from vaelib.plots.style import (
    BLUE,
    GREEN,
    INK,
    LINE_COLOURS,
    ORANGE,
    RED,
    caption_below,
    labelled_line,
    note,
    one_panel,
    separate_labels,
    title_above,
)

HIGHEST = 0.999  # on the logit scale of accuracies, where 1 is infinitely far away
TICKS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)


def training_curves(history: Sequence[Any], title: str) -> Figure:
    """Show the ELBO over the epochs, and its two terms, for training and validation; in nats.

    `history`: a record for each epoch with `.epoch`, `.elbo`, `.validation_elbo`,
    `.validation_reconstruction` and `.validation_kl`, as a checkpoint keeps it.
    """
    if not history:
        raise ValueError(
            "There is no whole epoch to show: run the training cell again, to its end."
        )
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    epochs = [record.epoch for record in history]
    _training_and_validation(
        left,
        epochs,
        [record.elbo for record in history],
        [record.validation_elbo for record in history],
        marker="o",
        markersize=3.5,
    )
    left.set(title="ELBO", xlabel="epoch", ylabel="nats per image")
    if len(history) > 3:  # the first epochs would flatten the rest
        left.set_ylim(bottom=min(history[1].elbo, history[0].validation_elbo) - 2)
    negative = [-record.validation_reconstruction for record in history]
    kl = [record.validation_kl for record in history]
    labelled_line(right, epochs, negative, f"−reconstruction {negative[-1]:.1f}", GREEN)
    labelled_line(right, epochs, kl, f"KL {kl[-1]:.1f}", RED)
    right.set(title="Its two terms, validation", xlabel="epoch", ylim=(0, None))
    for ax in (left, right):
        ax.set_xlim(0, epochs[-1] * 1.38)
        ax.set_xticks([1, *range(5, epochs[-1] + 1, 5)])
    title_above(figure, title)
    return figure


def loss_curves(training: Sequence[float], validation: Sequence[float], title: str) -> Figure:
    """Show a classifier's cross-entropy over the epochs, on training and validation images."""
    figure, ax = one_panel(8, 4.2, title)
    epochs = range(1, len(training) + 1)
    _training_and_validation(ax, epochs, training, validation, digits=3)
    ax.set(xlabel="epoch", ylabel="cross-entropy, nats", xlim=(0, len(training) * 1.25))
    ax.set_ylim(0, None)
    return figure


def _training_and_validation(
    ax: Axes,
    epochs: Sequence[int],
    training: Sequence[float],
    validation: Sequence[float],
    digits: int = 1,
    **style: object,
) -> None:
    for name, y, colour in [("training", training, BLUE), ("validation", validation, ORANGE)]:
        labelled_line(ax, epochs, y, f"{name} {y[-1]:.{digits}f}", colour, **style)
    separate_labels(ax)


def collapse_curves(runs: Mapping[str, ArrayLike], title: str) -> Figure:
    """Show loss and KL of several trainings, step by step: name → (steps, 2), loss and KL.

    The losses, which may be of different scale, are divided by their first value.
    """
    figure = Figure(figsize=(11, 4), layout="constrained")
    panels = figure.subplots(1, 2)
    colours = dict(zip(runs, LINE_COLOURS, strict=False))
    for name, run in runs.items():
        loss, kl = np.asarray(run).T
        steps = range(1, len(loss) + 1)
        for ax, y in zip(panels, (loss / loss[0], kl), strict=True):
            ax.plot(steps, y, color=colours[name], linewidth=1.5, label=name)
    panels[0].set(title="Loss", xlabel="step", ylabel="fraction of its first value", ylim=(0, None))
    panels[1].set(title="KL", xlabel="step", ylabel="nats per image", ylim=(0, None))
    panels[0].legend()
    title_above(figure, title)
    return figure


def bound_by_samples(
    bounds: Mapping[int, float], published: Mapping[str, float], title: str, caption: str
) -> Figure:
    """Show how the importance-weighted bound rises with the samples per image: K → nats.

    `published` values are drawn as horizontal lines with their names.
    """
    figure, ax = one_panel(8.5, 4.4, title)
    samples, nats = list(bounds), list(bounds.values())
    ax.plot(samples, nats, color=BLUE, marker="o")
    for index, offset, side in [(0, (8, -4), "left"), (-1, (4, -18), "right")]:
        text = f"{nats[index]:.1f}".replace("-", "−")
        note(ax, text, (samples[index], nats[index]), offset, color=BLUE, ha=side)
    for name, value in published.items():
        ax.axhline(value, color=ORANGE, linestyle="--")
        text = f"{name}: {value:.2f}".replace("-", "−")
        note(ax, text, (samples[0], value), (0, 5), color=ORANGE)
    ax.set(xscale="log", xlabel="samples per image, K", ylabel="bound on log p(x), nats per image")
    ax.set_xticks(samples, [f"{k:,}" for k in samples], fontsize=10)
    ax.minorticks_off()
    ax.margins(y=0.12)
    caption_below(figure, caption)
    return figure


def learning_curves(
    curves: Mapping[str, Mapping[int, Sequence[float]]], title: str, caption: str
) -> Figure:
    """Show accuracy against the number of labels: method → number of labels → accuracies.

    The accuracies, in [0, 1], are those of several random label sets: shown are their mean and
    the 95 % interval of the mean.
    """
    figure, ax = one_panel(11, 7, title)
    means = {
        name: {n: float(np.mean(a)) for n, a in curve.items()} for name, curve in curves.items()
    }
    last = max(n for curve in curves.values() for n in curve)
    ends = []
    looks = zip(cycle(LINE_COLOURS), cycle("osD^vPXhp*"), strict=False)
    for name, (colour, marker) in zip(curves, looks, strict=False):
        sizes = list(curves[name])
        heights = np.clip(list(means[name].values()), None, HIGHEST)
        errors = [half_width(a) for a in curves[name].values()]
        ax.errorbar(sizes, heights, errors, color=colour, marker=marker, capsize=2)
        if sizes[-1] == last:
            ends.append((heights[-1], name, colour))
            continue
        # a short curve is named at its start, above or below
        at_start = [other.get(sizes[0], 0) for other in means.values()]
        highest = means[name][sizes[0]] == max(at_start)
        offset = (10, 16 if highest else -26)
        note(ax, name, (sizes[0], heights[0]), offset, color=colour, weight="semibold", va="center")
    _accuracy_axes(ax, means)
    _label_ends(ax, last, ends)
    caption_below(figure, caption)
    return figure


def accuracy_dots(
    accuracies: Mapping[str, Sequence[float]], title: str, caption: str, failed: float = 0.95
) -> Figure:
    """Show the accuracy with every random label set as a dot, a row per method: name → (D,).

    A bar marks the median; at the right stand the median, the share below `failed` and the worst.
    """
    figure, ax = one_panel(10, 0.62 * len(accuracies) + 1.6, title)
    generator = np.random.default_rng(0)  # dots at the same place are spread a little
    for row, values in enumerate(accuracies.values()):
        percent, colour = 100 * np.array(values), LINE_COLOURS[row % len(LINE_COLOURS)]
        heights = row + generator.uniform(-0.25, 0.25, len(percent))
        ax.plot(percent, heights, "o", color=colour, markersize=4, alpha=0.5, mew=0)
        ax.plot([np.median(percent)] * 2, [row - 0.36, row + 0.36], color=INK, linewidth=2)
        share = (percent < 100 * failed).mean()
        text = f"{np.median(percent):.1f} %   {share:.0%}   {percent.min():.1f} %"
        ax.text(1.02, row, text, transform=ax.get_yaxis_transform(), va="center", fontsize=11)
    ax.axvline(100 * failed, color=ORANGE, linestyle="--")
    head = f"median   < {100 * failed:.0f} %   worst"
    ax.text(1.02, -0.75, head, transform=ax.get_yaxis_transform(), va="center", fontsize=11)
    ax.set_yticks(range(len(accuracies)), list(accuracies))
    ax.set(xlabel="test accuracy, %, a dot per random label set", ylim=(len(accuracies) - 0.4, -1))
    ax.tick_params(axis="y", length=0)
    caption_below(figure, caption)
    return figure


def half_width(accuracies: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of the mean of a few accuracies (Student's t).

    NaN where there is one only, which says nothing about the spread.
    """
    from scipy import stats

    n = len(accuracies)
    return float(stats.sem(accuracies) * stats.t.ppf(0.975, n - 1)) if n > 1 else np.nan


def _accuracy_axes(ax: Axes, means: Mapping[str, Mapping[int, float]]) -> None:
    """Stretch both axes: a factor of labels, and a factor of errors, is as long everywhere."""
    sizes = {n for curve in means.values() for n in curve}
    first, last = min(sizes), max(sizes)
    heights = [mean for curve in means.values() for mean in curve.values()]
    lowest, highest = min(0.28, *heights), min(max(0.99, *heights), HIGHEST)
    ticks = [tick for tick in TICKS if lowest <= tick <= highest]
    ax.set_yscale("logit", nonpositive="clip")  # a bar that ends above 1 is drawn to the edge
    ax.set(xscale="log", xlim=(0.8 * first, 30 * last), ylim=(lowest, highest))
    ax.set(xlabel="number of labels, class-balanced", ylabel="test accuracy, % (logit scale)")
    ax.set_yticks(ticks, [f"{100 * tick:.3g}" for tick in ticks])
    between = [10**k for k in range(1, 6) if 2 * first < 10**k < last / 2]
    ax.set_xticks([first, *between, last], [f"{n:,}" for n in (first, *between, last)])
    ax.minorticks_off()


def _label_ends(ax: Axes, x: float, ends: list[tuple[float, str, str]]) -> None:
    """Name each curve right of its last point, the names pushed apart where curves end together."""
    lowest_free = -np.inf
    for height, name, colour in sorted(ends):
        place = max(np.log(height / (1 - height)), lowest_free)
        lowest_free = place + 0.2
        at = 1 / (1 + np.exp(-place))
        ax.text(1.25 * x, at, name, color=colour, va="center", weight="semibold")
