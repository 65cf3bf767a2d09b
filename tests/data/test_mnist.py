"""MNIST and its siblings: the documented splits, from archives wherever they come from."""

import gzip
import hashlib
import subprocess
import sys

import pytest
import torch

import vaelib
from vaelib._machine.archives import import_datasets
from vaelib._machine.files import data_folder

RAW = data_folder() / "MNIST" / "raw"


@pytest.fixture
def copied(tmp_path):
    """A copy of the archives, in a folder of its own."""
    raw = tmp_path / "copy" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for archive in RAW.glob("*.gz"):
        (raw / archive.name).symlink_to(archive)
    return tmp_path / "copy"


def test_splits_have_the_documented_shapes_and_types(mnist):
    assert [len(s) for s in (mnist.train, mnist.validation, mnist.test)] == [50_000, 10_000, 10_000]
    for split in (mnist.train, mnist.validation, mnist.test):
        assert split.images.shape == (len(split), 28, 28)
        assert split.images.dtype == torch.uint8
        assert split.labels.dtype == torch.int64
    assert mnist.classes == tuple("0123456789")


def test_first_labels_are_the_published_ones(mnist):
    assert mnist.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_images_and_labels_are_read_as_the_format_lays_them_out(mnist):
    """Against our own reading: a header, then row after row. Validation is training's tail."""
    content = gzip.decompress((RAW / "t10k-images-idx3-ubyte.gz").read_bytes())
    expected = torch.frombuffer(bytearray(content[16:]), dtype=torch.uint8).view(-1, 28, 28)
    assert torch.equal(mnist.test.images, expected)
    labels = gzip.decompress((RAW / "train-labels-idx1-ubyte.gz").read_bytes())[8:]
    assert mnist.validation.labels.tolist() == list(labels[50_000:])


def test_saved_models_know_the_data_set_by_its_checksum(mnist):
    """Another value would not match the models that are stored."""
    assert mnist.checksum == "ee625814236d7d0e2ecdd8a2eb7c6770"


@pytest.mark.parametrize("name", ["CIFAR", "mnist", ""])
def test_unknown_name_lists_the_known_ones(name):
    with pytest.raises(ValueError, match="MNIST, FashionMNIST, KMNIST"):
        vaelib.load(name)


def test_what_lies_beside_the_archives_is_neither_read_nor_changed(copied, mnist):
    """Files that torchvision once extracted, or that somebody else did."""
    raw = copied / "MNIST" / "raw"
    (raw / "t10k-labels-idx1-ubyte").write_bytes(b"foreign")
    before = sorted(raw.rglob("*"))
    assert torch.equal(vaelib.load(root=copied).test.labels, mnist.test.labels)
    assert sorted(raw.rglob("*")) == before


def test_data_is_loaded_from_the_home_folder(copied, monkeypatch, mnist):
    monkeypatch.setenv("HOME", str(copied.parent))
    monkeypatch.setenv("USERPROFILE", str(copied.parent))
    assert vaelib.load(root="~/copy").checksum == mnist.checksum


def test_a_set_that_is_not_bundled_is_downloaded_whole(tmp_path, monkeypatch):
    """Fashion-MNIST's archives, played by MNIST's; this is how another set first comes."""
    source = import_datasets().FashionMNIST
    sums = [(n, hashlib.md5((RAW / n).read_bytes()).hexdigest()) for n, _ in source.resources]
    monkeypatch.setattr(source, "resources", sums)
    monkeypatch.setattr(source, "mirrors", [f"{RAW.as_uri()}/"])
    loaded = vaelib.load("FashionMNIST", root=tmp_path)
    assert loaded.name == "FashionMNIST"
    assert loaded.classes[:2] == ("T-shirt/top", "Trouser")
    assert len(loaded.test) == 10_000
    names = {path.name for path in (tmp_path / "FashionMNIST" / "raw").iterdir()}
    assert names == {name for name, _ in sums}


def test_an_installed_package_brings_its_data_and_asks_no_mirror(tmp_path, monkeypatch, mnist):
    def refuse(address, **_):
        raise AssertionError(f"asked {address}")

    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setattr("vaelib.data.mnist.shipped_folder", lambda: data_folder().parent)
    assert vaelib.load(root=tmp_path / "empty").checksum == mnist.checksum


def test_a_torchvision_whose_compiled_part_does_not_match_torch_will_do():
    code = """
import torch

def refuse(path):
    raise OSError(f"{path}: undefined symbol")

torch.ops.load_library = refuse
from vaelib._machine.archives import import_datasets

print(import_datasets().MNIST.classes[0])
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "0 - zero\n"
