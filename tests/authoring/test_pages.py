"""The repository's address and the measured numbers: everywhere the same."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest

import vaelib
from vaelib.authoring import pages

ROOT = Path(__file__).parents[2]
FILES = ["pyproject.toml", "README.md", "CITATION.cff", "notebooks", "figures"]
ADDRESS = pages.read_address((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SHOWN = re.compile(r"github(?:\.com)?/([\w.-]+/[\w.-]+)|mybinder\.org/v2/gh/([\w.-]+/[\w.-]+)")


@pytest.fixture
def copy(tmp_path, monkeypatch):
    (tmp_path / "src" / "vaelib").mkdir(parents=True)
    for name in FILES:
        take = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        take(ROOT / name, tmp_path / name)
    monkeypatch.setattr(pages, "project_root", lambda: tmp_path)
    return tmp_path


def texts(root):
    paths = [root / name for name in FILES[:3]] + sorted((root / "notebooks").glob("0*.ipynb"))
    return {path: path.read_text(encoding="utf-8") for path in paths}


def test_every_link_and_number_is_up_to_date():
    assert pages.pages(ROOT) == texts(ROOT), "make links writes them anew"
    assert len(pages.NUMBER.findall((ROOT / "README.md").read_text(encoding="utf-8"))) >= 8
    assert ADDRESS.tag == f"v{vaelib.__version__}"


def test_what_is_out_of_date_or_out_of_place_is_written_anew(copy, capsys):
    before = texts(copy)
    path = copy / "notebooks" / "03_latent_tsne.ipynb"
    notebook = nbformat.read(path, as_version=4)
    first, set_up, *others, last = notebook.cells
    first.source = first.source.replace(f"/{ADDRESS.tag}?urlpath", "/main?urlpath")
    set_up.source = "import vaelib"
    notebook.cells = [first, last, *others]
    nbformat.write(notebook, path)
    stale = re.sub(r"(?<=<!-- elbo_test \.1f -->)−[\d.]+", "1", before[copy / "README.md"])
    (copy / "README.md").write_text(stale, encoding="utf-8")
    assert pages.main() == 0
    assert capsys.readouterr().out == "wrote README.md\nwrote notebooks/03_latent_tsne.ipynb\n"
    assert nbformat.read(path, as_version=4).cells[2:-1] == others  # outputs and all
    assert len(others) > 15
    assert {name for name, text in texts(copy).items() if text != before[name]} <= {path}
    assert pages.main() == 0
    assert capsys.readouterr().out == ""


def test_another_address_reaches_every_file_and_leaves_no_trace_of_the_old(copy):
    before = texts(copy)
    assert pages.main("ada/vae-course") == 0
    for path, text in texts(copy).items():
        found = {first or second for first, second in SHOWN.findall(text)}
        assert found == {"ada/vae-course"}, path.name
    assert pages.main(ADDRESS.repo) == 0
    assert texts(copy) == before


@pytest.mark.parametrize(
    "file, stale, repo, said",
    [
        ("README.md", "", "https://github.com/ada/vae-course", "write owner/name"),
        ("pyproject.toml", 'version = "0.1.0"\n', None, "Repository = "),
        ("README.md", "<!-- elbo .1f -->1", None, "README.md quotes elbo, which was not measured"),
    ],
)
def test_what_cannot_be_written_is_said_and_nothing_is_written(
    file, stale, repo, said, copy, capsys
):
    (copy / file).write_text(stale, encoding="utf-8")
    before = texts(copy)
    assert pages.main(repo) == 1
    assert said in capsys.readouterr().err
    assert texts(copy) == before


def test_numbers_are_written_in_the_format_that_stands_beside_them():
    text = "It is <!-- share .1% -->0 % − of <!-- elbo .2f -->1"
    assert pages.with_numbers(text, {"share": 0.5, "elbo": -1}) == (
        "It is <!-- share .1% -->50.0 % − of <!-- elbo .2f -->−1.00"
    )


def test_badges_open_the_notebook_itself_at_a_tag():
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
