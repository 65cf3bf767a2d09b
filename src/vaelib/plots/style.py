"""The one style of all pictures: colours, fonts, a light background, and labels on lines."""

from collections.abc import Sequence

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

CLASS_COLOURS = sns.color_palette("colorblind", 10).as_hex()
BLUE, ORANGE, GREEN, RED = CLASS_COLOURS[:4]
YELLOW = CLASS_COLOURS[8]  # for areas; a thin line in it is hard to see on white
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


def one_panel(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """Return a figure with one panel and its title."""
    figure = Figure(figsize=(width, height), layout="constrained")
    ax = figure.subplots()
    ax.set_title(title, pad=12)
    return figure, ax


def label_last_point(
    ax: Axes, x: Sequence[float], y: Sequence[float], text: str, colour: str
) -> None:
    """Name a line at its end, in its own colour."""
    ax.annotate(
        text, (x[-1], y[-1]), (6, 0), textcoords="offset points", va="center", color=colour,
        weight="semibold",
    )  # fmt: skip


def separate_labels(ax: Axes) -> None:
    """Push the labels of two lines that end close to each other one up and one down."""
    first, second = ax.texts[-2:]
    higher, lower = sorted((first, second), key=lambda label: label.xy[1], reverse=True)
    higher.set_va("bottom")
    lower.set_va("top")
