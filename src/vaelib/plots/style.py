"""The one style of all pictures: colours, fonts, a light background, and labels on lines."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# seaborn's palette "colorblind"; seaborn itself brings pandas, 95 MB, and is imported where used
CLASS_COLOURS = [
    "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc",
    "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9",
]  # fmt: skip
BLUE, ORANGE, GREEN, RED = CLASS_COLOURS[:4]
YELLOW = CLASS_COLOURS[8]  # for areas; a thin line in it is hard to see on white
GREY = "#6b6b6b"
INK = "#222222"


def use_style() -> None:
    """Set the one style of all pictures: seaborn's "ticks", legible on a projector."""
    mpl.rcParams.update(
        {
            "figure.facecolor": "white",
            "figure.titlesize": 14,
            "figure.titleweight": "semibold",
            "font.size": 12,
            "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
            "text.color": INK,
            "axes.axisbelow": True,
            "axes.facecolor": "white",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": GREY,
            "axes.linewidth": 1.25,
            "axes.titlesize": 13,
            "axes.titlelocation": "left",
            "axes.titleweight": "semibold",
            "axes.labelsize": 12,
            "axes.labelcolor": INK,
            "axes.prop_cycle": mpl.cycler(color=CLASS_COLOURS),
            "legend.fontsize": 11,
            "legend.frameon": False,
            "legend.title_fontsize": 12,
            "lines.linewidth": 2.2,
            "lines.solid_capstyle": "round",
            "patch.edgecolor": "white",
            "patch.force_edgecolor": True,
        }
    )
    for axis in ("xtick", "ytick"):
        mpl.rcParams.update(
            {
                f"{axis}.color": GREY,
                f"{axis}.labelcolor": INK,
                f"{axis}.labelsize": 11,
                f"{axis}.major.size": 6,
                f"{axis}.major.width": 1.25,
                f"{axis}.minor.size": 4,
                f"{axis}.minor.width": 1,
            }
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
