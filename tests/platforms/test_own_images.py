"""The promise of "Your own data": one line changed, and all four notebooks run to their end."""

import os

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


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """What one notebook trains, the next ones find, as a reader's would."""
    own = tmp_path_factory.mktemp("own")
    return {
        **os.environ,
        "VAELIB_CHECKPOINTS": str(own / "runs"),
        "VAELIB_FIGURES": str(own / "figures"),
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_on_a_folder_of_three_classes(path, images, environment):
    notebook = nbformat.read(path, as_version=4)
    on_other_data(notebook, f"vaelib.load_folder({str(images)!r})")
    client = NotebookClient(
        notebook, timeout=600, config=CONFIG, resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute(env=environment)
    streams = [o for c in notebook.cells for o in c.get("outputs", []) if o.output_type == "stream"]
    assert [o.text for o in streams if o.name == "stderr"] == []
