"""Panels to play with: sliders for the latents, and a digit to draw and have named.

Every panel has a `still` picture, which is what a stored notebook keeps and what a page without
widgets shows, and a `live` one of ipywidgets. Each answer takes well under a tenth of a second.
"""

from vaelib.panels.digits import Answer, DigitPanel
from vaelib.panels.latents import LatentPanel
from vaelib.panels.showing import STILL, show_panel

__all__ = ["STILL", "Answer", "DigitPanel", "LatentPanel", "show_panel"]
