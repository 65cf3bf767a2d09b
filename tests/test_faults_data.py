"""Faults of the data: archives, mirrors, extracted files. Every error is one sentence to act on."""

import gzip
import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from faults import close, content, hang_up, mirror, mounted, nonsense, silence, status

import vaelib
from vaelib import DataError
from vaelib._machine import archives
from vaelib._machine.files import data_folder
from vaelib._machine.torchvision import import_datasets

NAME = "t10k-labels-idx1-ubyte.gz"
RAW = data_folder() / "MNIST" / "raw"
GOOD = (RAW / NAME).read_bytes()
MD5 = "ec29112dd5afa0611ce80d1b7f02629c"


@pytest.fixture
def data(tmp_path):
    """A copy of the archives, without what is extracted beside them."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for archive in RAW.glob("*.gz"):
        shutil.copy(archive, raw)
    return tmp_path / "data"


def with_mirrors(monkeypatch, *mirrors):
    """Let torchvision's MNIST name these mirrors."""
    source = import_datasets().MNIST
    monkeypatch.setattr(source, "mirrors", list(mirrors))
    monkeypatch.setattr(archives, "TIMEOUT", 0.5)


def error_of_load(data):
    with pytest.raises(DataError) as caught:
        vaelib.load("MNIST", root=data)
    return str(caught.value)


def assert_names_both_ways_out(message):
    assert NAME in message
    assert "git checkout" in message
    assert "delete it" in message


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda archive: archive.write_bytes(GOOD[:100]), "100 bytes"),
        (lambda archive: archive.write_bytes(b""), "0 bytes"),
        (lambda archive: archive.write_bytes(GOOD[:-1] + b"?"), f"{len(GOOD):,} bytes"),
        (lambda archive: archive.write_bytes(b"<html>Sign in</html>"), "a page of HTML"),
        (lambda archive: (archive.unlink(), archive.mkdir()), "is a folder"),
        (lambda archive: (archive.unlink(), archive.symlink_to("nowhere")), "is missing"),
        pytest.param(
            lambda archive: (archive.unlink(), archive.symlink_to("/proc/self/mem")),
            "cannot be read",
            marks=pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="Linux only"),
        ),
    ],
    ids=["truncated", "empty", "altered", "HTML", "folder", "dangling link", "unreadable"],
)
def test_a_damaged_archive_is_named_with_what_was_found(data, monkeypatch, damage, found):
    with_mirrors(monkeypatch)
    damage(data / "MNIST" / "raw" / NAME)
    message = error_of_load(data)
    assert found in message
    if "bytes" in found:
        assert f"expected MD5 {MD5}" in message
    assert_names_both_ways_out(message)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (status(403), "403"),
        (status(404), "404"),
        (status(503), "503"),
        (silence, "timed out"),
        (hang_up, "closed"),
        (nonsense, "this is not HTTP"),
        (content(b"<!doctype html><p>Please sign in"), "a page of HTML, 32 bytes with MD5"),
        (content(GOOD[:-7]), "4,535 bytes with MD5"),
        (content(GOOD[:-7], announced=len(GOOD)), "4535 bytes read, 7 more expected"),
        (content(GOOD[:-1] + b"?"), "4,542 bytes with MD5"),
    ],
    ids=[
        "403", "404", "503", "silence", "hangs up", "nonsense", "HTML", "truncated", "cut off",
        "altered",
    ],
)  # fmt: skip
def test_a_mirror_that_fails_leaves_one_error_and_no_file(data, monkeypatch, answer, reason):
    raw = data / "MNIST" / "raw"
    (raw / NAME).unlink()
    with mirror(answer) as address:
        with_mirrors(monkeypatch, address)
        message = error_of_load(data)
    assert address in message
    assert reason in message
    assert "\n" not in message
    if "MD5" in reason:
        assert f"expected MD5 {MD5}" in message
    assert_names_both_ways_out(message)
    assert [path.name for path in raw.glob("t10k-labels*")] == []


def test_a_mirror_that_is_not_there_is_an_error_too(data, monkeypatch):
    (data / "MNIST" / "raw" / NAME).unlink()
    with_mirrors(monkeypatch, "http://127.0.0.1:9/")
    assert_names_both_ways_out(error_of_load(data))


def test_the_second_mirror_is_asked_where_the_first_fails(data, monkeypatch, mnist):
    (data / "MNIST" / "raw" / NAME).unlink()
    with mirror(content(b"<html>")) as first, mirror(content(GOOD)) as second:
        with_mirrors(monkeypatch, first, second)
        loaded = vaelib.load("MNIST", root=data)
    assert torch.equal(loaded.test.labels, mnist.test.labels)
    assert (data / "MNIST" / "raw" / NAME).read_bytes() == GOOD


def test_a_set_that_is_not_bundled_is_downloaded_whole(tmp_path, monkeypatch):
    """Fashion-MNIST's archives, played by the mirror; this is how another set first comes."""
    source = import_datasets().FashionMNIST
    played = {name: (RAW / name).read_bytes() for name, _ in source.resources}
    sums = [(name, hashlib.md5(data).hexdigest()) for name, data in played.items()]
    monkeypatch.setattr(source, "resources", sums)
    with mirror(lambda handler: content(played[handler.path.lstrip("/")])(handler)) as address:
        monkeypatch.setattr(source, "mirrors", [address])
        loaded = vaelib.load("FashionMNIST", root=tmp_path)
    assert loaded.classes[0] == "T-shirt/top"
    assert len(loaded.test) == 10_000


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-5], lambda b: b"", lambda b: b[:50] + bytes([b[50] ^ 1]) + b[51:]],
    ids=["truncated", "emptied", "altered"],
)
@pytest.mark.parametrize("archive", [NAME, "train-images-idx3-ubyte.gz"])
def test_a_wrong_extraction_is_noticed_mended_and_mentioned(tmp_path, capsys, archive, damage):
    right = gzip.decompress((RAW / archive).read_bytes())
    extracted = tmp_path / archive.removesuffix(".gz")
    extracted.write_bytes(damage(right))
    archives.extract(RAW / archive, tmp_path)
    assert f"{extracted} differs from its archive" in capsys.readouterr().err
    assert extracted.read_bytes() == right
    archives.extract(RAW / archive, tmp_path)
    assert capsys.readouterr().err == ""


def test_a_folder_in_an_extracted_file_s_place_is_an_error(data):
    (data / "MNIST" / "raw" / NAME).with_suffix("").mkdir()
    assert "is a folder. Delete it" in error_of_load(data)


@pytest.mark.parametrize("options", ["size=1m", "size=64m,ro"], ids=["full", "read-only"])
def test_a_disk_that_takes_no_extracted_files_does_not_stop_the_reader(
    tmp_path, mnist, monkeypatch, options
):
    """The archives are linked into a folder where nothing else fits."""
    size, *read_only = options.split(",")
    with mounted(tmp_path / "disk", size) as disk:
        raw = disk / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for archive in RAW.glob("*.gz"):
            (raw / archive.name).symlink_to(archive)
        if read_only:
            close(disk)
        with pytest.warns(UserWarning, match="read from a temporary folder"):
            loaded = vaelib.load("MNIST", root=disk)
        assert sorted(p.name for p in raw.iterdir() if p.suffix != ".gz") in (
            [],
            ["t10k-labels-idx1-ubyte", "train-labels-idx1-ubyte"],  # they do fit
            ["train-labels-idx1-ubyte"],
        )
    assert torch.equal(loaded.test.images, mnist.test.images)


def test_a_full_disk_during_the_download_leaves_no_partial_file(tmp_path, monkeypatch):
    name = "t10k-images-idx3-ubyte.gz"
    data = (RAW / name).read_bytes()
    with mounted(tmp_path / "disk", "size=1m") as disk, mirror(content(data)) as address:
        archive = disk / name
        with pytest.raises(DataError, match=r"could not be written .*VAELIB_DATA"):
            archives.require_archive(archive, hashlib.md5(data).hexdigest(), [address])
        assert list(disk.iterdir()) == []
