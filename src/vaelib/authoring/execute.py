"""Execute notebooks in order and in place: `python -m vaelib.authoring.execute notebooks/*.ipynb`.

Each runs in a kernel of its own. Its time, its slowest cell and its peak memory are printed and
kept in `data/checkpoints/timings.json`; the stored notebook holds nothing that changes from run
to run.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import TypedDict

import nbformat
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


class Timing(TypedDict):
    """What a notebook took: seconds, peak resident memory, and the seconds of each cell by id."""

    seconds: float
    peak_gb: float | None  # None elsewhere than on Linux
    cells: dict[str, float]


class Meter:
    """Measures cells and the kernel's memory; hand `start` and `stop` to nbclient as hooks."""

    def __init__(self) -> None:
        self.client: NotebookClient | None = None
        self.seconds: dict[str, float] = {}
        self.peak_gb: float | None = None
        self._began = 0.0

    def start(self, cell: NotebookNode, cell_index: int) -> None:
        """Note when a cell begins."""
        self._began = time.perf_counter()

    def stop(self, cell: NotebookNode, cell_index: int, execute_reply: dict) -> None:
        """Note how long it took, and how much memory the kernel has had at most so far."""
        self.seconds[cell.id] = time.perf_counter() - self._began
        self.peak_gb = peak_memory(self.client.km.provisioner.pid)


def peak_memory(process: int) -> float | None:
    """Return the most resident memory that a process has had, in GB: Linux's own mark, VmHWM.

    Elsewhere there is no such file, and the answer is None.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return None
    return 1024 * int(status.split("VmHWM:")[1].split()[0]) / 1e9  # it stands there in kB


def execute(path: Path) -> Timing:
    """Execute one notebook in place; return what it took.

    Raises CellExecutionError where a cell fails; the notebook on disk is then left as it was.
    """
    notebook = nbformat.read(path, as_version=4)
    meter = Meter()
    meter.client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        record_timing=False,
        coalesce_streams=True,  # how a text arrives in pieces differs from run to run
        config=CONFIG,
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_execute=meter.start,
        on_cell_executed=meter.stop,
    )
    began = time.perf_counter()
    meter.client.execute(env={**os.environ, STILL: "1"})
    seconds = time.perf_counter() - began
    write_atomically(path, f"{nbformat.writes(notebook).rstrip()}\n".encode())
    return Timing(seconds=seconds, peak_gb=meter.peak_gb, cells=meter.seconds)


def main(paths: list[Path]) -> int:
    """Execute the notebooks, with a line of progress each; return the exit status."""
    timings = {}
    for number, path in enumerate(paths, start=1):
        print(f"[{number}/{len(paths)}] {path.stem:18}", end=" ", flush=True)
        try:
            timings[path.stem] = took = execute(path)
        except CellExecutionError as error:
            print(f"failed\n\n{error}")
            return 1
        memory = f"peak {took['peak_gb']:.2f} GB   " if took["peak_gb"] else ""
        slowest = max(took["cells"], key=took["cells"].__getitem__)
        print(f"{took['seconds']:6.1f} s   {memory}", end="")
        print(f"slowest cell {slowest}, {took['cells'][slowest]:.1f} s")
    print(f"{'':5} {'all':18} {sum(t['seconds'] for t in timings.values()):7.1f} s")
    kept = f"{json.dumps(timings, indent=2)}\n".encode()
    write_atomically(checkpoints_folder() / TIMINGS_FILE, kept)
    return 0


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))
