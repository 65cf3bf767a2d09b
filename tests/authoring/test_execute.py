import json
import sys

import nbformat
import pytest

from vaelib._machine.files import checkpoints_folder
from vaelib.authoring import execute


def write(path, *sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_notebooks_are_executed_in_place_and_timed(tmp_path, capsys):
    path = write(tmp_path / "one.ipynb", "x = b'x' * 300_000_000; n = len(x); del x", "print(n)")
    assert execute.main([path]) == 0
    stored = nbformat.read(path, as_version=4)
    assert stored.cells[1].outputs[0].text == "300000000\n"
    assert [cell.execution_count for cell in stored.cells] == [1, 2]
    assert "[1/1] one" in (told := capsys.readouterr().out)
    timings = json.loads((checkpoints_folder() / "timings.json").read_text())
    assert timings["one"]["seconds"] > 0
    if sys.platform == "linux":  # it is the kernel's peak, not what it has left
        assert 0.33 < timings["one"]["peak_gb"] < 1
        assert "GB" in told


def test_where_the_system_keeps_no_mark_the_memory_is_left_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(execute, "Path", lambda _: tmp_path / "no such file")
    assert execute.peak_memory(1) is None
    monkeypatch.setattr(
        execute, "execute", lambda _: {"seconds": 1, "peak_gb": None, "cells": {"a": 1}}
    )
    assert execute.main([tmp_path]) == 0
    assert "GB" not in capsys.readouterr().out


def test_a_notebook_that_fails_stays_as_it_was(tmp_path, capsys):
    path = write(tmp_path / "broken.ipynb", "print('on the way')", "1 / 0")
    before = path.read_bytes()
    assert execute.main([path, tmp_path / "never reached"]) == 1
    assert path.read_bytes() == before
    assert "ZeroDivisionError" in capsys.readouterr().out


@pytest.mark.parametrize("pause", [0, 0.05])
def test_of_a_line_that_is_written_over_the_last_state_is_kept(pause, tmp_path):
    """As progress is: however it arrives, in one piece or in many."""
    path = write(
        tmp_path / "progress.ipynb",
        "import time\nprint('begun')\nfor step in range(1, 4):\n"
        f"    print(f'\\r{{step}} of 3', end='', flush=True)\n    time.sleep({pause})\nprint()",
    )
    execute.execute(path)
    [output] = nbformat.read(path, as_version=4).cells[0].outputs
    assert output.text == "begun\n3 of 3\n"
