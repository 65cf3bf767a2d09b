"""The one style of all pictures: colours, fonts, a light background, and labels on lines."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

# seaborn's palette "colorblind"; seaborn itself brings pandas, 95 MB, and is imported where used
CLASS_COLOURS = [
    "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc",
    "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9",
]  # fmt: skip
BLUE, ORANGE, GREEN, RED = CLASS_COLOURS[:4]
LINE_COLOURS = [*CLASS_COLOURS[:8], CLASS_COLOURS[9]]  # a thin yellow line is hard to see
GREY = "#6b6b6b"
PALE = "#b8b8b8"  # of bars that stand back
INK = "#222222"

FONTS = ["DejaVu Sans"]  # comes with matplotlib; what it lacks, those behind it are asked for


def use_style() -> None:
    """Set the one style of all pictures: seaborn's "ticks", legible on a projector."""
    mpl.rc("figure", facecolor="white", titlesize=14, titleweight="semibold")
    mpl.rc("font", size=12, family=FONTS)
    mpl.rc("text", color=INK)
    mpl.rc("axes", facecolor="white", edgecolor=GREY, linewidth=1.25, axisbelow=True)
    mpl.rc("axes", titlesize=13, titlelocation="left", titleweight="semibold")
    mpl.rc("axes", labelsize=12, labelcolor=INK, prop_cycle=mpl.cycler(color=CLASS_COLOURS))
    mpl.rc("axes.spines", top=False, right=False)
    mpl.rc("legend", fontsize=11, title_fontsize=12, frameon=False)
    mpl.rc("lines", linewidth=2.2, solid_capstyle="round")
    mpl.rc("patch", edgecolor="white", force_edgecolor=True)
    mpl.rc(("xtick", "ytick"), color=GREY, labelcolor=INK, labelsize=11)
    mpl.rc(("xtick.major", "ytick.major"), size=6, width=1.25)
    mpl.rc(("xtick.minor", "ytick.minor"), size=4, width=1)


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


def title_above(figure: Figure, title: str) -> None:
    """Write the title of a figure of several panels."""
    figure.suptitle(title, x=0.01, ha="left")


def caption_below(figure: Figure, caption: str) -> None:
    """Say in small print below a figure how it was measured."""
    figure.supxlabel(caption, x=0.01, ha="left", fontsize=10, color=GREY)


def note(
    ax: Axes, text: str, point: tuple[float, float], offset: tuple[float, float], **style: object
) -> None:
    """Write beside a point, `offset` in points of type away from it."""
    ax.annotate(text, point, offset, textcoords="offset points", **style)


def labelled_line(
    ax: Axes, x: Sequence[float], y: Sequence[float], text: str, colour: str, **style: object
) -> None:
    """Draw a line and name it at its end, in its own colour."""
    ax.plot(x, y, color=colour, **style)
    note(ax, text, (x[-1], y[-1]), (6, 0), va="center", color=colour, weight="semibold")


def separate_labels(ax: Axes) -> None:
    """Push the labels of two lines that end close to each other one up and one down."""
    lower, higher = sorted(ax.texts[-2:], key=lambda label: label.xy[1])
    higher.set_va("bottom")
    lower.set_va("top")


def rendered(figure: Figure) -> Image.Image:
    """Return a figure as an image, at its own dots per inch."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
