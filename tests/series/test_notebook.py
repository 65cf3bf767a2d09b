"""What every notebook begins and ends with: set-up, pictures, and what it measured."""

import base64
import io
import json

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.figure import Figure
from PIL import Image

from vaelib import notebook, plots
from vaelib._machine.files import figures_folder


@pytest.fixture
def displayed(monkeypatch):
    """What was displayed, and what was said about it."""
    shown = []

    def display(data, metadata=None, raw=False):
        assert raw
        shown.append((data, metadata))

    monkeypatch.setattr(notebook, "display", display)
    return shown


def kept():
    return json.loads((figures_folder() / "metrics.json").read_text())


def test_set_up_seeds_and_says_where_it_computes(capsys):
    device = notebook.set_up(seed=3)
    first = torch.rand(2)
    assert notebook.set_up(seed=3) == device
    assert torch.equal(torch.rand(2), first)
    said = capsys.readouterr().out
    assert said.startswith(f"Computing on {device.type}, 1 thread; training in ")
    assert "torch." not in said


def test_set_up_lets_a_missing_name_explain_itself_and_memory_be_given_back(monkeypatch):
    shell = InteractiveShell()
    monkeypatch.setattr(notebook, "get_ipython", lambda: shell)
    asked = []
    monkeypatch.setattr(notebook, "return_large_arrays", lambda: asked.append(1))
    notebook.set_up()
    assert NameError in shell.custom_exceptions
    assert asked == [1]


def test_a_figure_is_shown_as_it_is_saved_with_the_same_bytes_every_time(displayed):
    plots.use_style()
    for _ in range(2):
        figure = plots.bars({"one": 1.0, "two": 2.0}, "Two is more", "units")
        notebook.show(figure, "bars", alt="two bars")
    assert displayed[0] == displayed[1]
    data, metadata = displayed[0]
    content = (figures_folder() / "bars.png").read_bytes()
    assert base64.b64decode(data["image/png"]) == content
    assert data["text/plain"] == metadata["image/png"]["alt"] == "two bars"
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.width == int(figure.get_size_inches()[0] * notebook.DOTS_PER_INCH)
        assert picture.width == 2 * metadata["image/png"]["width"]


def test_of_an_animation_the_last_frame_is_shown(displayed):
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "green", "blue")]
    gif = io.BytesIO()
    frames[0].save(gif, format="gif", save_all=True, append_images=frames[1:])
    notebook.show_animation(gif.getvalue(), "moving", alt="red, then blue")
    assert (figures_folder() / "moving.gif").read_bytes() == gif.getvalue()
    [(data, metadata)] = displayed
    assert metadata == {"image/png": {"alt": "red, then blue"}}
    with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as still:
        assert still.convert("RGB").getpixel((0, 0)) == (0, 0, 255)


def test_results_are_shown_and_kept_beside_those_that_were_there(displayed):
    notebook.results(b=0.123456, test_elbo=np.float32(-104))
    notebook.results(
        {"mean z": {10: [0.5, 0.75], 100: [0.875]}, "Raw, upright": {10: [1]}}, c=torch.tensor(3)
    )
    assert kept() == {
        "accuracy_100_labels_mean_z": 0.875,
        "accuracy_10_labels_mean_z": 0.625,
        "accuracy_10_labels_mean_z_std": 0.1768,
        "accuracy_10_labels_mean_z_worst": 0.5,
        "accuracy_10_labels_raw_upright": 1.0,
        "b": 0.1235,
        "c": 3.0,
        "test_elbo": -104.0,
    }
    assert list(kept()) == sorted(kept())
    first, second = (data for data, _ in displayed)
    assert first["text/markdown"].splitlines()[2:] == ["| b | 0.1235 |", "| test elbo | -104 |"]
    assert [line.split() for line in second["text/plain"].splitlines()] == [["c", "3"]]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_result_that_is_no_number_is_refused_and_nothing_written(displayed, value):
    with pytest.raises(ValueError, match=r"accuracy is (nan|inf), which is not a finite number"):
        notebook.results(accuracy=value)
    assert not (figures_folder() / "metrics.json").exists()


def test_damaged_numbers_are_named_and_not_overwritten(displayed):
    figures_folder().mkdir()
    (figures_folder() / "metrics.json").write_text('{"a": 1')
    with pytest.raises(ValueError, match=r"metrics\.json is damaged .* Delete it"):
        notebook.results(b=2)
    assert (figures_folder() / "metrics.json").read_text() == '{"a": 1'


def test_a_notebook_goes_on_without_its_pictures_and_numbers(monkeypatch, displayed, closed_folder):
    monkeypatch.setenv("VAELIB_FIGURES", str(closed_folder / "figures"))
    noise = Figure()
    noise.figimage(np.random.default_rng(0).random((400, 400)))
    with pytest.warns(UserWarning, match=r"cannot be kept in .*figures"):
        notebook.show(noise, "noise", alt="noise, which does not compress")
    with pytest.warns(UserWarning, match=r"cannot be kept in .*figures"):
        notebook.results(**{f"a_long_name_for_the_number_{n}": n for n in range(1000)})
    assert len(displayed) == 2
    assert not list(closed_folder.glob("figures/*.p*"))
