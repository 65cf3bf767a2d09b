"""Where things stand on disk: the data, the trained models, the figures; and how they get there."""

import contextlib
import glob
import os
import tempfile
import time
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

PARTIAL = ".partial"
PATIENCE = 60  # seconds to wait for another process that changes a file, which takes it far less
SECOND_TRY = 0.2  # seconds; what locks a file on Windows, such as a virus scanner, soon lets go


def project_root() -> Path:
    """Return the folder that holds this project's `notebooks/` and `data/`.

    It is looked for from the working directory upwards, then beside the package's source, so
    that a notebook finds it wherever Jupyter was started. Without one (an installed package,
    an empty folder) it is the working directory.
    """
    here = Path.cwd()
    for folder in [here, *here.parents, Path(__file__).resolve().parents[3]]:
        if _is_ours(folder):
            return folder
    return here


def _is_ours(folder: Path) -> bool:
    """Tell this project from the many others that have a `pyproject.toml` and `notebooks/`."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        return project["project"]["name"] == "vaelib" and (folder / "notebooks").is_dir()
    except (OSError, ValueError, LookupError, TypeError):
        return False


def shipped_folder() -> Path | None:
    """Return the copy of `data/` and `notebooks/` that pip installs with the package, if any."""
    try:
        files = metadata.files("vaelib") or []
    except metadata.PackageNotFoundError:
        return None
    ends = ("share", "vaelib", "pyproject.toml")
    return next((Path(f.locate()).resolve().parent for f in files if f.parts[-3:] == ends), None)


def data_folder() -> Path:
    """Return the folder of the archives: `data/`, or the variable `VAELIB_DATA`."""
    return _folder("VAELIB_DATA", "data")


def checkpoints_folder() -> Path:
    """Return the folder of trained models: `data/checkpoints/`, or `VAELIB_CHECKPOINTS`."""
    return _folder("VAELIB_CHECKPOINTS", "data/checkpoints")


def figures_folder() -> Path:
    """Return the folder of pictures and `metrics.json`: `figures/`, or `VAELIB_FIGURES`."""
    return _folder("VAELIB_FIGURES", "figures")


def _folder(variable: str, usual: str) -> Path:
    named = os.environ.get(variable)
    return full(named) if named else project_root() / usual


def full(path: Path | str) -> Path:
    """Return a path from the root of the disk on, with `~` for the home folder resolved."""
    return Path(path).expanduser().absolute()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file in one step: whoever reads it, or is killed meanwhile, never has half of it.

    The content goes to a file beside it, which takes its place when it is safely on disk.
    Partial files that a killed process has left there an hour ago or more are cleared away.
    Raises OSError where the folder cannot be written; what stood there before then still does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for partial in path.parent.glob(f"{glob.escape(path.name)}.*{PARTIAL}"):
        with contextlib.suppress(OSError):  # another process may be clearing as well
            if time.time() - partial.stat().st_mtime > 3600:  # a younger one may be at work
                partial.unlink()
    descriptor, partial = tempfile.mkstemp(PARTIAL, f"{path.name}.", path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):  # disks that know no permissions refuse: WSL's /mnt/c
            Path(partial).chmod(0o644)  # as any other file, where mkstemp's is the owner's alone
        _replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def _replace(partial: str, path: Path) -> None:
    """Let a file take another's place; try a second and a third time where it is locked."""
    for tries_left in (2, 1, 0):
        try:
            os.replace(partial, path)
            return
        except PermissionError:
            if not tries_left:
                raise
            time.sleep(SECOND_TRY)


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Let one process at a time change a file; the others wait.

    The lock is the system's, and ends with its process however that ends; it leaves a hidden,
    empty file, `.<name>.lock`. Where that cannot be made, nobody waits; where it cannot be locked
    (some network disks), a minute at most.
    """
    from filelock import FileLock  # takes a quarter of our own import

    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=PATIENCE)
    # a closed folder, a disk without locks, or no patience left
    with contextlib.suppress(OSError, NotImplementedError):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
