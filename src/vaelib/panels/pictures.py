"""Small pictures, for figures and as HTML for widgets."""

import base64
import io

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from vaelib.latent import FloatArray


def draw(ax: Axes, picture: FloatArray) -> None:
    """Draw a picture in [0, 1], ink high, without ticks."""
    ax.imshow(picture, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, color="#dddddd")


def as_html(picture: FloatArray, alt: str, width: int) -> str:
    """Return a picture in [0, 1], ink high, as HTML with ink in black, `width` dots wide."""
    dots = (255 - np.round(255 * np.asarray(picture))).astype(np.uint8)
    return image_as_html(Image.fromarray(dots), alt, width)


def image_as_html(image: Image.Image, alt: str, width: int) -> str:
    """Return an image as HTML, `width` dots wide.

    An ipywidgets.Image would be sent as bytes, which Colab does not pass on to its page
    (googlecolab/colabtools#587).
    """
    buffer = io.BytesIO()
    image.save(buffer, format="png", compress_level=1)  # packed quickly rather than tightly
    data = base64.b64encode(buffer.getvalue()).decode()
    style = f"width:{width}px;image-rendering:pixelated"
    return f'<img src="data:image/png;base64,{data}" alt="{alt}" style="{style}">'
