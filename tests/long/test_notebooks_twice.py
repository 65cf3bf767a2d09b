"""Every cell of the four notebooks, run twice in a row, as a reader may: it changes nothing.

On MNIST, so that each branch is taken that MNIST takes, but on few images of it. What the cells
assert of all images is not true of few, so the kernel leaves assertions out (PYTHONOPTIMIZE);
nbval runs them, on all.
"""

import os

import nbformat
import pytest
from bare import ROOT
from nbclient import NotebookClient
from twice import execute_twice

from vaelib.execute import CONFIG

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LOAD = 'vaelib.load("MNIST")'
SMALL = f"""__import__("dataclasses").replace(
    {LOAD},
    train={LOAD}.train[:1500],
    validation={LOAD}.validation[:500],
    test={LOAD}.test[:500],
    checksum="small",
)"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder for what the notebooks make: what one trains, the next ones find."""
    return tmp_path_factory.mktemp("own")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_cell_that_is_run_again_gives_the_same(path, own):
    notebook = nbformat.read(path, as_version=4)
    [cell] = [c for c in notebook.cells if c.cell_type == "code" and LOAD in c.source]
    cell.source = cell.source.replace(LOAD, SMALL)
    client = NotebookClient(
        notebook, timeout=600, config=CONFIG, resources={"metadata": {"path": str(path.parent)}}
    )
    environment = {
        **os.environ,
        "PYTHONOPTIMIZE": "1",
        "VAELIB_RUNS": str(own / "runs"),
        "VAELIB_FIGURES": str(own / "figures"),
    }
    assert execute_twice(client, own / "figures", env=environment) == []
    assert list((own / "figures").glob("*.png"))
