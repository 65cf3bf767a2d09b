"""Sliders for the latents of one image."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from vaelib.data.images import IMAGE_SHAPE
from vaelib.latent import FloatArray, encode
from vaelib.panels.pictures import as_html, draw
from vaelib.plots.style import BLUE

if TYPE_CHECKING:
    from ipywidgets import Widget

REACH = 3.0  # of a slider, in standard deviations of the prior


class LatentPanel:
    """The most active latents of one image, each with a slider, and the decoded digit.

    Parameters
    ----------
    model : a trained VAE.
    image : uint8 (28, 28), where the sliders start.
    units : the latents that get a slider, in order.
    """

    def __init__(self, model: nn.Module, image: Tensor, units: Sequence[int]) -> None:
        self.model = model
        self.image = image
        self.units = [int(unit) for unit in units]
        self.start = encode(model, image[None]).mean[0]  # (Z,)

    @torch.inference_mode()
    def decoded(self, values: Sequence[float]) -> FloatArray:
        """Return the picture (28, 28) in [0, 1] with the sliders at these values."""
        latent = torch.from_numpy(self.start.copy())[None]
        latent[0, self.units] = torch.tensor(values, dtype=latent.dtype)
        device = next(self.model.parameters()).device
        return self.model.decode(latent.to(device)).sigmoid().view(IMAGE_SHAPE).cpu().numpy()

    def still(self) -> Figure:
        """Show the sliders where they start, and the first of them turned down and up."""
        figure = Figure(figsize=(10, 3.4), layout="constrained")
        left, *rest = figure.subplots(1, 4, width_ratios=[1.5, 1, 1, 1])
        values = self.start[self.units]
        left.hlines(range(len(values)), -REACH, REACH, color="#dddddd", linewidth=3)
        left.plot(values, range(len(values)), "o", color=BLUE, markersize=9)
        left.set_yticks(range(len(values)), [f"latent {unit}" for unit in self.units])
        left.set(xlabel="value, standard deviations of the prior")
        left.invert_yaxis()
        for ax, first, name in zip(
            rest, (values[0], -2.5, 2.5), ("as encoded", "", ""), strict=True
        ):
            draw(ax, self.decoded([first, *values[1:]]))
            title = name or f"latent {self.units[0]} at {first:+.1f}".replace("-", "−")
            ax.set_title(title, fontsize=12)
        figure.suptitle("Turn a latent, and the digit bends", x=0.01, ha="left")
        return figure

    def live(self) -> "Widget":
        """Return a slider for each latent and the decoded digit, which follows them."""
        import ipywidgets

        sliders = [
            ipywidgets.FloatSlider(
                float(np.clip(self.start[unit], -REACH, REACH)), min=-REACH, max=REACH, step=0.1,
                description=f"latent {unit}",
            )
            for unit in self.units
        ]  # fmt: skip
        picture = ipywidgets.HTML()

        def follow(_: object = None) -> None:
            decoded = self.decoded([slider.value for slider in sliders])
            picture.value = as_html(decoded, "the digit that these latents decode to", width=224)

        for slider in sliders:
            slider.observe(follow, "value")
        follow()
        return ipywidgets.HBox([ipywidgets.VBox(sliders), picture])
