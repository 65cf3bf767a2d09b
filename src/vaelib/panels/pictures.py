"""Small pictures, for figures and as PNGs for widgets."""

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


def as_png(picture: FloatArray, scale: int = 8) -> bytes:
    """Return a picture in [0, 1], ink high, as a PNG with ink in black."""
    dots = np.kron(255 - np.round(255 * np.asarray(picture)), np.ones((scale, scale)))
    return encoded(Image.fromarray(dots.astype(np.uint8)))


def encoded(picture: Image.Image) -> bytes:
    """Return an image as a PNG, packed quickly rather than tightly."""
    buffer = io.BytesIO()
    picture.save(buffer, format="png", compress_level=1)
    return buffer.getvalue()
