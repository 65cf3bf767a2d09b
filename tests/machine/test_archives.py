"""Archives that are missing, damaged or foreign. Every error is one sentence to act on."""

import contextlib
import gzip
import hashlib
import http.server
import struct
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from vaelib._machine import archives
from vaelib._machine.archives import DataError, parse_idx, read_archive
from vaelib._machine.files import data_folder

NAME = "t10k-labels-idx1-ubyte.gz"
GOOD = (data_folder() / "MNIST" / "raw" / NAME).read_bytes()
MD5 = "ec29112dd5afa0611ce80d1b7f02629c"


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """The archive's place in an empty folder."""
    monkeypatch.setattr(archives, "TIMEOUT", 0.5)
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    return tmp_path / "MNIST" / "raw" / NAME


def error_of_reading(archive, *mirrors, md5=MD5, item_shape=()):
    with pytest.raises(DataError) as caught:
        read_archive(archive, md5, mirrors, item_shape)
    return str(caught.value)


def assert_names_both_ways_out(message):
    assert NAME in message
    assert "git checkout -- data/MNIST" in message
    assert "delete it" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda archive: archive.write_bytes(GOOD[:100]), "100 bytes"),
        (lambda archive: archive.write_bytes(b""), "0 bytes"),
        (lambda archive: archive.write_bytes(GOOD[:-1] + b"?"), f"{len(GOOD):,} bytes"),
        (lambda archive: archive.write_bytes(b"<html>Sign in</html>"), "a page of HTML"),
        (lambda archive: archive.mkdir(), "is a folder"),
        (lambda archive: archive.symlink_to("nowhere"), "is missing"),
        pytest.param(
            lambda archive: archive.symlink_to("/proc/self/mem"),
            "cannot be read",
            marks=pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="Linux only"),
        ),
    ],
    ids=["truncated", "empty", "altered", "HTML", "folder", "dangling link", "unreadable"],
)
def test_a_damaged_archive_is_named_with_what_was_found(archive, damage, found):
    damage(archive)
    message = error_of_reading(archive)
    assert found in message
    if "bytes" in found:
        assert f"expected MD5 {MD5}" in message
    assert_names_both_ways_out(message)


# --- mirrors -------------------------------------------------------------------------------------


@contextlib.contextmanager
def mirror(answer):
    """Serve on this machine; `answer(handler)` plays the mirror. Yields its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def status(code):
    return lambda handler: handler.send_error(code)


def content(data, announced=None):
    """Answer with `data`; `announced` is the length that the header claims."""

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data) if announced is None else announced))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def silence(_handler):
    """Take the request and say nothing, for longer than anybody here waits."""
    time.sleep(3)


def hang_up(handler):
    handler.connection.close()


def nonsense(handler):
    handler.wfile.write(b"\x00\x01 this is not HTTP\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (status(404), "404"),
        (silence, "timed out"),
        (hang_up, "closed"),
        (nonsense, "this is not HTTP"),
        (content(b"<!doctype html><p>Please sign in"), "a page of HTML, 32 bytes with MD5"),
        (content(GOOD[:-7]), "4,535 bytes with MD5"),
        (content(GOOD[:-7], announced=len(GOOD)), "4535 bytes read, 7 more expected"),
    ],
    ids=["404", "silence", "hangs up", "nonsense", "HTML", "truncated", "cut off"],
)
def test_a_mirror_that_fails_leaves_one_error_and_no_file(archive, answer, reason):
    with mirror(answer) as address:
        message = error_of_reading(archive, address)
    assert address in message
    assert reason in message
    if "MD5" in reason:
        assert f"expected MD5 {MD5}" in message
    assert_names_both_ways_out(message)
    assert list(archive.parent.iterdir()) == []


def test_a_mirror_that_is_not_there_is_an_error_too(archive):
    assert_names_both_ways_out(error_of_reading(archive, "http://127.0.0.1:9/"))


def test_the_second_mirror_is_asked_where_the_first_fails(archive):
    with mirror(content(b"<html>")) as first, mirror(content(GOOD)) as second:
        labels = read_archive(archive, MD5, [first, second], ())
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert archive.read_bytes() == GOOD
    assert torch.equal(read_archive(archive, MD5, [], ()), labels)  # and no mirror a second time


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit.")
def test_a_download_that_does_not_fit_leaves_no_file(archive):
    import resource

    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with mirror(content(GOOD)) as address:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
        try:
            message = error_of_reading(archive, address)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
    assert "could not be written" in message
    assert "VAELIB_DATA" in message
    assert list(archive.parent.iterdir()) == []


# --- what is in them -----------------------------------------------------------------------------


def idx(*sizes, values, begin=b"\x00\x00\x08"):
    return begin + bytes([len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes) + values


def test_an_array_is_read_as_the_format_lays_it_out():
    array = parse_idx(idx(2, 2, 3, values=bytes(range(12))), (2, 3))
    assert array.dtype == torch.uint8
    assert array.tolist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]


@pytest.mark.parametrize(
    ("file", "what"),
    [
        (gzip.compress(b""), "it begins with"),
        (gzip.compress(idx(3, values=b"abc", begin=b"\x00\x00\x0d")), "begins with 00 00 0d 01"),
        (gzip.compress(idx(1, 3, values=b"abc")), "begins with 00 00 08 02, not 00 00 08 01"),
        (gzip.compress(idx(4, values=b"abc")), "holds 3 bytes, as an array of shape"),
        (idx(3, values=b"abc"), "Not a gzipped file"),
        (gzip.compress(idx(3, values=b"abc"))[:-9], "ended before"),
        (gzip.compress(b"abc")[:10] + b"\xff" * 20, "invalid block type"),
    ],
    # not the bytes: an archive holds the second in which it was made, and each worker makes its own
    ids=["empty", "type", "dimensions", "values", "no archive", "cut short", "damaged"],
)
def test_a_file_of_another_kind_is_named(archive, file, what):
    """It cannot happen unless torchvision itself names another file."""
    archive.write_bytes(file)
    message = error_of_reading(archive, md5=hashlib.md5(file).hexdigest())
    assert f"{archive} has the right checksum, but cannot be read" in message
    assert what in message


def test_images_of_another_size_are_named(archive):
    file = gzip.compress(idx(1, 32, 32, values=bytes(32 * 32)))
    archive.write_bytes(file)
    message = error_of_reading(archive, md5=hashlib.md5(file).hexdigest(), item_shape=(28, 28))
    assert "of shape (1, 32, 32), not (N, 28, 28)" in message
