"""Fixtures: the data, a small part of it, folders of their own, folders that cannot be written."""

import os
import subprocess

# before torch, as in the notebooks: where a processor is busy, t-SNE would take fifty times as long
import vaelib

# isort: split
import pytest
import torch
from hypothesis import settings

from vaelib.data.splits import Dataset

settings.register_profile("vaelib", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("vaelib")


# small sums on two threads wait for each other whenever the machine has something else to do
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    return vaelib.load("MNIST")


@pytest.fixture(scope="session")
def small(mnist) -> Dataset:
    """The first 1,000 / 500 / 500 images: enough to train on in a second."""
    return Dataset(
        name="MNIST",
        classes=mnist.classes,
        train=mnist.train[:1000],
        validation=mnist.validation[:500],
        test=mnist.test[:500],
        checksum="small",
    )


@pytest.fixture
def pixels(mnist) -> torch.Tensor:
    return vaelib.to_pixels(mnist.train.images[:64])


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("VAELIB_CHECKPOINTS", str(tmp_path / "runs"))
    monkeypatch.setenv("VAELIB_FIGURES", str(tmp_path / "figures"))


@pytest.fixture(params=["a file", "full", "read-only"])
def closed_folder(request, tmp_path):
    """A folder that cannot be written: a file stands in its place, or its disk is full or closed.

    The disk is mounted in memory, which takes root. File modes would not do: root may write
    anywhere.
    """
    folder = tmp_path / "closed"
    if request.param == "a file":
        folder.write_text("not a folder")
        yield folder
        return
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a file system takes root")
    try:
        if request.param == "full":
            space = os.statvfs(folder)
            (folder / "filler").write_bytes(bytes(space.f_bavail * space.f_frsize - 8192))
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
