"""Where things stand on disk: the data, the trained models, the figures; and how they get there."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None

PARTIAL = ".partial"


def project_root() -> Path:
    """Return the folder that holds `notebooks/` and `data/`.

    It is looked for from the working directory upwards, then beside the package's source, so
    that a notebook finds it wherever Jupyter was started. Without one (an installed package,
    an empty folder) it is the working directory.
    """
    here = Path.cwd()
    for folder in [here, *here.parents, Path(__file__).resolve().parents[2]]:
        if (folder / "pyproject.toml").is_file() and (folder / "notebooks").is_dir():
            return folder
    return here


def data_folder() -> Path:
    """Return the folder of the archives: `data/`, or the variable `VAELIB_DATA`."""
    return Path(os.environ.get("VAELIB_DATA") or project_root() / "data")


def runs_folder() -> Path:
    """Return the folder of trained models: `data/runs/`, or the variable `VAELIB_RUNS`."""
    return Path(os.environ.get("VAELIB_RUNS") or project_root() / "data" / "runs")


def figures_folder() -> Path:
    """Return the folder of pictures and `metrics.json`: `figures/`, or `VAELIB_FIGURES`."""
    return Path(os.environ.get("VAELIB_FIGURES") or project_root() / "figures")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step: whoever reads it, or is killed meanwhile, never has half of it.

    The content goes to a file beside it, which takes its place when it is safely on disk.
    Partial files that a killed process has left there an hour ago or more are cleared away.
    Raises OSError where the folder cannot be written; what stood there before then still does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for partial in path.parent.glob(f"{path.name}.*{PARTIAL}"):
        with contextlib.suppress(FileNotFoundError):  # another process may be clearing as well
            if time.time() - partial.stat().st_mtime > 3600:  # a younger one may be at work
                partial.unlink()
    descriptor, partial = tempfile.mkstemp(PARTIAL, f"{path.name}.", path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(0o644)  # as any other file, where mkstemp's is the owner's alone
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let one process at a time change a folder's files; the others wait.

    The lock is the system's, on the folder itself: it leaves no file, and ends with its process
    however that ends. Where folders cannot be locked (Windows, some network disks), nobody waits.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if fcntl:
                descriptor = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
