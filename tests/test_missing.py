"""A notebook run from the middle: the error says which cell to run first."""

import builtins
import symtable
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell

from vaelib._machine import missing_names

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture
def shell():
    shell = InteractiveShell()
    missing_names.explain_missing_names(shell)
    return shell


def error_of(shell, source):
    return str(shell.run_cell(source, store_history=True).error_in_exec)


def test_a_cell_in_the_middle_says_which_cell_comes_first(shell, capsys):
    cells = missing_names._code_cells(NOTEBOOKS[2])
    shell.run_cell("run = 0; del run", store_history=True)
    message = error_of(shell, next(cell for cell in cells if cell.startswith("knn_1")))
    assert "name 'latent' is not defined. It is made in code cell 2 of 03_latent" in message
    assert "'import numpy as np'" in message
    shell.run_cell("from vaelib import latent", store_history=True)
    message = error_of(shell, next(cell for cell in cells if cell.startswith("knn_1")))
    assert "name 'after_1' is not defined. It is made in code cell 3 of 03_latent" in message
    assert "Run that cell first" in message
    assert "Run that cell first" in capsys.readouterr().out


def test_the_nearest_cell_above_is_named(shell):
    """`model` is made three times in the second notebook; what comes after training needs that."""
    cells = missing_names._code_cells(NOTEBOOKS[1])
    middle = next(cell for cell in cells if cell.startswith("test = training.mean_elbo_terms"))
    hint = missing_names.where_made("model", [middle], FOLDER)
    training_cell = next(cell for cell in cells if "run = vaelib.train_and_save" in cell)
    assert f"code cell {cells.index(training_cell) + 1} of 02_vae_training.ipynb" in hint


def test_names_of_the_reader_s_own_are_left_to_python(shell):
    assert error_of(shell, "no_such_name") == "name 'no_such_name' is not defined"
    assert missing_names.where_made("x", [], FOLDER) == ""
    assert missing_names.where_made("x", ["x"], FOLDER / "none") == ""


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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_name_that_any_cell_needs_is_explained(path):
    cells = missing_names._code_cells(path)
    for number, cell in enumerate(cells):
        for name in used_names(cell) - missing_names.made_names(cell):
            hint = missing_names.where_made(name, [cells[0], cell], FOLDER)
            assert path.name in hint, (number, name)
