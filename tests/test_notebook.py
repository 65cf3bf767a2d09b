import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from vaelib import notebook, plots
from vaelib._machine.files import figures_folder
from vaelib.vae.checkpoints import MLP
from vaelib.vae.training import EpochRecord


@pytest.fixture
def displayed(monkeypatch):
    shown = []

    class Handle:
        def update(self, data, **_):
            shown.append(data)

    def display(data, **_):
        shown.append(data)
        return Handle()

    monkeypatch.setattr(notebook, "display", display)
    return shown


def test_metrics_are_kept_beside_those_that_were_there():
    notebook.record(b=0.123456, a=np.float32(2))
    notebook.record(c=3)
    assert json.loads((figures_folder() / "metrics.json").read_text()) == {
        "a": 2.0,
        "b": 0.1235,
        "c": 3.0,
    }


def test_a_metric_that_is_no_number_is_refused_and_nothing_written():
    with pytest.raises(ValueError, match="accuracy is nan"):
        notebook.record(accuracy=float("nan"))
    assert not (figures_folder() / "metrics.json").exists()


def test_shown_picture_is_saved_with_the_same_bytes_every_time(displayed):
    plots.use_style()
    for _ in range(2):
        figure = plots.bars({"one": 1.0, "two": 2.0}, "Two is more", "units")
        notebook.show(figure, "bars", alt="two bars")
    assert displayed[0] == displayed[1]
    assert displayed[0]["text/plain"] == "two bars"
    with Image.open(figures_folder() / "bars.png") as picture:
        assert picture.width == int(figure.get_size_inches()[0] * notebook.DOTS_PER_INCH)


def test_progress_ends_full_and_tells_no_time(displayed):
    progress = notebook.Progress(MLP)
    for epoch in (1, 31):
        progress(EpochRecord(epoch, -80.0, 25.0, -81.0, 25.0))
    assert len(displayed) == 2
    assert "░" in displayed[0]["text/plain"]
    last = displayed[-1]["text/plain"]
    assert "░" not in last
    assert "31/31" in last
    assert "-105.00" in last
    assert "-106.00" in last
    assert "s/" not in last


def test_separate_figures_are_shown_once():
    """Figures stay out of pyplot's list, or the notebook would draw them a second time."""
    import matplotlib.pyplot as plt

    figure = plots.bars({"one": 1.0, "two": 2.0}, "Two is more", "units")
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == []


def test_set_up_seeds_and_says_where_it_computes(capsys, monkeypatch):
    import torch

    device = notebook.set_up(seed=3)
    first = torch.rand(2)
    notebook.set_up(seed=3)
    assert torch.equal(torch.rand(2), first)
    assert f"Computing on {device.type}" in capsys.readouterr().out


def test_set_up_lets_a_missing_name_explain_itself(monkeypatch):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    monkeypatch.setattr(notebook, "get_ipython", lambda: shell)
    notebook.set_up()
    assert NameError in shell.custom_exceptions


def test_counter_counts(displayed):
    counter = notebook.Counter("fits")
    counter(1, 2)
    counter(2, 2)
    assert [shown["text/plain"].split()[1:] for shown in displayed] == [
        ["1/2", "fits"],
        ["2/2", "fits"],
    ]
