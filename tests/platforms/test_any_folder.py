"""make in a folder as people name them: nothing outside it is touched, whatever its name."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
INSTALLER = "src/vaelib/_machine/install.py"
TARGETS = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)[1].split()
MADE = ["data/checkpoints/mlp.safetensors", "site/html/page", "mutants/x", ".pytest_cache/x"]
KEPT = ["data/MNIST/raw/train-ubyte.gz", "data/README.md", "notebooks/01_data.ipynb", ".venv/x"]

pytestmark = pytest.mark.skipif(
    shutil.which("make") is None or sys.platform == "win32",
    reason="make is for Linux and macOS; on Windows the README's pip lines take its place.",
)

# what stands for the environment's Python: it notes what it was called with, and does nothing
STAND_IN = """\
import json, os, sys
with open({log!r}, "a") as log:
    call = {{"arguments": sys.argv[1:], "folder": os.getcwd()}}
    call |= {{name: os.environ.get(name) for name in ("VAELIB_CHECKPOINTS", "VAELIB_FIGURES")}}
    log.write(json.dumps(call) + "\\n")
"""


def create(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def repository(home, tmp_path):
    """A copy of what make reads, in a folder with a space, an umlaut and quotes in its path.

    Its neighbours have the names that the path falls into where a shell splits it.
    """
    folder = home / "ada" / "VAE course" / "Übung 'x' \"y\""
    create(folder, MADE + KEPT)
    (folder / INSTALLER).parent.mkdir(parents=True)
    for name in ("Makefile", INSTALLER, "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder / name)
    create(home, ["ada/VAE/thesis", "ada/VAE course/Übung/notes", "ada/pages/own"])
    python = folder / ".venv" / "bin" / "python"
    (tmp_path / "log").touch()
    code = STAND_IN.format(log=str(tmp_path / "log"))
    create(python.parent, ["python"])
    python.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n'
    )
    python.chmod(0o755)
    create(folder, [".venv/installed"])  # newer than what it depends on
    return folder


def make(*arguments, folder):
    ours = ("MAKE", "VAELIB_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=clean, capture_output=True, text=True
    )


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_stays_in_its_folder(target, repository, home, tmp_path):
    before = contents(home)
    done = make(target, folder=repository)
    assert done.returncode == 0, done.stderr
    after = contents(home)
    outside = {path for path in before if not path.is_relative_to(repository)}
    assert outside | {repository / name for name in KEPT} <= after.keys()
    assert all(after[path] == before[path] for path in after.keys() & before.keys())
    calls = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    called_from = set() if target == "clean" else {str(repository)}  # clean needs no Python
    assert {call["folder"] for call in calls} == called_from


def test_clean_removes_what_was_made_and_follows_no_link_out(repository, home):
    (repository / "site" / "linked").symlink_to(home / "ada" / "pages")
    assert make("clean", folder=repository).returncode == 0
    assert [name for name in MADE if (repository / name).exists()] == []
    assert (home / "ada" / "pages" / "own").exists()


def test_the_notebooks_are_tested_from_a_clean_state_within_the_folder(repository, tmp_path):
    make("test", folder=repository)
    calls = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    *others, nbval, results = calls
    assert {call["VAELIB_FIGURES"] for call in others} == {None}
    for call in (nbval, results):
        assert call["VAELIB_CHECKPOINTS"] == f"{repository}/.pytest_cache/clean_state/checkpoints"
        assert call["VAELIB_FIGURES"] == f"{repository}/.pytest_cache/clean_state/figures"
    assert {"--nbval-lax", "notebooks/01_data.ipynb"} < set(nbval["arguments"])
    assert results["arguments"][-1] == "tests/series/test_results.py"


@pytest.mark.parametrize("target", ["clean", "mutants", "site", "test"])
def test_in_another_folder_nothing_is_removed(target, repository, home):
    """As with make -f: what make removes has the names of other projects' folders."""
    other = home / "other project"
    create(other, MADE)
    shutil.copytree(repository / ".venv", other / ".venv")
    create(other, ["constraints.txt", INSTALLER])
    (other / "pyproject.toml").write_text('[project]\nname = "other"\n')
    (other / ".venv" / "installed").touch()
    before = contents(other)
    done = make("-f", repository / "Makefile", target, folder=other)
    assert done.returncode != 0
    assert "Run make in the repository." in done.stdout
    assert contents(other) == before
