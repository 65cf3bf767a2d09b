"""One function a picture: arrays in, a matplotlib Figure out.

Titles state what is seen, so they come from the caller, who has seen it. Colours are seaborn's
ten for the colour-blind; a class is always named on the picture as well.
"""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from torch import Tensor

from vaelib.training import EpochRecord

Pictures = NDArray[np.float32] | Tensor  # (..., 28, 28), ink is high

CLASS_COLOURS = sns.color_palette("colorblind", 10).as_hex()
BLUE, ORANGE, GREEN, RED = CLASS_COLOURS[:4]
GREY = "#6b6b6b"
INK = "#222222"


def use_style() -> None:
    """Set the one style of all pictures: light background, legible on a projector."""
    sns.set_theme(
        style="ticks",
        rc={
            "figure.facecolor": "white",
            "axes.facecolor": "white",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": GREY,
            "axes.titlesize": 13,
            "axes.titlelocation": "left",
            "axes.titleweight": "semibold",
            "axes.labelsize": 12,
            "axes.labelcolor": INK,
            "figure.titlesize": 14,
            "figure.titleweight": "semibold",
            "font.size": 12,
            "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
            "text.color": INK,
            "xtick.labelsize": 11,
            "ytick.labelsize": 11,
            "xtick.color": GREY,
            "ytick.color": GREY,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "lines.linewidth": 2.2,
            "legend.frameon": False,
        },
    )


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
            _draw_picture(ax, pictures[row][column])
            if row == 0 and column_labels:
                ax.set_title(column_labels[column], fontsize=11, loc="center", weight="normal")
        if row_labels:
            row_axes[0].set_ylabel(row_labels[row], rotation=0, ha="right", va="center")
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01, wspace=0.02, hspace=0.02)
    figure.suptitle(title, x=0.01, ha="left")
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
    figure, ax = _one_panel(7.5, 3.4, title)
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


def few_labels(
    labelled: Pictures, names: Sequence[str], unlabelled: Pictures, title: str
) -> Figure:
    """Show the labelled images, each with its class, beside a crowd of unlabelled ones.

    `labelled`: (10 k, 28, 28) with `names` for each; `unlabelled`: (M, 28, 28).
    """
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    columns = int(np.ceil(len(labelled) ** 0.5))
    _draw_picture(left, _mosaic(labelled, columns, pad=9))
    for index, name in enumerate(names):
        row, column = divmod(index, columns)
        left.text(
            column * 37 + 33, row * 37 + 6, name, color=RED, fontsize=10, ha="center", weight="bold"
        )
    _draw_picture(right, _mosaic(unlabelled, int(np.ceil(len(unlabelled) ** 0.5))))
    left.set_title(f"{len(labelled)} images with a label")
    right.set_title(f"{len(unlabelled):,} of the 50,000 without one")
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def training_curves(history: Sequence[EpochRecord], title: str) -> Figure:
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
        _label_last_point(left, epochs, values, f"{name} {values[-1]:.1f}", colour)
    _separate_labels(left)
    left.set(title="ELBO", xlabel="epoch", ylabel="nats per image")
    if len(history) > 3:  # the first epochs would flatten the rest
        left.set_ylim(bottom=min(history[1].elbo, history[0].validation_elbo) - 2)
    for values, colour, name in [
        ([-record.validation_reconstruction for record in history], GREEN, "−reconstruction"),
        ([record.validation_kl for record in history], RED, "KL"),
    ]:
        right.plot(epochs, values, color=colour)
        _label_last_point(right, epochs, values, f"{name} {values[-1]:.1f}", colour)
    right.set(title="Its two terms, validation", xlabel="epoch", ylim=(0, None))
    for ax in (left, right):
        ax.set_xlim(0, epochs[-1] * 1.38)
        ax.set_xticks([1, *range(5, epochs[-1] + 1, 5)])
    figure.suptitle(title, x=0.01, ha="left")
    return figure


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
    figure, ax = _one_panel(8.5, 0.46 * len(values) + 1.3, title)
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


def kl_per_latent(kl: NDArray[np.float32], active: NDArray[np.bool_], title: str) -> Figure:
    """Show each latent's KL in nats, the largest first, with the active units in blue."""
    figure, ax = _one_panel(9, 3.6, title)
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


def convergence(
    sizes: NDArray[np.int64],
    estimates: NDArray[np.float64],
    errors: NDArray[np.float64],
    exact: float,
    title: str,
    unit: str,
) -> Figure:
    """Show an estimate with its standard error closing in on the exact value as samples grow."""
    figure, ax = _one_panel(8, 3.6, title)
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


def class_scatter(
    positions: NDArray[np.float32], labels: Tensor, classes: Sequence[str], title: str
) -> Figure:
    """Show points in the plane, coloured by class, with the class's name at its middle."""
    figure = Figure(figsize=(8, 7.2), layout="constrained")
    ax = figure.subplots()
    draw_classes(ax, positions, labels, classes)
    ax.set_title(title)
    return figure


def scatter_panels(
    panels: Mapping[str, NDArray[np.float32]], labels: Tensor, classes: Sequence[str], title: str
) -> Figure:
    """Show several layouts of the same points side by side: panel title → positions (N, 2)."""
    figure = Figure(figsize=(3.7 * len(panels), 4.4), layout="constrained")
    for ax, (name, positions) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        draw_classes(ax, positions, labels, classes, size=3, fontsize=12)
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


def loss_curves(training: Sequence[float], validation: Sequence[float], title: str) -> Figure:
    """Show a classifier's cross-entropy over the epochs, on training and validation images."""
    figure, ax = _one_panel(8, 4.2, title)
    epochs = np.arange(1, len(training) + 1)
    for values, colour, name in [(training, BLUE, "training"), (validation, ORANGE, "validation")]:
        ax.plot(epochs, values, color=colour)
        _label_last_point(ax, epochs, values, f"{name} {values[-1]:.3f}", colour)
    _separate_labels(ax)
    ax.set(xlabel="epoch", ylabel="cross-entropy, nats", xlim=(0, len(training) * 1.25))
    ax.set_ylim(0, None)
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
    for (name, curve), colour, marker in zip(
        curves.items(), CLASS_COLOURS, "osD^vPXhp*", strict=False
    ):
        means, errors = np.array(list(curve.values())).T
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
    for number, (name, points) in enumerate(published.items()):
        letter = "abcdefgh"[number]
        beside = 1.07 ** (number - len(published) / 2)  # so that equal results stay legible
        ax.plot(
            [beside * budget for budget in points], list(points.values()), linestyle="",
            color=INK, marker=f"${letter}$", markersize=8, label=name,
        )  # fmt: skip
    ticks = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99]
    ax.set(xscale="log", yscale="logit", xlim=(8, 30 * last), ylim=(0.28, 0.99))
    ax.set(xlabel="labelled images, class-balanced", ylabel="test accuracy, % (logit scale)")
    ax.set_yticks(ticks, [f"{100 * tick:.0f}" for tick in ticks])
    ax.set_xticks([10, 100, 1000, 10_000, 50_000], ["10", "100", "1,000", "10,000", "50,000"])
    ax.minorticks_off()
    _label_ends(ax, last, ends)
    ax.legend(title="published (Kingma et al. 2014)", loc="lower right", fontsize=10)
    ax.set_title(title, pad=12)
    figure.supxlabel(protocol, x=0.01, ha="left", fontsize=10, color=GREY)
    return figure


def _label_ends(ax: Axes, x: float, ends: list[tuple[float, str, str]]) -> None:
    """Name each curve right of its last point, the names pushed apart where curves end together."""
    lowest_free = -np.inf
    for height, name, colour in sorted(ends):
        place = max(np.log(height / (1 - height)), lowest_free)
        lowest_free = place + 0.2
        ax.text(
            1.25 * x, 1 / (1 + np.exp(-place)), name, color=colour, va="center", weight="semibold"
        )


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
        _draw_picture(ax, picture)
        ax.set_xlabel(caption, fontsize=10)
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _one_panel(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    ax = figure.subplots()
    ax.set_title(title, pad=12)
    return figure, ax


def _draw_picture(ax: Axes, picture: Pictures) -> None:
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


def _label_last_point(
    ax: Axes, x: Sequence[float], y: Sequence[float], text: str, colour: str
) -> None:
    ax.annotate(
        text, (x[-1], y[-1]), (6, 0), textcoords="offset points", va="center", color=colour,
        weight="semibold",
    )  # fmt: skip


def _separate_labels(ax: Axes) -> None:
    """Push the labels of two lines that end close to each other one up and one down."""
    first, second = ax.texts[-2:]
    higher, lower = sorted((first, second), key=lambda label: label.xy[1], reverse=True)
    higher.set_va("bottom")
    lower.set_va("top")
