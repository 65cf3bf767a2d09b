"""The model as a diagram: what is computed from what, and where the labels enter."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon
from numpy.typing import ArrayLike

from vaelib.plots.pictures import draw_picture
from vaelib.plots.style import BLUE, GREEN, GREY, INK, ORANGE, RED

MIDDLE = 2.6  # the height of the main line, in units of the drawing
FILLING = "#f2f2f2"


def model_diagram(image: ArrayLike, latent_size: int, hidden_size: int, title: str) -> Figure:
    """Draw encoder, sample and decoder for one image (28, 28), and the classifier on the mean.

    Blue is the encoder φ, orange the decoder θ, green the classifier; the two terms of the ELBO
    stand where they are measured, in red.
    """
    figure = Figure(figsize=(12, 4.8), layout="constrained")
    ax = figure.subplots()
    ax.set(xlim=(0, 14), ylim=(0.1, 5.2), aspect="equal")
    ax.set_axis_off()
    _picture(ax, image, (0.2, MIDDLE - 0.8, 1.6), "image x\n784 pixels")
    _funnel(ax, (2.4, 4.15), (1.15, 0.7), BLUE, f"encoder φ\n784–{hidden_size}")
    _box(ax, (5.6, 3.15), (1.5, 0.75), BLUE, f"mean μ\n{latent_size} numbers")
    _box(ax, (5.6, 2.05), (1.5, 0.75), BLUE, f"log σ²\n{latent_size} numbers")
    _box(ax, (7.75, MIDDLE), (1.75, 0.95), INK, "sample\nz = μ + σ ⊙ ε")
    _box(ax, (7.75, 0.7), (1.75, 0.75), GREY, "noise\nε ~ N(0, I)")
    _funnel(ax, (9.4, 11.4), (0.65, 1.15), ORANGE, f"decoder θ\n{hidden_size}–784")
    _box(ax, (12.75, MIDDLE), (1.75, 0.95), ORANGE, "784 Bernoulli\nprobabilities")
    _box(ax, (7.75, 4.65), (2.2, 0.75), GREEN, "logistic regression")
    _box(ax, (10.9, 4.65), (1.6, 0.75), GREEN, "class")
    for start, end in [
        ((1.85, MIDDLE), (2.35, MIDDLE)),
        ((4.2, MIDDLE + 0.25), (4.8, 3.1)),
        ((4.2, MIDDLE - 0.25), (4.8, 2.1)),
        ((6.4, 3.15), (6.82, MIDDLE + 0.25)),
        ((6.4, 2.05), (6.82, MIDDLE - 0.25)),
        ((7.75, 1.1), (7.75, MIDDLE - 0.52)),
        ((8.68, MIDDLE), (9.35, MIDDLE)),
        ((11.45, MIDDLE), (11.83, MIDDLE)),
    ]:
        _arrow(ax, start, end, INK)
    _arrow(ax, (5.6, 3.57), (6.6, 4.65), GREEN, bend=-0.35)
    _arrow(ax, (8.9, 4.65), (10.05, 4.65), GREEN)
    ax.text(5.5, 4.7, "notebook 4: labels\nenter only here", color=GREEN, ha="right", va="center")
    _term(ax, (4.4, 1.05), "KL: how much more do μ and σ\nsay than the prior N(0, I)?", (5.6, 1.62))
    likely = "reconstruction: how probable\nis x under these probabilities?"
    _term(ax, (11.6, 1.05), likely, (12.75, 2.05))
    ax.set_title(title)
    return figure


def _picture(ax: Axes, image: ArrayLike, place: tuple[float, float, float], name: str) -> None:
    left, bottom, size = place
    inset = ax.inset_axes((left, bottom, size, size), transform=ax.transData)
    draw_picture(inset, image)
    ax.text(left + size / 2, bottom - 0.15, name, ha="center", va="top")


def _box(
    ax: Axes, middle: tuple[float, float], size: tuple[float, float], colour: str, text: str
) -> None:
    (x, y), (width, height) = middle, size
    corner = (x - width / 2, y - height / 2)
    style = "round,pad=0,rounding_size=0.12"
    look = {"facecolor": FILLING, "edgecolor": colour, "linewidth": 2}
    ax.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, **look))
    ax.text(x, y, text, ha="center", va="center", fontsize=11.5, linespacing=1.35)


def _funnel(
    ax: Axes, span: tuple[float, float], halves: tuple[float, float], colour: str, text: str
) -> None:
    """Draw a network that narrows or widens: half-heights at its left and its right end."""
    (left, right), (first, last) = span, halves
    x = (left, left, right, right)
    corners = list(
        zip(x, (MIDDLE - first, MIDDLE + first, MIDDLE + last, MIDDLE - last), strict=True)
    )
    ax.add_patch(Polygon(corners, facecolor=colour, alpha=0.18))
    ax.add_patch(Polygon(corners, fill=False, edgecolor=colour, linewidth=2))
    style = {"ha": "center", "va": "center", "weight": "semibold", "linespacing": 1.4}
    ax.text((left + right) / 2, MIDDLE, text, **style)


def _arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, bend: float = 0.0
) -> None:
    style = {
        "arrowstyle": "-|>",
        "mutation_scale": 14,
        "linewidth": 1.6,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    curve = f"arc3,rad={bend}"
    ax.add_patch(FancyArrowPatch(start, end, color=colour, connectionstyle=curve, **style))


def _term(ax: Axes, place: tuple[float, float], text: str, at: tuple[float, float]) -> None:
    """Write a term of the objective, with a thin line to what it measures."""
    line = {"arrowstyle": "-", "color": RED, "linewidth": 1, "shrinkA": 2}
    style = {"va": "top", "ha": "center", "linespacing": 1.35}
    ax.annotate(text, at, place, color=RED, arrowprops=line, **style)
