"""make, where it cannot work: one sentence says what is missing and what to do."""

import ast
import os
import platform
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
INSTALLER = "src/vaelib/_machine/install.py"
INSTALL = runpy.run_path(str(ROOT / INSTALLER))

pytestmark = pytest.mark.skipif(
    shutil.which("make") is None or sys.platform == "win32",
    reason="make is for Linux and macOS; on Windows the README's pip lines take its place.",
)


@pytest.fixture
def folder(tmp_path):
    """A folder as people name theirs."""
    folder = tmp_path / "a b" / "Übung 'x'"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def make(folder):
    """Run make in a copy without .venv, with a Python and environment of the test's choice."""
    (folder / INSTALLER).parent.mkdir(parents=True)
    for name in ("Makefile", INSTALLER, "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder / name)

    # under make test, the outer make would lend this one its level and its flags
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}

    def run(target, python=sys.executable, **variables):
        done = subprocess.run(
            ["make", target, f"PYTHON={python}"],
            cwd=folder,
            env=clean | variables,
            capture_output=True,
            text=True,
        )
        assert done.returncode != 0
        assert not (folder / ".venv" / "installed").exists()
        return done.stdout.strip().splitlines()

    return run


@pytest.fixture
def python_with(folder):
    """Return a Python in which a module is another: it is found before the real one."""

    def stand_in(module, text):
        modules = folder / "stand-ins"
        modules.mkdir()
        (modules / f"{module}.py").write_text(text)
        python = folder / "python 3"
        before = f"PYTHONPATH={shlex.quote(str(modules))} exec {shlex.quote(sys.executable)}"
        python.write_text(f'#!/bin/sh\n{before} "$@"\n')
        python.chmod(0o755)
        return python

    return stand_in


def of_version(*version):
    return f"import sys\nsys.version_info = {version}"


def on(system, machine):
    return (
        f"import platform\nplatform.system = lambda: {system!r}\n"
        f"platform.machine = lambda: {machine!r}\n"
    )


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 10, 13), (3, 15, 0)])
def test_python_that_is_too_old_or_too_new(version, make, python_with, folder):
    [sentence] = make("test", python=python_with("sitecustomize", of_version(*version)))
    said = rf"This needs Python 3.11 to 3.14, and .+ is Python {version[0]}.{version[1]}: install"
    assert re.match(said, sentence)
    assert not (folder / ".venv").exists()


def test_mac_with_an_intel_processor(make, python_with, folder):
    [sentence] = make("run", python=python_with("sitecustomize", on("Darwin", "x86_64")))
    assert sentence.startswith("This Python is built for a Mac with an Intel processor")
    assert "use conda, as the README shows" in sentence
    assert "**With conda**, which a Mac with an Intel processor needs" in README
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize("machine", [("Darwin", "arm64"), ("Linux", "x86_64")])
@pytest.mark.parametrize("version", [(3, 11, 0), (3, 14, 9)])
def test_every_other_machine_and_python_is_let_through(machine, version, monkeypatch):
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(platform, "system", lambda: machine[0])
    monkeypatch.setattr(platform, "machine", lambda: machine[1])
    assert INSTALL["unfit"]() == ""


def test_no_python_at_all(make):
    [sentence] = make("run", python="python that's not there")
    assert sentence.startswith("There is no python that's not there: install Python 3.11 to 3.14")


def test_missing_venv_module(make, python_with):
    """Debian has it in a package of its own."""
    [sentence] = make("lab", python=python_with("venv", "raise ImportError"))
    assert sentence.startswith("Python's venv module is missing: install it")


def test_no_network(make):
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_FIND_LINKS": ""}
    [sentence] = make("run", PIP_CONFIG_FILE=os.devnull, PIP_EXTRA_INDEX_URL="", **nowhere)
    assert sentence.startswith('The packages could not be installed; pip says "Could not find a')
    assert "check the network, then run make again." in sentence


ANSWERS = """
import sys
if "install" in sys.argv:
    print("WARNING: a warning", "ERROR: No room", "ERROR: See above", sep="\\n", file=sys.stderr)
    sys.exit(1)
"""


def test_a_network_that_works_is_not_blamed(make, python_with):
    [sentence] = make("run", python=python_with("pip", ANSWERS))
    assert sentence == (
        'The packages could not be installed; pip says "No room". The network is not to blame: see '
        "what pip names, and whether the disk is full, then run make again."
    )


def test_a_pip_that_is_killed_has_no_last_words(make, python_with):
    killed = 'import os, sys\nif "install" in sys.argv: os.kill(os.getpid(), 9)'
    [sentence] = make("run", python=python_with("pip", killed))
    assert sentence.startswith("The packages could not be installed; pip ended with -9. The netw")


def test_an_old_python_can_read_that_it_is_too_old():
    ast.parse((ROOT / INSTALLER).read_text(), feature_version=(3, 7))  # the least that ast has
