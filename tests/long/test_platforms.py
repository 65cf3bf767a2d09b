"""Colab, played: one notebook alone on a machine that has torch, but neither us nor our data.

The kernel runs in an environment without the package, in an empty folder with the one notebook;
it finds a stand-in for Colab's own module, and the address in the set-up cell leads to a clone of
this working tree. It also gets no more memory than Binder gives: each process at most 2 GB of its
own data (`ulimit -d`; `ulimit -v` would count the address space, of which torch reserves far more
than it uses), and all of them together at most 2 GB, measured as what they really occupy. Every
code cell is run twice in a row, as a reader may: the second time must give the same numbers.
"""

import json
import re
import shutil
import threading

import nbformat
import psutil
import pytest
from bare import ADDRESS, ROOT
from nbclient import NotebookClient
from twice import execute_twice

from vaelib.execute import CONFIG

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

MEMORY = 2 * 10**9  # bytes
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TRAINS_FIRST = ("03", "04")
CLONE = ADDRESS.repo.split("/")[1]  # the folder that the set-up cell makes


class OccupiedMemory(threading.Thread):
    """Watch what the processes under this one occupy together, shared pages counted once."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak = 0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.2):
            self.peak = max(self.peak, sum(map(occupied, psutil.Process().children(True))))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


def occupied(process):
    try:
        return process.memory_full_info().pss
    except psutil.Error:  # it has just ended
        return 0


@pytest.fixture
def colab(without_vaelib, repository, tmp_path, monkeypatch):
    """An environment that looks like Colab's, whose kernel Jupyter knows as "colab"."""
    environment = without_vaelib.copy(tmp_path / "venv")
    stand_in = environment.site_packages() / "google" / "colab"
    stand_in.mkdir(parents=True)
    (stand_in / "__init__.py").write_text("")
    (stand_in / "drive.py").write_text("raise AssertionError('a notebook asked for a drive')\n")
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "colab.py").write_text("import google.colab\n")  # as Colab's kernel does
    kernel = [environment.python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    limited = ["sh", "-c", f'ulimit -d {MEMORY // 1024} && exec "$@"', "sh", *kernel]
    specification = {
        "argv": [str(part) for part in limited],
        "display_name": "Colab",
        "language": "python",
        "env": {
            "IPYTHONDIR": str(tmp_path / "ipython"),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.file://{repository}.insteadOf",
            "GIT_CONFIG_VALUE_0": ADDRESS.url,
        },
    }
    kernels = tmp_path / "jupyter" / "kernels" / "colab"
    kernels.mkdir(parents=True)
    (kernels / "kernel.json").write_text(json.dumps(specification))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    for name in ("VAELIB_RUNS", "VAELIB_FIGURES", "VAELIB_DATA"):
        monkeypatch.delenv(name, raising=False)
    return environment


def client_for(notebook, folder):
    return NotebookClient(
        notebook,
        timeout=1200,
        kernel_name="colab",
        config=CONFIG,
        resources={"metadata": {"path": str(folder)}},
    )


def outputs(notebook, kind):
    found = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output for output in found if output.output_type == kind]


def pictures(notebook):
    return sum("image/png" in output.data for output in outputs(notebook, "display_data"))


@pytest.mark.parametrize("stored", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_alone_on_colab(stored, colab, tmp_path):
    before = colab.installed()
    content = tmp_path / "content"
    content.mkdir()
    shutil.copy(stored, content)
    notebook = nbformat.read(content / stored.name, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    with OccupiedMemory() as memory:
        differences = execute_twice(client_for(notebook, content), content / CLONE / "figures")
    print(f"{stored.stem}: {memory.peak / 1e9:.2f} GB")

    assert memory.peak < MEMORY
    assert differences == []
    assert pictures(notebook) == pictures(nbformat.read(stored, as_version=4)) > 0
    text = "\n".join(output.text for output in outputs(notebook, "stream"))
    assert [o.text for o in outputs(notebook, "stream") if o.name == "stderr"] == []
    assert "Warning" not in text
    assert notebook.cells[1].id.endswith("-set-up")
    assert notebook.cells[1].outputs == []
    if stored.stem.startswith(TRAINS_FIRST):
        assert_it_says_that_it_trains(notebook)
    after = colab.installed()
    assert after.pop("vaelib") == ADDRESS.tag.removeprefix("v")
    assert after == before, "the set-up cell changed what was installed"
    assert_second_run_does_nothing(notebook.cells[1], content, colab)


def assert_it_says_that_it_trains(notebook):
    [cell] = [c for c in notebook.cells if "find_or_train(recipe" in c.source]
    assert "Training it now." in cell.outputs[0].text
    assert re.search(r"31/31 epochs", cell.outputs[1].data["text/plain"])


def assert_second_run_does_nothing(set_up, content, colab):
    """In a new session the package is there, and nothing is brought or installed again."""
    [noted] = colab.site_packages().glob("vaelib-*.dist-info")
    was_noted, had = noted.stat().st_mtime_ns, sorted(content.iterdir())
    check = "from vaelib.paths import project_root\nprint(project_root())"
    cells = [set_up.source, check, set_up.source]
    again = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client_for(again, content).execute()
    [printed] = outputs(again, "stream")
    assert printed.text.strip() == str(content / CLONE)
    assert noted.stat().st_mtime_ns == was_noted
    assert sorted(content.iterdir()) == had
