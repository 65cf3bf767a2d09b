"""Showing a panel: as widgets where someone works, as a picture everywhere else."""

import base64
import io
import os
from typing import Any

import torch
from IPython import get_ipython
from IPython.display import display
from ipywidgets import Widget
from PIL import Image
from torch import Tensor

from vaelib import notebook
from vaelib.data.images import IMAGE_SHAPE
from vaelib.vae.models import VAE

STILL = "VAELIB_STILL"  # set where a tool executes a notebook: widgets would be stored without life


def show_panel(panel: Any, name: str, alt: str) -> None:  # noqa: ANN401 (any with these methods)
    """Show a panel as widgets, where someone works, and everywhere its still picture below.

    `panel` is a `LatentPanel`, a `DigitPanel`, or has methods `still` and `live` like theirs.
    The picture is an output of its own and is saved as `figures/<name>.png`: a notebook that was
    used, saved and opened again without its kernel still shows it, where the widgets are gone.
    """
    if getattr(get_ipython(), "kernel", None) is not None and not os.environ.get(STILL):
        display(view(panel.live()), raw=True)
    notebook.show(panel.still(), name, alt)


def view(widget: Widget) -> dict[str, object]:
    """Return what shows a widget: the one form that ipywidgets 7, as on Colab, and 8 share."""
    reference = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {
        "application/vnd.jupyter.widget-view+json": reference,
        "text/plain": "Sliders and buttons work while the notebook runs; below is their picture.",
    }


@torch.inference_mode()
def decode_image(model: VAE, latent: Tensor) -> Tensor:
    """Return the image that one latent (Z,) decodes to: (28, 28) in [0, 1], on the CPU."""
    device = next(model.parameters()).device
    return model.decode(latent[None].to(device)).sigmoid().view(IMAGE_SHAPE).cpu()


def image_html(image: Image.Image | Tensor, alt: str, width: int) -> str:
    """Return an image, or pixels in [0, 1] with ink high, as HTML, `width` dots wide.

    An ipywidgets.Image would be sent as bytes, which Colab does not pass on to its page
    (googlecolab/colabtools#587).
    """
    if isinstance(image, Tensor):
        image = Image.fromarray((255 - 255 * image).round().to(torch.uint8).numpy())
    buffer = io.BytesIO()
    image.save(buffer, format="png", compress_level=1)  # packed quickly rather than tightly
    data = base64.b64encode(buffer.getvalue()).decode()
    style = f"width:{width}px;image-rendering:pixelated"
    return f'<img src="data:image/png;base64,{data}" alt="{alt}" style="{style}">'
