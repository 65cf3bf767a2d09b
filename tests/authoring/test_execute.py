import json
import subprocess
import sys
import time

import nbformat

from vaelib._machine.files import checkpoints_folder
from vaelib.authoring import execute


def write(path, *sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_notebooks_are_executed_in_place_and_timed(tmp_path, capsys):
    path = write(tmp_path / "one.ipynb", "x = bytearray(30_000_000)", "print(len(x))")
    assert execute.main([path]) == 0
    stored = nbformat.read(path, as_version=4)
    assert stored.cells[1].outputs[0].text == "30000000\n"
    assert [cell.execution_count for cell in stored.cells] == [1, 2]
    assert "[1/1] one" in capsys.readouterr().out
    timings = json.loads((checkpoints_folder() / "timings.json").read_text())
    assert timings["one"]["seconds"] > 0
    assert 0.03 < timings["one"]["peak_gb"] < 8


def test_a_notebook_that_fails_stays_as_it_was(tmp_path, capsys):
    path = write(tmp_path / "broken.ipynb", "print('on the way')", "1 / 0")
    before = path.read_bytes()
    assert execute.main([path, tmp_path / "never reached"]) == 1
    assert path.read_bytes() == before
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_memory_is_that_of_the_largest_child():
    code = "held = bytearray(b'x') * 300_000_000; print('ready', flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout.readline() == b"ready\n"
    memory = execute.PeakMemory()
    memory.start()
    time.sleep(0.5)
    memory.stop()
    child.communicate(b"\n")
    assert 0.3 < memory.peak < 1
