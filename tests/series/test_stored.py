"""How the notebooks are stored: executed, without noise, light, and readable without a kernel."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
NOTEBOOKS = {
    path.stem: nbformat.read(path, as_version=4)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
}


@pytest.fixture(params=NOTEBOOKS)
def stored(request):
    return NOTEBOOKS[request.param]


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_there_are_four_notebooks_and_no_cell_id_comes_twice():
    assert [*NOTEBOOKS] == ["01_data", "02_vae_training", "03_latent_tsne", "04_classifier"]
    ids = [cell.id for notebook in NOTEBOOKS.values() for cell in notebook.cells]
    assert len(ids) == len(set(ids))


def test_it_is_executed_in_order_without_error(stored):
    counts = [cell.execution_count for cell in stored.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    kinds = {output.output_type for output in outputs(stored)}
    assert kinds <= {"display_data", "stream", "execute_result"}


def test_it_holds_no_noise(stored):
    text = "\n".join(output.get("text", "") for output in outputs(stored))
    text += "\n".join(output.get("data", {}).get("text/plain", "") for output in outputs(stored))
    assert [o for o in outputs(stored) if o.get("name") == "stderr"] == []
    assert re.findall(r"<Figure|object at 0x|Warning|/home/|/root/|/tmp/|\r", text) == []


def test_pictures_have_alt_text_and_stand_where_widgets_were(stored):
    assert "widgets" not in stored.metadata
    for cell in stored.cells:
        pictures = 0
        for output in cell.get("outputs", []):
            assert not [kind for kind in output.get("data", {}) if "widget" in kind], cell.id
            if "image/png" in output.get("data", {}):
                pictures += 1
                assert len(output.metadata["image/png"]["alt"]) > 15
        assert pictures or "show_panel" not in cell.source, cell.id


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_light(name):
    assert (ROOT / "notebooks" / f"{name}.ipynb").stat().st_size <= 1.5 * 2**20


def test_animation_is_light_and_moves():
    path = ROOT / "figures" / "latent_epochs.gif"
    assert path.stat().st_size < 3 * 2**20
    with Image.open(path) as image:
        assert image.n_frames > 30


def test_every_metric_is_measured_in_a_notebook():
    """But for those of learning curves, whose names follow from methods and numbers of labels."""
    cells = [cell for notebook in NOTEBOOKS.values() for cell in notebook.cells]
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    metrics = json.loads((ROOT / "figures" / "metrics.json").read_text())
    named = [name for name in metrics if not re.match(r"accuracy_\d+_labels_", name)]
    assert [name for name in named if f"{name}=" not in code] == []
