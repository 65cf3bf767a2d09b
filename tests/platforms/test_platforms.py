"""Colab and Kaggle, played: one notebook alone, on their own versions, without us and our data.

The kernel runs in an environment without the package, in an empty folder with the one notebook;
the address in the set-up cell leads to a clone of this working tree. It also gets no more memory
than Binder gives: each process at most 2 GB of its own data (`ulimit -d`; `ulimit -v` would count
the address space, of which torch reserves far more than it uses), and all of them together at
most 2 GB, measured as what they really occupy.

Few images will do here: make test runs all of them, with the same code, and sees to the gigabyte.
"""

import json
import re
import shutil
import threading
from typing import NamedTuple

import nbformat
import psutil
import pytest
from bare import ADDRESS, ROOT, Environment
from nbclient import NotebookClient
from small import FEW_IMAGES, on_other_data

from vaelib.authoring.execute import CONFIG
from vaelib.authoring.pages import COLLAPSED

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

MEMORY = 2 * 10**9  # bytes
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TRAINS_FIRST = ("03", "04")
WIDGET = "application/vnd.jupyter.widget-view+json"
NOTE = "Note: you may need to restart the kernel to use updated packages."  # by every %pip


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


class Platform(NamedTuple):
    name: str
    environment: Environment


@pytest.fixture(params=["colab", "kaggle"])
def platform(request, environments, repository, tmp_path, monkeypatch):
    """A copy of a platform's environment, whose kernel Jupyter knows as "platform"."""
    environment = environments(request.param).copy(tmp_path / "venv")
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    if request.param == "colab":
        stand_in = environment.site_packages() / "google" / "colab"
        stand_in.mkdir(parents=True)
        (stand_in / "__init__.py").write_text("")
        (stand_in / "drive.py").write_text("raise AssertionError('a notebook asked for a drive')\n")
        (startup / "colab.py").write_text("import google.colab\n")  # as Colab's kernel does
    kernel = [environment.python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    limited = ["sh", "-c", f'ulimit -d {MEMORY // 1024} && exec "$@"', "sh", *kernel]
    specification = {
        "argv": [str(part) for part in limited],
        "display_name": request.param,
        "language": "python",
        "env": {
            "IPYTHONDIR": str(tmp_path / "ipython"),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
            "GIT_CONFIG_VALUE_0": ADDRESS.url,
        },
    }
    kernels = tmp_path / "jupyter" / "kernels" / "platform"
    kernels.mkdir(parents=True)
    (kernels / "kernel.json").write_text(json.dumps(specification))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    for name in ("VAELIB_CHECKPOINTS", "VAELIB_FIGURES", "VAELIB_DATA"):
        monkeypatch.delenv(name, raising=False)
    return Platform(request.param, environment)


def client_for(notebook, folder, **options):
    return NotebookClient(
        notebook,
        timeout=1200,
        kernel_name="platform",
        record_timing=False,
        config=CONFIG,
        resources={"metadata": {"path": str(folder)}},
        **options,
    )


def outputs(notebook, kind):
    found = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output for output in found if output.output_type == kind]


def with_data(notebook, kind):
    return sum(kind in output.data for output in outputs(notebook, "display_data"))


def without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    return notebook


@pytest.mark.parametrize("stored", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_alone_on_the_platform(stored, platform, tmp_path):
    before = platform.environment.installed()
    content = tmp_path / "content"
    content.mkdir()
    shutil.copy(stored, content)
    notebook = without_outputs(content / stored.name)
    on_other_data(notebook, FEW_IMAGES)
    with OccupiedMemory() as memory:
        client_for(notebook, content).execute()
    print(f"{stored.stem}: {memory.peak / 1e9:.2f} GB")

    assert memory.peak < MEMORY
    kept = nbformat.read(stored, as_version=4)
    assert with_data(notebook, "image/png") == with_data(kept, "image/png") > 0
    assert with_data(notebook, WIDGET) == code(notebook).count("show_panel(")
    text = "\n".join(output.text for output in outputs(notebook, "stream"))
    assert [o.text for o in outputs(notebook, "stream") if o.name == "stderr"] == []
    assert "Warning" not in text
    set_up = notebook.cells[1]
    assert (set_up.id[2:], set_up.metadata) == ("-set-up", COLLAPSED)
    assert [output.text.strip() for output in set_up.outputs] in ([], [NOTE])
    if stored.stem.startswith(TRAINS_FIRST):
        assert_it_says_that_it_trains(notebook)
    assert {file.name for file in content.iterdir()} == {stored.name, "data", "figures"}
    after = platform.environment.installed()
    assert after.pop("vaelib") == ADDRESS.tag.removeprefix("v")
    assert after == before, "the set-up cell changed what was installed"
    assert_second_run_does_nothing(set_up, content, platform.environment)


def code(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def assert_it_says_that_it_trains(notebook):
    printed = "".join(output.text for output in outputs(notebook, "stream"))
    assert "Training it now." in printed
    assert "31/31 epochs" in printed


def assert_second_run_does_nothing(set_up, content, environment):
    """In a new session the package is there, and nothing is brought or installed again."""
    [noted] = environment.site_packages().glob("vaelib-*.dist-info")
    was_noted, had = noted.stat().st_mtime_ns, sorted(content.iterdir())
    check = "from vaelib._machine.files import project_root\nprint(project_root())"
    cells = [set_up.source, check, set_up.source]
    again = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client_for(again, content).execute()
    [printed] = outputs(again, "stream")
    assert printed.text.strip() == str(content)
    assert noted.stat().st_mtime_ns == was_noted
    assert sorted(content.iterdir()) == had


def test_where_nothing_can_be_fetched_pip_says_why_and_the_cell_what_to_do(platform, tmp_path):
    """As on Kaggle, whose internet is switched off at first."""
    set_up = without_outputs(NOTEBOOKS[0]).cells[1]
    set_up.source = set_up.source.replace(ADDRESS.url, "http://127.0.0.1:9/nowhere")
    notebook = nbformat.v4.new_notebook(cells=[set_up])
    client_for(notebook, tmp_path, allow_errors=True).execute()
    said = "\n".join(output.text for output in outputs(notebook, "stream"))
    [error] = outputs(notebook, "error")
    assert "Failed to connect to 127.0.0.1" in said
    assert error.ename == "ModuleNotFoundError"
    shown = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(error.traceback))  # without its colours
    assert "pip says above why; on Kaggle, switch the internet on" in shown
    assert "vaelib" not in platform.environment.installed()
