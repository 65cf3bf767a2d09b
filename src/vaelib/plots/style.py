"""The one style of all pictures: colours, fonts, a light background, and labels on lines."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress

import matplotlib as mpl
from matplotlib import font_manager
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

FONTS = ["DejaVu Sans"]  # comes with matplotlib; what it lacks, those behind it are asked for


def use_style() -> None:
    """Set the one style of all pictures: seaborn's "ticks", legible on a projector."""
    mpl.rcParams.update(
        {
            "figure.facecolor": "white",
            "figure.titlesize": 14,
            "figure.titleweight": "semibold",
            "font.size": 12,
            "font.family": FONTS,
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


def write_with_installed_fonts(text: str) -> list[str]:
    """Let pictures write a text, and return the characters that no installed font has.

    A font that has what DejaVu Sans lacks stands in for it from now on, after `use_style`, too.
    The other fonts are opened only where something is lacking, which takes seconds at worst.
    """
    lacking = set(text)
    for family in FONTS:
        lacking -= _written_by(font_manager.findfont(family), lacking)
    fonts = _installed_fonts()
    while lacking and (font := next(fonts, None)):
        family, file = font
        if written := _written_by(file, lacking):
            FONTS.append(family)
            lacking -= written
    mpl.rcParams["font.family"] = FONTS
    return sorted(lacking)


def _installed_fonts() -> Iterator[tuple[str, str]]:
    """Yield the fonts' families and files, those most like DejaVu Sans first."""
    manager = font_manager.fontManager

    def unlike(entry: font_manager.FontEntry) -> tuple[bool, bool, int, str]:
        weight = font_manager.weight_dict.get(entry.weight, entry.weight)
        return "Sans" not in entry.name, entry.style != "normal", abs(weight - 400), entry.fname

    for entry in sorted(manager.ttflist, key=unlike):
        # the glyphs of the font of last resort, one for every character, are boxes themselves
        if "lastresort" not in entry.name.lower().replace(" ", ""):
            yield entry.name, entry.fname
    # matplotlib makes its list when it first starts: what was installed since is not in it
    known = {entry.fname for entry in manager.ttflist}
    for file in sorted(set(font_manager.findSystemFonts()) - known):
        with suppress(Exception):  # not every font can be read, and each fails in its own way
            manager.addfont(file)
            yield manager.ttflist[-1].name, file


def _written_by(file: str, characters: Collection[str]) -> set[str]:
    """Return those of the characters that a font has."""
    try:
        font = font_manager.get_font(file)
    except (OSError, RuntimeError):  # gone since matplotlib made its list, or damaged
        return set()
    return {character for character in characters if font.get_char_index(ord(character))}


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
