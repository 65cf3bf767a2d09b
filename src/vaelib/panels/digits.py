"""A digit, picked or drawn, and what the model makes of it."""

import html
from collections.abc import Callable, Sequence
from typing import NamedTuple

import ipywidgets
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from vaelib.data.image_files import centre
from vaelib.data.splits import Split
from vaelib.latent import FloatArray, encode
from vaelib.panels.drawing_pad import DRAWING_PAD, ink_from_text
from vaelib.panels.showing import decode_image, image_html
from vaelib.plots.classes import draw_classes
from vaelib.plots.pictures import draw_picture
from vaelib.plots.style import BLUE, GREY, INK, PALE, RED, caption_below, rendered, title_above
from vaelib.vae.models import VAE

WARNING = "This image is unlike those the model was trained on: do not trust what it says."


class Answer(NamedTuple):
    """What the model says of an image."""

    reconstruction: Tensor  # (28, 28) in [0, 1]
    place: NDArray[np.float64]  # (2,) in the latent picture
    probabilities: NDArray[np.float64]  # (C,)
    out_of_distribution: bool


class DigitPanel:
    """An image, picked or drawn: its reconstruction, its place among others, its probable class.

    The latent picture shows the two directions of the latent space in which the classes of
    `labelled` lie farthest apart (linear discriminant analysis), so that a new image has a place.

    Parameters
    ----------
    model : a trained VAE.
    probabilities : latent means (N, Z) → class probabilities (N, C); the `predict_proba` of a
        classifier of scikit-learn's.
    labelled : images with labels, for the latent picture.
    images : uint8 (N, 28, 28), those that can be picked.
    classes : the classes' names.
    first : the number of the image that is shown first.
    detect : uint8 (N, 28, 28) → (N,) of bool, whether an image is out of distribution; the panel
        then says so.
    """

    def __init__(
        self,
        model: VAE,
        probabilities: Callable[[FloatArray], ArrayLike],
        labelled: Split,
        images: Tensor,
        classes: Sequence[str],
        first: int = 0,
        detect: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        from sklearn.decomposition import PCA
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        self.model, self.probabilities, self.detect = model, probabilities, detect
        self.images, self.classes, self.first = images, classes, first
        means, self.labels = encode(model, labelled.images).mean.numpy(), labelled.labels
        # two classes lie apart in one direction only
        apart = LinearDiscriminantAnalysis if len(self.labels.unique()) > 2 else PCA
        self.projection = apart(n_components=2).fit(means, self.labels)
        self.places = self.projection.transform(means).astype(np.float32)  # (N, 2)
        self._background, self._to_dots = self._draw_background()

    def answer(self, image: Tensor) -> Answer:
        """Encode, decode, place and name one image: uint8 (28, 28)."""
        mean = encode(self.model, image[None]).mean  # (1, Z)
        features = mean.numpy()
        return Answer(
            decode_image(self.model, mean[0]),
            self.projection.transform(features)[0],
            np.asarray(self.probabilities(features))[0],
            self.detect is not None and bool(self.detect(image[None])[0]),
        )

    def still(self) -> Figure:
        """Show the answer for the image that is shown first."""
        image = self.images[self.first]
        answer = self.answer(image)
        figure = Figure(figsize=(11, 4.2), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=[1, 2.4, 1.6])
        draw_picture(left, torch.cat([image / 255, answer.reconstruction]))
        left.set_title("image, and decoded", fontsize=12, weight="normal")
        draw_classes(middle, self.places, self.labels, self.classes, size=4, fontsize=13)
        middle.plot(*answer.place, marker="X", markersize=15, color=RED, markeredgecolor="white")
        middle.set(xlabel="discriminant 1 (no unit)", ylabel="discriminant 2 (no unit)")
        right.barh(self.classes, answer.probabilities, color=BLUE)
        right.set(xlabel="weight of the class, in all 1", xlim=(0, 1), ylabel="class")
        right.invert_yaxis()
        named = self.classes[answer.probabilities.argmax()]
        title_above(figure, f"The cross is where this image lies; it is named {named}")
        if answer.out_of_distribution:
            caption_below(figure, WARNING)
        return figure

    def live(self) -> ipywidgets.Widget:
        """Return a slider to pick an image, a pad to draw one, and the answer beside them."""
        last = len(self.images) - 1
        pick = ipywidgets.IntSlider(self.first, min=0, max=last, description="test image")
        pad = ipywidgets.HTML(DRAWING_PAD)
        drawn = ipywidgets.Textarea(layout={"display": "none"})
        warning, seen, decoded, place, bars = (ipywidgets.HTML() for _ in range(5))

        def look_at(image: Tensor) -> None:
            answer = self.answer(image)
            warning.value = _warning(answer.out_of_distribution)
            seen.value = image_html(image / 255, "the image", width=168)
            decoded.value = image_html(answer.reconstruction, "the image, decoded", width=168)
            picture = self.placed(answer.place)
            place.value = image_html(
                picture, "a cross where the image lies among others", width=380
            )
            bars.value = _bars(self.classes, answer.probabilities)

        pick.observe(lambda change: look_at(self.images[change["new"]]), "value")
        drawn.observe(lambda change: look_at(centre(ink_from_text(change["new"]))), "value")
        look_at(self.images[self.first])
        pad_box = ipywidgets.VBox([pick, pad, drawn, warning], layout={"min_width": "330px"})
        pad_box.add_class("vaelib-pad")
        pair = ipywidgets.VBox([seen, decoded], layout={"min_width": "190px"})
        return ipywidgets.HBox([pad_box, pair, place, bars])

    def placed(self, place: NDArray[np.float64]) -> Image.Image:
        """Return the latent picture with a cross at `place` (2,)."""
        picture = self._background.copy()
        x, y = np.clip(self._to_dots(place), 8, np.array(picture.size) - 8)
        pen = ImageDraw.Draw(picture)
        for width, colour in ((9, "white"), (5, RED)):
            pen.line((x - 9, y - 9, x + 9, y + 9), fill=colour, width=width)
            pen.line((x - 9, y + 9, x + 9, y - 9), fill=colour, width=width)
        return picture

    def _draw_background(self) -> tuple[Image.Image, Callable[[NDArray], NDArray]]:
        """Draw the latent picture once, and return how to find a place on it, in its dots."""
        figure = Figure(figsize=(5, 5), dpi=76)
        ax = figure.add_axes((0, 0, 1, 1))
        draw_classes(ax, self.places, self.labels, self.classes, size=5, fontsize=15)
        ax.set(xlabel="", ylabel="", aspect="auto")
        background = rendered(figure)

        def to_dots(place: NDArray[np.float64]) -> NDArray[np.float64]:
            x, y = ax.transData.transform(place)
            return np.array([x, background.height - y])

        return background, to_dots


def _warning(out_of_distribution: bool) -> str:
    words = WARNING if out_of_distribution else ""
    style = f"color:{RED};font-weight:bold;width:300px;line-height:1.4"
    return f'<p role="status" style="{style}">{words}</p>'


def _bars(classes: Sequence[str], probabilities: NDArray[np.float64]) -> str:
    """Return the class probabilities as bars in HTML, the largest in blue."""
    rows = []
    for name, probability in zip(classes, probabilities, strict=True):
        colour = BLUE if probability == probabilities.max() else PALE
        rows.append(
            f'<tr><td style="color:{INK};padding-right:6px">{html.escape(name)}</td>'
            f'<td style="width:150px">'
            f'<div style="width:{100 * probability:.1f}%;height:14px;background:{colour}"></div>'
            f'</td><td style="color:{GREY}">{probability:.0%}</td></tr>'
        )
    return '<table style="background:white;font-size:14px">' + "".join(rows) + "</table>"
