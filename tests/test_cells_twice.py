"""A cell that is not repeatable is noticed; the notebooks' own: long/test_notebooks_twice."""

import os

import nbformat
from nbclient import NotebookClient
from twice import execute_twice


def test_a_cell_that_is_not_repeatable_is_noticed(tmp_path):
    sources = [
        "from vaelib.notebook import record\nn = 0\nrecord(start=n)",
        "n += 1\nrecord(n=n)",
        "print('the same')",
        "print(n); n += 1",
    ]
    cells = [
        nbformat.v4.new_code_cell(source, id=f"cell-{number}")
        for number, source in enumerate(sources)
    ]
    client = NotebookClient(nbformat.v4.new_notebook(cells=cells), timeout=120)
    environment = {**os.environ, "VAELIB_FIGURES": str(tmp_path)}
    assert execute_twice(client, tmp_path, env=environment) == [
        "cell cell-1: its numbers changed",
        "cell cell-3: its output changed",
    ]
    assert cells[3].outputs[0].text == "2\n"  # the first time's
