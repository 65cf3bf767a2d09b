"""Sliders for the latent dimensions of one image."""

from collections.abc import Sequence

import ipywidgets
import torch
from matplotlib.figure import Figure
from torch import Tensor

from vaelib.latent import encode
from vaelib.panels.showing import decode_image, image_html
from vaelib.plots.pictures import draw_picture
from vaelib.plots.style import BLUE, title_above
from vaelib.vae.models import VAE

REACH = 3.0  # of a slider, in standard deviations of the prior


class LatentPanel:
    """Some latent dimensions of one image, each with a slider, and the decoded digit.

    Parameters
    ----------
    model : a trained VAE.
    image : uint8 (28, 28), where the sliders start.
    units : the latent dimensions that get a slider, in order.
    """

    def __init__(self, model: VAE, image: Tensor, units: Sequence[int]) -> None:
        self.model = model
        self.units = [int(unit) for unit in units]
        self.start = encode(model, image[None]).mean[0].clone()  # (Z,)

    def decoded(self, values: Sequence[float]) -> Tensor:
        """Return the image (28, 28) in [0, 1] with the sliders at these values."""
        latent = self.start.clone()
        latent[self.units] = torch.tensor(values, dtype=latent.dtype)
        return decode_image(self.model, latent)

    def still(self) -> Figure:
        """Show the sliders where they start, and the first of them turned down and up."""
        figure = Figure(figsize=(10, 3.4), layout="constrained")
        left, *rest = figure.subplots(1, 4, width_ratios=[1.5, 1, 1, 1])
        values, rows = self.start[self.units].tolist(), range(len(self.units))
        left.hlines(rows, -REACH, REACH, color="#dddddd", linewidth=3)
        left.plot(values, rows, "o", color=BLUE, markersize=9)
        left.set_yticks(rows, [f"dimension {unit}" for unit in self.units])
        left.set(xlabel="value, standard deviations of the prior")
        left.invert_yaxis()
        names = ["as encoded", *(f"dimension {self.units[0]} at {end}" for end in ("−2.5", "+2.5"))]
        for ax, first, name in zip(rest, (values[0], -2.5, 2.5), names, strict=True):
            draw_picture(ax, self.decoded([first, *values[1:]]))
            ax.set_title(name, fontsize=11, weight="normal")
        title_above(figure, "Vary one latent dimension, and the digit bends")
        return figure

    def live(self) -> ipywidgets.Widget:
        """Return a slider for each latent dimension and the decoded digit, which follows them."""
        starts = self.start[self.units].clamp(-REACH, REACH).tolist()
        span = {"min": -REACH, "max": REACH, "step": 0.1}
        sliders = [
            ipywidgets.FloatSlider(start, description=f"dimension {unit}", **span)
            for start, unit in zip(starts, self.units, strict=True)
        ]
        picture = ipywidgets.HTML()

        def follow(_: object = None) -> None:
            decoded = self.decoded([slider.value for slider in sliders])
            picture.value = image_html(decoded, "the digit that this latent decodes to", width=224)

        for slider in sliders:
            slider.observe(follow, "value")
        follow()
        return ipywidgets.HBox([ipywidgets.VBox(sliders), picture])
