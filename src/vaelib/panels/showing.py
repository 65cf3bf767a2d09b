"""Showing a panel: as widgets where someone works, as a picture everywhere else."""

import os
from typing import TYPE_CHECKING, Protocol

from IPython import get_ipython
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
    """Show a panel: live in a notebook that someone works in, and as a picture everywhere else.

    The picture is saved as `figures/<name>.png` and goes along with the widgets, so that a
    notebook saved after use still shows something where none run.
    """
    runs_live = getattr(get_ipython(), "kernel", None) is not None and not os.environ.get(STILL)
    live = panel.live()._repr_mimebundle_() if runs_live else None
    notebook.show(panel.still(), name, alt, live)
