"""The four notebooks on images of one's own, every cell run twice in a row, as a reader may.

The promise of "Your own data" is that one line is changed, and all four run to their end. That of a
second run is that it changes nothing: neither the numbers that are kept, nor what is printed and
shown. On MNIST, nbval and the played platforms run the same cells.
"""

import json
import os
from copy import deepcopy

import nbformat
import pytest
from bare import ROOT
from nbclient import NotebookClient
from PIL import Image
from small import on_other_data

import vaelib
from vaelib.authoring.execute import CONFIG

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LIVE = "application/vnd.jupyter.widget-view+json"  # a new address each time, of a new panel
TRAINS = "Training it now"  # the second time, the checkpoint is there


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder for what the notebooks make: what one trains, the next ones find."""
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Three classes of a few hundred images, as a reader would keep them: a folder a class."""
    folder = tmp_path_factory.mktemp("images") / "my digits"
    mnist = vaelib.load("MNIST")
    for label, name in ((3, "three"), (4, "four"), (7, "seven")):
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(mnist.train.images[mnist.train.labels == label][:300]):
            Image.fromarray(image.numpy()).save(folder / name / f"{number:03}.png")
    return folder


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_cell_that_is_run_again_gives_the_same(path, images, own):
    notebook = nbformat.read(path, as_version=4)
    on_other_data(notebook, f"vaelib.load_folder({str(images)!r})")
    assert noticed_in_two_runs(notebook, own, path.parent) == []
    assert list(own.glob("*.png"))


def test_a_cell_that_is_not_repeatable_is_noticed(tmp_path):
    sources = [
        "from vaelib.notebook import results\nn = 0\nresults(start=n)",
        "n += 1\nresults(n=n)",
        "print('the same')",
        "print(n); n += 1",
        "import warnings\nwarnings.warn('once')",
    ]
    cells = [nbformat.v4.new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert noticed_in_two_runs(notebook, tmp_path, tmp_path) == [
        "cell-1: its numbers changed",
        "cell-1: its output changed",
        "cell-3: its output changed",
        "cell-4: it warned",
    ]


def noticed_in_two_runs(notebook, own, folder):
    """Run each cell twice in a kernel of its own, which keeps what it makes in the folder `own`."""
    client = NotebookClient(
        notebook, timeout=600, config=CONFIG, resources={"metadata": {"path": str(folder)}}
    )
    kept = {"VAELIB_CHECKPOINTS": str(own), "VAELIB_FIGURES": str(own)}
    noticed = []
    with client.setup_kernel(env={**os.environ, **kept}):
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            states, warned = [], False
            for _ in range(2):  # Python may warn in the first run only, whose outputs are replaced
                client.execute_cell(cell, number)
                states.append(state(own, cell))
                warned |= any(output.get("name") == "stderr" for output in cell.outputs)
            first, second = states
            noticed += [f"{cell.id}: it warned"] if warned else []
            if TRAINS not in first["output"][0]:
                noticed += [f"{cell.id}: its {w} changed" for w in first if first[w] != second[w]]
    return noticed


def state(own, cell):
    path = own / "metrics.json"
    # what is printed arrives in any number of pieces, and is compared as one text
    outputs = deepcopy([output["data"] for output in cell.outputs if "data" in output])
    for data in outputs:
        data.pop(LIVE, None)
    return {
        "numbers": json.loads(path.read_text()) if path.exists() else {},
        "output": ("".join(output.get("text", "") for output in cell.outputs), outputs),
    }
