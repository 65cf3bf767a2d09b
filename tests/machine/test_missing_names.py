"""A notebook run from the middle: the error says which cell to run first."""

import builtins
import symtable
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from vaelib._machine import missing_names

FOLDER = Path(__file__).parents[2] / "notebooks"
FIRST, TRAIN, DRAW = "import numpy as np", "model = train()\n%matplotlib inline", "draw(model)"
AGAIN = "model = train(longer=True)"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two notebooks that share their first cell; the second makes `model` twice."""
    (tmp_path / "notebooks").mkdir()
    for name, cells in {"01_data": ["images = np.ones(3)"], "02_vae": [TRAIN, DRAW, AGAIN]}.items():
        cells = [new_markdown_cell("# Title"), *map(new_code_cell, [FIRST, *cells])]
        nbformat.write(new_notebook(cells=cells), tmp_path / "notebooks" / f"{name}.ipynb")
    monkeypatch.setattr(missing_names, "project_root", lambda: tmp_path)
    return tmp_path / "notebooks"


def error_after(*sources):
    shell = InteractiveShell()
    missing_names.explain_missing_names(shell)
    for source in sources:
        result = shell.run_cell(source, store_history=True)
    return str(result.error_in_exec)


def test_a_cell_in_the_middle_says_which_cell_comes_first(folder, capsys):
    message = error_after("def draw(model): pass", DRAW)
    assert message.startswith("name 'model' is not defined. It is made in code cell 2 of 02_vae.ip")
    assert "'model = train()'. Run that cell first" in message
    assert "Run that cell first" in capsys.readouterr().out


def test_the_notebook_is_told_by_the_cells_that_were_run(folder):
    assert "code cell 1 of 02_vae" in missing_names.where_made("np", [DRAW, "np.ones(3)"], folder)
    assert "code cell 1 of 01_data" in missing_names.where_made("np", ["np.ones(3)"], folder)


def test_the_nearest_cell_above_is_named_and_else_one_below(folder):
    assert "code cell 4" in missing_names.where_made("model", [DRAW, "model.eval()"], folder)
    assert "code cell 4" in missing_names.where_made("model", [DRAW, TRAIN], folder)
    assert "code cell 2" in missing_names.where_made("model", [DRAW], folder)


def test_names_of_the_reader_s_own_are_left_to_python(folder):
    assert error_after("no_such_name") == "name 'no_such_name' is not defined"
    assert missing_names.where_made("x", [], folder) == ""
    assert missing_names.where_made("x", ["x"], folder / "none") == ""


def test_an_installed_package_knows_the_notebooks_that_came_with_it(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(missing_names, "project_root", lambda: tmp_path / "elsewhere")
    monkeypatch.setattr(missing_names, "shipped_folder", lambda: tmp_path)
    assert "02_vae" in error_after("def draw(model): pass", DRAW)


def used_names(source):
    """The names that a cell reads from the cells before it, in its own functions as well."""

    def walk(table):
        for symbol in table.get_symbols():
            top = table.get_type() == "module"
            if symbol.is_referenced() and (symbol.is_global() or (top and not symbol.is_local())):
                yield symbol.get_name()
        for child in table.get_children():
            yield from walk(child)

    plain = TransformerManager().transform_cell(source)  # a %pip becomes a call of get_ipython
    known = {*dir(builtins), "get_ipython"}
    return set(walk(symtable.symtable(plain, "cell", "exec"))) - known


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_name_that_any_cell_needs_is_explained(path):
    cells = missing_names._code_cells(path)
    for number, cell in enumerate(cells):
        for name in used_names(cell) - missing_names.made_names(cell):
            hint = missing_names.where_made(name, [cells[0], cell], FOLDER)
            assert path.name in hint, (number, name)
