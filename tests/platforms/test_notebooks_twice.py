"""Every cell of the four notebooks, run twice in a row, as a reader may: it changes nothing.

On few images; nbval runs them on all.
"""

import os

import nbformat
import pytest
from bare import ROOT
from nbclient import NotebookClient
from small import FEW_IMAGES, WITHOUT_ASSERTIONS, on_other_data
from twice import execute_twice

from vaelib.authoring.execute import CONFIG

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder for what the notebooks make: what one trains, the next ones find."""
    return tmp_path_factory.mktemp("own")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_cell_that_is_run_again_gives_the_same(path, own):
    notebook = nbformat.read(path, as_version=4)
    on_other_data(notebook, FEW_IMAGES)
    client = NotebookClient(
        notebook, timeout=600, config=CONFIG, resources={"metadata": {"path": str(path.parent)}}
    )
    environment = {
        **os.environ,
        **WITHOUT_ASSERTIONS,
        "VAELIB_CHECKPOINTS": str(own / "runs"),
        "VAELIB_FIGURES": str(own / "figures"),
    }
    assert execute_twice(client, own / "figures", env=environment) == []
    assert list((own / "figures").glob("*.png"))
