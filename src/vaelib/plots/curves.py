"""Curves: training, convergence, accuracy against labels."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from vaelib.plots.style import (
    BLUE,
    CLASS_COLOURS,
    GREEN,
    GREY,
    ORANGE,
    RED,
    YELLOW,
    label_last_point,
    one_panel,
    separate_labels,
)

if TYPE_CHECKING:
    from vaelib.vae.training import EpochRecord

HIGHEST = 0.999  # on the logit scale of accuracies, where 1 is infinitely far away


def training_curves(history: "Sequence[EpochRecord]", title: str) -> Figure:
    """Show the ELBO over the epochs, and its two terms, for training and validation; in nats."""
    if not history:
        raise ValueError(
            "There is no whole epoch to show: run the training cell again, to its end."
        )
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    epochs = [record.epoch for record in history]
    for values, colour, name in [
        ([record.elbo for record in history], BLUE, "training"),
        ([record.validation_elbo for record in history], ORANGE, "validation"),
    ]:
        left.plot(epochs, values, color=colour, marker="o", markersize=3.5)
        label_last_point(left, epochs, values, f"{name} {values[-1]:.1f}", colour)
    separate_labels(left)
    left.set(title="ELBO", xlabel="epoch", ylabel="nats per image")
    if len(history) > 3:  # the first epochs would flatten the rest
        left.set_ylim(bottom=min(history[1].elbo, history[0].validation_elbo) - 2)
    for values, colour, name in [
        ([-record.validation_reconstruction for record in history], GREEN, "−reconstruction"),
        ([record.validation_kl for record in history], RED, "KL"),
    ]:
        right.plot(epochs, values, color=colour)
        label_last_point(right, epochs, values, f"{name} {values[-1]:.1f}", colour)
    right.set(title="Its two terms, validation", xlabel="epoch", ylim=(0, None))
    for ax in (left, right):
        ax.set_xlim(0, epochs[-1] * 1.38)
        ax.set_xticks([1, *range(5, epochs[-1] + 1, 5)])
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def loss_curves(training: Sequence[float], validation: Sequence[float], title: str) -> Figure:
    """Show a classifier's cross-entropy over the epochs, on training and validation images."""
    figure, ax = one_panel(8, 4.2, title)
    epochs = np.arange(1, len(training) + 1)
    for values, colour, name in [(training, BLUE, "training"), (validation, ORANGE, "validation")]:
        ax.plot(epochs, values, color=colour)
        label_last_point(ax, epochs, values, f"{name} {values[-1]:.3f}", colour)
    separate_labels(ax)
    ax.set(xlabel="epoch", ylabel="cross-entropy, nats", xlim=(0, len(training) * 1.25))
    ax.set_ylim(0, None)
    return figure


def convergence(
    sizes: NDArray[np.int64],
    estimates: NDArray[np.float64],
    errors: NDArray[np.float64],
    exact: float,
    title: str,
    unit: str,
) -> Figure:
    """Show an estimate with its standard error closing in on the exact value as samples grow."""
    figure, ax = one_panel(8, 3.6, title)
    ax.fill_between(
        sizes, estimates - errors, estimates + errors, color=BLUE, alpha=0.25, linewidth=0
    )
    ax.plot(sizes, estimates, color=BLUE)
    ax.axhline(exact, color=ORANGE, linestyle="--")
    ax.annotate(
        f"exact {exact:.3f}",
        (sizes[-1], exact),
        (0, 8),
        textcoords="offset points",
        ha="right",
        color=ORANGE,
    )
    ax.annotate(
        "estimate ± 1 standard error",
        (sizes[-1], estimates[-1] - errors[-1]),
        (0, -16),
        textcoords="offset points",
        ha="right",
        color=BLUE,
    )
    ax.set(xscale="log", xlabel="samples", ylabel=unit)
    return figure


def bound_by_samples(
    bounds: Mapping[int, float], published: Mapping[str, float], title: str, protocol: str
) -> Figure:
    """Show how the importance-weighted bound rises with the samples an image: K → nats.

    `published` values are drawn as horizontal lines with their names.
    """
    figure, ax = one_panel(8.5, 4.4, title)
    samples, nats = list(bounds), list(bounds.values())
    ax.plot(samples, nats, color=BLUE, marker="o")
    for k, value, place, side in [
        (samples[0], nats[0], (8, -4), "left"),
        (samples[-1], nats[-1], (4, -18), "right"),
    ]:
        ax.annotate(
            f"{value:.1f}".replace("-", "−"), (k, value), place, textcoords="offset points",
            color=BLUE, ha=side,
        )  # fmt: skip
    for name, value in published.items():
        ax.axhline(value, color=ORANGE, linestyle="--")
        ax.annotate(
            f"{name}: {value:.2f}".replace("-", "−"), (samples[0], value), (0, 5),
            textcoords="offset points", color=ORANGE,
        )  # fmt: skip
    ax.set(xscale="log", xlabel="samples an image, K", ylabel="bound on log p(x), nats per image")
    ax.set_xticks(samples, [f"{k:,}" for k in samples], fontsize=10)
    ax.minorticks_off()
    ax.margins(y=0.12)
    figure.supxlabel(protocol, x=0.01, ha="left", fontsize=10, color=GREY)
    return figure


def accuracy_by_budget(
    curves: Mapping[str, Mapping[int, tuple[float, float]]],
    published: Mapping[str, Mapping[int, float]],
    title: str,
    protocol: str,
) -> Figure:
    """Show accuracy against the number of labels: name → budget → (mean, half-width), in [0, 1].

    `published` results, name → budget → accuracy, are marked with a letter each.
    """
    figure = Figure(figsize=(11, 7), layout="constrained")
    ax = figure.subplots()
    last = max(budget for curve in curves.values() for budget in curve)
    ends = []
    legible = [colour for colour in CLASS_COLOURS if colour != YELLOW]
    for (name, curve), colour, marker in zip(curves.items(), legible, "osD^vPXhp", strict=False):
        means, errors = np.array(list(curve.values())).T
        means = means.clip(max=HIGHEST)
        ax.errorbar(
            list(curve), means, np.nan_to_num(errors), color=colour, marker=marker, capsize=2
        )
        if last in curve:
            ends.append((means[-1], name, colour))
        else:  # a short curve is named at its start, above or below
            above = means[0] >= max(other[min(curve)][0] for other in curves.values())
            ax.annotate(
                name, (min(curve), means[0]), (10, 16 if above else -26), color=colour,
                textcoords="offset points", weight="semibold", va="center",
            )  # fmt: skip
    _accuracy_axes(ax, curves)
    _label_ends(ax, last, ends)
    if published:
        _mark_published(ax, published)
    ax.set_title(title, pad=12)
    figure.supxlabel(protocol, x=0.01, ha="left", fontsize=10, color=GREY)
    return figure


def _mark_published(ax: Axes, published: Mapping[str, Mapping[int, float]]) -> None:
    """Put a letter at each published result, and the letters' names into the legend."""
    for number, (name, points) in enumerate(published.items()):
        letter = "abcdefgh"[number]
        beside = 1.11 ** (number - len(published) / 2)  # so that equal results stay legible
        for budget, accuracy in points.items():
            ax.text(
                beside * budget, accuracy, letter, ha="center", va="center", weight="bold",
                fontsize=10, path_effects=[withStroke(linewidth=2, foreground="w")],
            )  # fmt: skip
        ax.plot([], linestyle="", label=f"{letter}  {name}")
    title = "published (Kingma et al. 2014)"
    ax.legend(title=title, loc="lower right", fontsize=10, handlelength=0)


def _accuracy_axes(ax: Axes, curves: Mapping[str, Mapping[int, tuple[float, float]]]) -> None:
    """Stretch both axes: a factor of labels, and a factor of errors, is as long everywhere."""
    budgets = {budget for curve in curves.values() for budget in curve}
    first, last = min(budgets), max(budgets)
    heights = [mean for curve in curves.values() for mean, _ in curve.values()]
    lowest, highest = min(0.28, *heights), min(max(0.99, *heights), HIGHEST)
    ticks = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999]
    ticks = [tick for tick in ticks if lowest <= tick <= highest]
    ax.set_yscale("logit", nonpositive="clip")  # a bar that ends above 1 is drawn to the edge
    ax.set(xscale="log", xlim=(0.8 * first, 30 * last), ylim=(lowest, highest))
    ax.set(xlabel="labelled images, class-balanced", ylabel="test accuracy, % (logit scale)")
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
        ax.text(
            1.25 * x, 1 / (1 + np.exp(-place)), name, color=colour, va="center", weight="semibold"
        )
