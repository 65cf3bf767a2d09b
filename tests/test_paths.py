"""Where files go, and how: our own folder and no other's, whole, on any disk."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import vaelib
from vaelib._machine import files, missing_names

ROOT = Path(__file__).parents[1]


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """Somebody else's project, of the usual layout; the working directory is its notebooks'."""
    (tmp_path / "theirs" / "notebooks").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "theirs" / "notebooks")
    for variable in ("VAELIB_DATA", "VAELIB_CHECKPOINTS", "VAELIB_FIGURES"):
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
    assert files.checkpoints_folder() == ROOT / "data" / "runs"


def test_our_own_folder_is_found_from_within(foreign):
    (foreign / "pyproject.toml").write_text('[project]\nname = "vaelib"\n')
    assert files.project_root() == foreign


def test_an_installed_package_works_where_it_is_run(foreign, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "__file__", str(tmp_path / "lib" / "site-packages" / "vaelib" / "p"))
    assert files.project_root() == foreign / "notebooks"


def test_home_is_found_and_a_relative_folder_is_shown_in_full(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # its name on Windows
    for variable, folder in [
        ("VAELIB_DATA", files.data_folder),
        ("VAELIB_CHECKPOINTS", files.checkpoints_folder),
        ("VAELIB_FIGURES", files.figures_folder),
    ]:
        monkeypatch.setenv(variable, "~/mine")
        assert folder() == tmp_path / "mine"
        monkeypatch.setenv(variable, "mine")
        assert folder() == Path.cwd() / "mine"


def test_data_is_loaded_from_the_home_folder(tmp_path, monkeypatch, mnist):
    raw = tmp_path / "here" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for archive in (ROOT / "data" / "MNIST" / "raw").glob("*.gz"):
        (raw / archive.name).write_bytes(archive.read_bytes())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert vaelib.load(root="~/here").checksum == mnist.checksum


def test_a_disk_that_refuses_permissions_still_keeps_the_file(tmp_path, monkeypatch):
    """WSL's /mnt/c and many USB sticks: the content is written, its mode cannot be set."""

    def refuse(*_, **__):
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    files.write_atomically(tmp_path / "kept", b"content")
    assert (tmp_path / "kept").read_bytes() == b"content"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes.")
def test_a_file_can_be_read_by_others(tmp_path):
    files.write_atomically(tmp_path / "kept", b"content")
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o644


def locked(times, monkeypatch):
    """Let the file be locked for the first so many tries, as by a virus scanner on Windows."""
    tries, replace = [], os.replace

    def refuse(*arguments):
        tries.append(arguments)
        if len(tries) <= times:
            raise PermissionError("The process cannot access the file")
        return replace(*arguments)

    monkeypatch.setattr(files.os, "replace", refuse)
    monkeypatch.setattr(files, "SECOND_TRY", 0)
    return tries


def test_a_locked_file_is_tried_again(tmp_path, monkeypatch):
    (tmp_path / "kept").write_bytes(b"old")
    locked(2, monkeypatch)
    files.write_atomically(tmp_path / "kept", b"new")
    assert (tmp_path / "kept").read_bytes() == b"new"


def test_a_file_that_stays_locked_stays_as_it_was(tmp_path, monkeypatch):
    (tmp_path / "kept").write_bytes(b"old")
    tries = locked(9, monkeypatch)
    with pytest.raises(PermissionError):
        files.write_atomically(tmp_path / "kept", b"new")
    assert len(tries) == 3
    assert (tmp_path / "kept").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_only_partial_files_of_the_same_name_are_cleared_away(tmp_path):
    """A folder of images may be named with brackets, which mean something in a pattern."""
    others = tmp_path / "mlp-d.safetensors.x.partial"
    others.write_bytes(b"somebody else's")
    os.utime(others, (0, 0))
    files.write_atomically(tmp_path / "mlp-[digits].safetensors", b"content")
    assert others.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux lists what is mapped.")
def test_a_loaded_model_does_not_keep_its_file_open(small, tmp_path):
    """On Windows a file that is mapped into memory could not be replaced by the next training."""
    recipe = vaelib.Recipe("tiny", sizes={"hidden_size": 8}, training=vaelib.TrainingSettings(1))
    vaelib.train_and_save(recipe, small)
    loaded = vaelib.find_or_train(recipe, small)
    assert loaded.snapshots
    assert "tiny-mnist" not in Path("/proc/self/maps").read_text()


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A copy of data and notebooks as pip installs it."""
    folder = tmp_path / "share of pip" / "vaelib"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "data" / "MNIST" / "raw").mkdir(parents=True)
    for archive in (ROOT / "data" / "MNIST" / "raw").glob("*.gz"):
        (folder / "data" / "MNIST" / "raw" / archive.name).write_bytes(archive.read_bytes())
    monkeypatch.setattr("vaelib.data.mnist.shipped_folder", lambda: folder)
    monkeypatch.setattr("vaelib._machine.missing_names.shipped_folder", lambda: folder)
    return folder


def test_an_installed_package_brings_its_data_and_asks_no_mirror(
    shipped, tmp_path, monkeypatch, mnist
):
    def refuse(address, **_):
        raise AssertionError(f"asked {address}")

    monkeypatch.setattr("socket.create_connection", refuse)
    assert vaelib.load(root=tmp_path / "empty").checksum == mnist.checksum


def test_an_installed_package_knows_the_notebooks(shipped, foreign, monkeypatch):
    monkeypatch.setattr(missing_names, "project_root", lambda: foreign / "elsewhere")
    assert missing_names._notebooks() == shipped / "notebooks"


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
