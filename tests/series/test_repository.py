"""What the repository says of itself: numbers, pictures, links, stored notebooks."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from vaelib.authoring import readme

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
METRICS = json.loads((ROOT / "figures" / "metrics.json").read_text())


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def stored(request):
    return nbformat.read(request.param, as_version=4)


def test_there_are_four_notebooks():
    names = ["01_data", "02_vae_training", "03_latent_tsne", "04_classifier"]
    assert [path.stem for path in NOTEBOOKS] == names


def test_every_number_in_the_readme_is_the_measured_one():
    assert len(readme.QUOTE.findall(README)) >= 8
    assert readme.with_current_numbers(README, METRICS) == README


def test_a_stale_number_is_noticed():
    stale = readme.with_current_numbers(README, {**METRICS, "elbo_test": -1.0})
    assert stale != README


def test_the_readme_is_brought_up_to_date_whole(tmp_path):
    page, numbers = tmp_path / "README.md", tmp_path / "metrics.json"
    page.write_text("It is <!-- share .1% -->0 % − of <!-- elbo .2f -->1", encoding="utf-8")
    numbers.write_text('{"share": 0.5, "elbo": -1}')
    readme.main(page, numbers)
    expected = "It is <!-- share .1% -->50.0 % − of <!-- elbo .2f -->−1.00"
    assert page.read_text(encoding="utf-8") == expected


def test_every_metric_is_written_by_a_notebook():
    code = "\n".join(
        cell.source
        for path in NOTEBOOKS
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code"
    )
    assert [name for name in METRICS if f"{name}=" not in code] == []


def links(text):
    return re.findall(r"!?\[[^\]]*\]\(([^)\s]+)\)", text)


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "data" / "README.md", *NOTEBOOKS])
def test_no_link_inside_the_repository_is_dead(page):
    if page.suffix == ".ipynb":
        cells = nbformat.read(page, as_version=4).cells
        text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    else:
        text = page.read_text(encoding="utf-8")
    inside = [link.split("#")[0] for link in links(text) if "://" not in link]
    assert [link for link in inside if link and not (page.parent / link).exists()] == []


def test_every_picture_in_the_readme_has_words_for_those_who_cannot_see_it():
    assert re.findall(r"!\[\]\(", README) == []


def test_stored_notebook_is_executed_in_order_without_error(stored):
    counts = [cell.execution_count for cell in stored.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [output for cell in stored.cells for output in cell.get("outputs", [])]
    assert {output.output_type for output in outputs} <= {
        "display_data",
        "stream",
        "execute_result",
    }


def test_stored_notebook_holds_no_noise(stored):
    outputs = [output for cell in stored.cells for output in cell.get("outputs", [])]
    text = "\n".join(output.get("text", "") for output in outputs)
    text += "\n".join(output.get("data", {}).get("text/plain", "") for output in outputs)
    assert [o for o in outputs if o.get("name") == "stderr"] == []
    assert re.findall(r"<Figure|object at 0x|Warning|/home/|/root/|/tmp/", text) == []


def test_stored_pictures_have_alt_text(stored):
    for cell in stored.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                assert len(output.metadata["image/png"]["alt"]) > 15


def test_code_cells_are_short(stored):
    lengths = [
        len([line for line in cell.source.splitlines() if line.strip()])
        for cell in stored.cells
        if cell.cell_type == "code"
    ]
    assert max(lengths) <= 15


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_notebook_is_light(path):
    assert path.stat().st_size <= 1.5 * 2**20
