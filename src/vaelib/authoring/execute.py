"""Execute notebooks in order and in place: `python -m vaelib.authoring.execute notebooks/*.ipynb`.

Each runs in a kernel of its own. Its time, its slowest cell and its peak memory are printed and
kept in `data/checkpoints/timings.json`; the stored notebook holds nothing that changes from run to run.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import TypedDict

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from traitlets.config import Config

from vaelib._machine.files import checkpoints_folder, write_atomically
from vaelib.panels import STILL

CELL_TIMEOUT = 1200  # seconds
TIMINGS_FILE = "timings.json"
# other users of the machine cannot listen in, where the kernel knows how to prevent it
CONFIG = Config({"KernelManager": {"transport_encryption": "auto"}})


class PeakMemory(threading.Thread):
    """Watch this process's children and remember the largest resident memory of any, in GB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0
        self._ended = threading.Event()

    def run(self) -> None:
        """Look until stopped, ever more seldom: looking slows down what is measured."""
        pause = 0.05  # seconds
        while not self._ended.wait(pause):
            pause = min(2 * pause, 1)
            for child in psutil.Process().children(recursive=True):
                try:
                    self.peak = max(self.peak, _largest_resident(child) / 1e9)
                except psutil.Error:  # it has just ended
                    continue

    def stop(self) -> None:
        """Stop looking."""
        self._ended.set()
        self.join()


def _largest_resident(process: psutil.Process) -> int:
    """Return the most memory that a process has had so far, in bytes; elsewhere than on Linux, now.

    Linux keeps the mark itself (proc(5), VmHWM, in kB), so that nothing is missed between looks.
    """
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        return process.memory_info().rss


class Timing(TypedDict):
    """What a notebook took: seconds, peak resident memory, and the seconds of each cell by id."""

    seconds: float
    peak_gb: float
    cells: dict[str, float]


class CellClock:
    """Measures the cells; hand its methods to nbclient as hooks."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = 0.0

    def start(self, cell: NotebookNode, cell_index: int) -> None:
        """Note when a cell begins."""
        self._began = time.perf_counter()

    def stop(self, cell: NotebookNode, cell_index: int, execute_reply: dict) -> None:
        """Note how long it took."""
        self.seconds[cell.id] = time.perf_counter() - self._began


def execute(path: Path) -> Timing:
    """Execute one notebook in place; return what it took.

    Raises CellExecutionError where a cell fails; the notebook on disk is then left as it was.
    """
    notebook = nbformat.read(path, as_version=4)
    clock = CellClock()
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        record_timing=False,
        coalesce_streams=True,  # how a text arrives in pieces differs from run to run
        config=CONFIG,
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_execute=clock.start,
        on_cell_executed=clock.stop,
    )
    memory = PeakMemory()
    memory.start()
    began = time.perf_counter()
    try:
        client.execute(env={**os.environ, STILL: "1"})
    finally:
        memory.stop()
    write_atomically(path, f"{nbformat.writes(notebook).rstrip()}\n".encode())
    return Timing(seconds=time.perf_counter() - began, peak_gb=memory.peak, cells=clock.seconds)


def main(paths: list[Path]) -> int:
    """Execute the notebooks, with a line of progress each; return the exit status."""
    timings = {}
    for number, path in enumerate(paths, start=1):
        print(f"[{number}/{len(paths)}] {path.stem:18}", end=" ", flush=True)
        try:
            timings[path.stem] = execute(path)
        except CellExecutionError as error:
            print(f"failed\n\n{error}")
            return 1
        took = timings[path.stem]
        slowest = max(took["cells"], key=took["cells"].__getitem__)
        print("{seconds:6.1f} s   peak {peak_gb:.2f} GB".format(**took), end="   ")
        print(f"slowest cell {slowest}, {took['cells'][slowest]:.1f} s")
    print(f"{'':5} {'all':18} {sum(t['seconds'] for t in timings.values()):7.1f} s")
    write_atomically(
        checkpoints_folder() / TIMINGS_FILE, f"{json.dumps(timings, indent=2)}\n".encode()
    )
    return 0


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))
