"""The repository's address: in one place, and everywhere the same."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest

import vaelib
from vaelib.authoring import links

ROOT = Path(__file__).parents[2]
FILES = ["pyproject.toml", "README.md", "CITATION.cff", "notebooks"]
ADDRESS = links.read_address((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SHOWN = re.compile(r"github(?:\.com)?/([\w.-]+/[\w.-]+)|mybinder\.org/v2/gh/([\w.-]+/[\w.-]+)")


@pytest.fixture
def copy(tmp_path):
    for name in FILES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns(".*"))
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path


def texts(root):
    paths = [root / name for name in FILES[:3]] + sorted((root / "notebooks").glob("*.ipynb"))
    return {path: path.read_text(encoding="utf-8") for path in paths}


def test_every_link_agrees_with_the_address_in_pyproject(copy):
    changed = links.write(copy)
    assert [path.name for path in changed] == [], "make links writes them anew"


def test_a_link_that_disagrees_is_noticed_and_written_anew(copy):
    before = texts(copy)
    notebook = copy / "notebooks" / "03_latent_tsne.ipynb"
    stale = before[notebook].replace(f"/{ADDRESS.tag}?urlpath", "/main?urlpath")
    assert stale != before[notebook]
    notebook.write_text(stale, encoding="utf-8")
    assert links.write(copy) == [notebook]
    assert texts(copy) == before


def test_another_address_reaches_every_file_and_leaves_no_trace_of_the_old(copy):
    before = texts(copy)
    links.write(copy, "ada/vae-course")
    for path, text in texts(copy).items():
        found = {first or second for first, second in SHOWN.findall(text)}
        assert found == {"ada/vae-course"}, path.name
    assert links.write(copy) == []
    links.write(copy, ADDRESS.repo)
    assert texts(copy) == before


def test_what_is_no_address_is_refused_and_nothing_written(copy):
    before = texts(copy)
    with pytest.raises(links.LinksError, match="write owner/name"):
        links.write(copy, "https://github.com/ada/vae-course")
    assert texts(copy) == before


def test_a_project_without_an_address_says_what_is_missing():
    with pytest.raises(links.LinksError, match="Repository = "):
        links.read_address('version = "0.1.0"\n')


def test_outputs_and_other_cells_stay_as_they_are(copy):
    path = copy / "notebooks" / "02_vae_training.ipynb"
    before = nbformat.read(path, as_version=4)
    links.write(copy, "ada/vae-course")
    after = nbformat.read(path, as_version=4)
    assert [cell.id for cell in after.cells] == [cell.id for cell in before.cells]
    assert after.cells[2:-1] == before.cells[2:-1]
    assert len(after.cells) > 20


def test_cells_return_to_their_places(copy):
    """The set-up cell comes second and the navigation last, whatever others have added."""
    path = copy / "notebooks" / "01_data.ipynb"
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    first, set_up, *others, last = notebook.cells
    notebook.cells = [first, last, *others, set_up]
    nbformat.write(notebook, path)
    assert links.write(copy) == [path]
    assert path.read_text(encoding="utf-8") == before


def test_badges_open_the_notebook_itself_at_a_tag():
    assert ADDRESS.tag == f"v{vaelib.__version__}"
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        first = nbformat.read(path, as_version=4).cells[0].source
        assert f"/blob/{ADDRESS.tag}/notebooks/{path.name})" in first
        assert f"/{ADDRESS.tag}?urlpath=lab%2Ftree%2Fnotebooks%2F{path.name})" in first


def test_navigation_leads_from_the_first_notebook_to_the_last_and_back():
    names = [path.name for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    for step, way in [("next", names), ("previous", names[::-1])]:
        walked = [way[0]]
        while len(walked) < 20:
            cells = nbformat.read(ROOT / "notebooks" / walked[-1], as_version=4).cells
            found = re.search(rf"{step}: \[[^\]]+\]\(([^)]+)\)", cells[-1].source)
            assert cells[-1].source in cells[0].source
            if found is None:
                break
            walked.append(found[1])
        assert walked == way


def test_the_command_says_what_it_wrote(copy, monkeypatch, capsys):
    monkeypatch.chdir(copy)
    assert links.main("ada/vae-course") == 0
    assert "wrote CITATION.cff" in capsys.readouterr().out
    assert links.main("nothing") == 1
    assert "write owner/name" in capsys.readouterr().err
