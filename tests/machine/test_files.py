"""Where files go, and how: our own folder and no other's, whole, one process at a time."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pytest

from vaelib._machine import files

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "VAELIB_DATA": files.data_folder,
    "VAELIB_CHECKPOINTS": files.checkpoints_folder,
    "VAELIB_FIGURES": files.figures_folder,
}

# --- where ---------------------------------------------------------------------------------------


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """Somebody else's project, of the usual layout; the working directory is its notebooks'."""
    (tmp_path / "theirs" / "notebooks").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "theirs" / "notebooks")
    for variable in FOLDERS:
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "theirs"


@pytest.mark.parametrize(
    "pyproject",
    ['[project]\nname = "theirs"', "[tool.poetry]\nname = 'vaelib'", "project = 3", "not toml ["],
)
def test_another_project_s_folder_is_not_taken_for_ours(foreign, pyproject):
    (foreign / "pyproject.toml").write_text(pyproject)
    assert files.project_root() == ROOT  # beside the package's source
    assert files.figures_folder() == ROOT / "figures"
    assert files.checkpoints_folder() == ROOT / "data" / "checkpoints"


def test_our_own_folder_is_found_from_within(foreign):
    (foreign / "pyproject.toml").write_text('[project]\nname = "vaelib"\n')
    assert files.project_root() == foreign


def test_an_installed_package_works_where_it_is_run(foreign, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "__file__", str(tmp_path / "lib" / "site-packages" / "vaelib" / "p"))
    assert files.project_root() == foreign / "notebooks"


@pytest.mark.parametrize("variable", FOLDERS)
def test_home_is_found_and_a_relative_folder_is_shown_in_full(tmp_path, monkeypatch, variable):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # its name on Windows
    monkeypatch.setenv(variable, "~/mine")
    assert FOLDERS[variable]() == tmp_path / "mine"
    monkeypatch.setenv(variable, "mine")
    assert FOLDERS[variable]() == Path.cwd() / "mine"


def test_what_pip_installs_holds_data_and_notebooks(tmp_path):
    """Asked of a package of that kind, installed as pip does: its record lists every file."""
    record = tmp_path / "vaelib-1.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: vaelib\nVersion: 1\n")
    (record / "RECORD").write_text("../share/vaelib/pyproject.toml,,\nvaelib/__init__.py,,\n")
    code = f"""
import sys
sys.path = [{str(tmp_path)!r}, *sys.path]
from vaelib._machine.files import shipped_folder
print(shipped_folder())
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert Path(told.stdout.strip()) == tmp_path.parent / "share" / "vaelib"


def test_a_package_that_pip_did_not_install_brings_nothing(monkeypatch):
    def unknown(name):
        raise files.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(files.metadata, "files", unknown)
    assert files.shipped_folder() is None


# --- whole or not at all -------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path):
    """A file that stands there already."""
    (tmp_path / "own" / "kept").parent.mkdir()
    (tmp_path / "own" / "kept").write_bytes(b"old")
    return tmp_path / "own" / "kept"


def beside(path):
    return sorted(other.name for other in path.parent.iterdir() if other != path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes.")
def test_a_file_can_be_read_by_others(kept):
    files.write_atomically(kept, b"content")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o644


def test_a_disk_that_refuses_permissions_still_keeps_the_file(kept, monkeypatch):
    """WSL's /mnt/c and many USB sticks: the content is written, its mode cannot be set."""

    def refuse(*_, **__):
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    files.write_atomically(kept, b"content")
    assert kept.read_bytes() == b"content"
    assert beside(kept) == []


@pytest.mark.parametrize(("times", "expected"), [(2, b"new"), (9, b"old")])
def test_a_locked_file_is_tried_three_times_and_else_stays_as_it_was(
    kept, monkeypatch, times, expected
):
    """As by a virus scanner on Windows."""
    tries, replace = [], os.replace

    def refuse(*arguments):
        tries.append(arguments)
        if len(tries) <= times:
            raise PermissionError("The process cannot access the file")
        return replace(*arguments)

    monkeypatch.setattr(files.os, "replace", refuse)
    monkeypatch.setattr(files, "SECOND_TRY", 0)
    if expected == b"old":
        with pytest.raises(PermissionError):
            files.write_atomically(kept, b"new")
    else:
        files.write_atomically(kept, b"new")
    assert len(tries) == 3
    assert kept.read_bytes() == expected
    assert beside(kept) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit.")
def test_a_file_that_does_not_fit_leaves_what_was_there(kept):
    import resource

    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            files.write_atomically(kept, bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
    assert kept.read_bytes() == b"old"
    assert beside(kept) == []


def test_what_a_killed_process_left_is_cleared_away_later_but_nothing_else(tmp_path):
    """A folder of images may be named with brackets, which mean something in a pattern."""
    path = tmp_path / "mlp-[digits].safetensors"
    old, young, others = (
        tmp_path / f"{name}.partial"
        for name in (f"{path.name}.old", f"{path.name}.young", "mlp-d.safetensors.x")
    )
    for partial in (old, young, others):
        partial.write_bytes(b"half")
    for partial in (old, others):
        os.utime(partial, (time.time() - 7200,) * 2)
    files.write_atomically(path, b"content")
    assert beside(path) == sorted([others.name, young.name])


def die_in(moment):
    """Make this process kill itself, as kill -9 does, at a moment of writing."""

    def kill(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    if moment == "half written":
        files.os.fdopen = lambda descriptor, _mode: (os.write(descriptor, b"n"), kill())
    elif moment == "before it takes its place":
        files.os.replace = kill
    else:
        replace = os.replace
        files.os.replace = lambda *arguments: (replace(*arguments), kill())


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def in_a_copy(action):
    """Run an action in a copy of this process, and return the copy's number."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    return child


@needs_fork
@pytest.mark.parametrize("there_before", [True, False])
@pytest.mark.parametrize("moment", ["half written", "before it takes its place", "after it"])
def test_a_process_killed_while_writing_leaves_the_old_file_or_the_new_one(
    kept, moment, there_before
):
    if not there_before:
        kept.unlink()
    child = in_a_copy(lambda: (die_in(moment), files.write_atomically(kept, b"new")))
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    found = kept.read_bytes() if kept.exists() else None
    assert found == (b"new" if moment == "after it" else b"old" if there_before else None)
    files.write_atomically(kept, b"newer")
    assert kept.read_bytes() == b"newer"


@needs_fork
def test_many_processes_writing_at_once_never_show_half_a_file(kept):
    contents = [bytes([number]) * 300_000 for number in range(3)]
    end = time.monotonic() + 0.7
    files.write_atomically(kept, contents[0])

    def write(content):
        while time.monotonic() < end:
            files.write_atomically(kept, content)

    children = [in_a_copy(lambda c=content: write(c)) for content in contents]
    while time.monotonic() < end:
        assert kept.read_bytes() in contents
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert beside(kept) == []


# --- one at a time -------------------------------------------------------------------------------

ADD = """
import json, sys
from pathlib import Path
from vaelib._machine.files import file_lock, write_atomically

path = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(30):
    with file_lock(path):
        known = json.loads(path.read_text()) if path.exists() else []
        write_atomically(path, json.dumps([*known, number]).encode())
"""


def test_processes_that_change_a_file_at_once_lose_nothing(tmp_path):
    path = tmp_path / "figures" / "metrics.json"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ADD, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[0] for process in processes] == ["", ""]
    assert sorted(json.loads(path.read_text())) == sorted([*range(30), *range(30)])
    assert set(beside(path)) <= {".metrics.json.lock"}


@needs_fork
def test_a_lock_ends_with_its_process(kept):
    child = in_a_copy(lambda: files.file_lock(kept).__enter__() or os.kill(os.getpid(), 9))
    os.waitpid(child, 0)
    with files.file_lock(kept):
        pass


@pytest.mark.parametrize("error", [OSError("No locks available"), NotImplementedError("no flock")])
def test_where_nothing_can_be_locked_nobody_waits_and_nothing_fails(kept, monkeypatch, error):
    def refuse(_):
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with files.file_lock(kept):
        files.write_atomically(kept, b"new")
    assert kept.read_bytes() == b"new"


def test_where_no_folder_can_be_made_nobody_waits_and_nothing_fails(kept):
    with files.file_lock(kept / "no folder" / "metrics.json"):
        pass
    assert beside(kept) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fcntl.")
def test_nobody_waits_for_ever(kept, monkeypatch):
    """A process that hangs while it holds the lock does not stop the others."""
    import fcntl

    monkeypatch.setattr(files, "PATIENCE", 0.1)
    with kept.with_name(".kept.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with files.file_lock(kept):
            files.write_atomically(kept, b"new")
    assert kept.read_bytes() == b"new"
