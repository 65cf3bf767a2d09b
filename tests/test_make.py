"""make, where it cannot work: one sentence says what is missing and what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    shutil.which("make") is None or sys.platform == "win32",
    reason="make is for Linux and macOS; on Windows the README's pip lines take its place.",
)


@pytest.fixture
def make(tmp_path):
    """Run make in a copy without .venv, with a Python and environment of the test's choice."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)

    # under make test, the outer make would lend this one its level and its flags
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}

    def run(target, python=sys.executable, **variables):
        done = subprocess.run(
            ["make", target, f"PYTHON={python}"],
            cwd=tmp_path,
            env=clean | variables,
            capture_output=True,
            text=True,
        )
        assert done.returncode != 0
        assert not (tmp_path / ".venv" / "installed").exists()
        return done.stdout.strip().splitlines()

    return run


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_python_that_is_too_old(make, tmp_path):
    pretend = "import sys; sys.version_info = (3, 9, 18); exec(sys.argv[1])"
    old = script(tmp_path / "python3.9", f"exec {sys.executable} -c '{pretend}' \"$2\"")
    [sentence] = make("test", python=old)
    assert sentence.startswith("This needs Python 3.10 or newer: install one")


def test_no_python_at_all(make):
    [sentence] = make("run", python="python-that-is-not-there")
    assert sentence.startswith("This needs Python 3.10 or newer: install one")


def test_missing_venv_module(make, tmp_path):
    """Debian has it in a package of its own."""
    without = f'[ "$2" = venv ] && exit 1; exec {sys.executable} "$@"'
    [sentence] = make("lab", python=script(tmp_path / "python", without))
    assert sentence.startswith("Python's venv module is missing: install it")


def test_no_network(make):
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PIP_FIND_LINKS": ""}
    [sentence] = make("run", PIP_CONFIG_FILE=os.devnull, PIP_EXTRA_INDEX_URL="", **nowhere)
    assert sentence == (
        "The packages could not be installed: check the network, then run make again."
    )
