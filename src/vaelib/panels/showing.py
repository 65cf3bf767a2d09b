"""Showing a panel: as widgets where someone works, as a picture everywhere else."""

import os
from typing import TYPE_CHECKING, Protocol

from IPython import get_ipython
from IPython.display import display
from matplotlib.figure import Figure

from vaelib import notebook

if TYPE_CHECKING:
    from ipywidgets import Widget

STILL = "VAELIB_STILL"  # set where a tool executes a notebook: widgets would be stored without life


class Panel(Protocol):
    """What can be shown as a picture and as widgets."""

    def still(self) -> Figure:
        """Return the picture that stands for the panel where no widget runs."""

    def live(self) -> "Widget":
        """Return the panel as widgets."""


def show_panel(panel: Panel, name: str, alt: str) -> None:
    """Show a panel as widgets, where someone works, and everywhere its still picture below.

    The picture is an output of its own and is saved as `figures/<name>.png`: a notebook that was
    used, saved and opened again without its kernel still shows it, where the widgets are gone.
    """
    if getattr(get_ipython(), "kernel", None) is not None and not os.environ.get(STILL):
        display(view(panel.live()), raw=True)
    notebook.show(panel.still(), name, alt)


def view(widget: "Widget") -> dict[str, object]:
    """Return what shows a widget: the one form that ipywidgets 7, as on Colab, and 8 share."""
    reference = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {
        "application/vnd.jupyter.widget-view+json": reference,
        "text/plain": "Sliders and buttons work while the notebook runs; below is their picture.",
    }
