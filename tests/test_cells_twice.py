"""Every code cell of every notebook, run twice in a row: the same numbers both times.

The numbers recorded are compared after a cell's first and second run, and so is what it prints
and shows; the notebook on disk is left alone.
"""

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from vaelib.execute import CONFIG

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def what_differs(path, figures):
    """Run each cell twice in a kernel of its own; return what the second time changed.

    `figures` is the folder that the kernel records its numbers in. Returns a list of sentences,
    and the number of cells.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=1200, config=CONFIG, resources={"metadata": {"path": str(path.parent)}}
    )
    differences = []
    cells = [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    with client.setup_kernel(env={**os.environ, "VAELIB_FIGURES": str(figures)}):
        for number, cell in cells:
            results = []
            for _ in range(2):
                client.execute_cell(cell, number)
                results.append((numbers(figures), shown(cell)))
            for what, first, second in zip(("numbers", "output"), *results, strict=True):
                if None not in (first, second) and first != second:
                    differences.append(f"{path.stem}, cell {cell.id}: its {what} changed")
    return differences, len(cells)


def numbers(figures):
    path = figures / "metrics.json"
    return json.loads(path.read_text()) if path.exists() else {}


def shown(cell):
    """What a cell prints and shows; None where it trains, since the second time it finds."""
    text = "".join(output.get("text", "") for output in cell.outputs if output.get("text"))
    data = [output.get("data") for output in cell.outputs if output.get("data")]
    if "Training it now" in text:
        return None
    return text, data


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What one notebook trains, the next ones find, as a reader's would."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def environment(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("VAELIB_RUNS", str(runs))
    return tmp_path


@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path,
            id=path.stem,
            marks=pytest.mark.long if path.stem[:2] in ("01", "03") else pytest.mark.slowest,
        )
        for path in NOTEBOOKS
    ],
)
def test_every_cell_can_be_run_twice(path, environment):
    differences, n_cells = what_differs(path, environment)
    assert differences == []
    assert n_cells > 5


def test_a_cell_that_is_not_repeatable_is_noticed(environment, tmp_path):
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
    path = tmp_path / "counting.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    differences, n_cells = what_differs(path, tmp_path / "numbers")
    assert differences == [
        "counting, cell cell-1: its numbers changed",
        "counting, cell cell-3: its output changed",
    ]
    assert n_cells == 4
