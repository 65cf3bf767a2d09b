"""The archives of a data set on disk: fetched, checked and read, each whole or not at all.

torchvision knows the archives: their names, mirrors, checksums, and the names of the classes. Its
own loader trusts what lies extracted beside them, waits without end for a mirror that does not
answer, and writes files bit by bit. Here the very bytes that were checked are read, and nothing is
extracted.
"""

import gzip
import hashlib
import math
import struct
import sys
import urllib.request
import zlib
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from vaelib._machine.files import write_atomically

TIMEOUT = 20  # seconds that a mirror may be silent
UINT8 = b"\x00\x00\x08"  # how an IDX file of bytes begins


class DataError(RuntimeError):
    """A data file is missing or is not what it should be; the message says what to do."""


def import_datasets() -> ModuleType:
    """Return `torchvision.datasets`, also where torchvision's build does not match torch's.

    A CPU build of torch beside torchvision's usual wheel fails with "operator torchvision::nms
    does not exist": the compiled part, which could not be loaded, would have declared it. The data
    sets need no such operator, so that its name and signature are enough.
    """
    try:
        import torchvision.datasets
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]  # what the failed import left half made
        for operator in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, operator):
                signature = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                torch.library.define(f"torchvision::{operator}", signature)
        import torchvision.datasets
    return torchvision.datasets


def read_archive(
    archive: Path, md5: str, mirrors: Sequence[str], item_shape: tuple[int, ...]
) -> Tensor:
    """Return the bytes that a gzipped IDX file holds: uint8 (N, *item_shape).

    The archive is downloaded if it is missing. Raises DataError where it is not the official one,
    which names the file, what was found, what was expected, and the ways out.
    """
    if not archive.exists():
        _download(archive, md5, mirrors)
    if not archive.is_file():
        raise DataError(f"{archive} should be a file but is a folder. {_ways_out(archive)}")
    try:
        content = archive.read_bytes()
    except OSError as error:
        raise DataError(f"{archive} cannot be read ({error}). {_ways_out(archive)}") from error
    if _md5(content) != md5:
        raise DataError(f"{archive} is damaged: {_difference(content, md5)}. {_ways_out(archive)}")
    try:
        return parse_idx(gzip.decompress(content), item_shape)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(
            f"{archive} has the right checksum, but cannot be read ({error}). This version of "
            "torchvision names another file than the images and labels that are expected here."
        ) from error


def parse_idx(content: bytes, item_shape: tuple[int, ...]) -> Tensor:
    """Return the values of an IDX file: uint8 (N, *item_shape).

    It begins with two zeros, 8 for bytes, and the number of dimensions; then the size of each, in
    four bytes; then the values. Raises ValueError where it does not.
    """
    n_dimensions = 1 + len(item_shape)
    start = 4 + 4 * n_dimensions
    if content[:4] != UINT8 + bytes([n_dimensions]) or len(content) < start:
        raise ValueError(f"it begins with {content[:4].hex(' ')}, not 00 00 08 0{n_dimensions}")
    shape = struct.unpack(f">{n_dimensions}I", content[4:start])
    if shape[0] == 0 or shape[1:] != item_shape or len(content) != start + math.prod(shape):
        raise ValueError(
            f"it holds {len(content) - start:,} bytes, as an array of shape {shape}, "
            f"not (N, {', '.join(map(str, item_shape))})"
        )
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=start).view(shape)


def joint_checksum(md5s: Sequence[str]) -> str:
    """Return one checksum for several."""
    return _md5("".join(md5s).encode())


def _download(archive: Path, md5: str, mirrors: Sequence[str]) -> None:
    """Ask one mirror after the other, and keep only what has the right checksum."""
    reasons = []
    for mirror in mirrors:
        try:
            with urllib.request.urlopen(mirror + archive.name, timeout=TIMEOUT) as answer:
                content = answer.read()
        except (OSError, HTTPException, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            reasons.append(f"{mirror}: {reason}")
            continue
        if _md5(content) != md5:
            reasons.append(f"{mirror}: {_difference(content, md5)}")
            continue
        try:
            write_atomically(archive, content)
        except OSError as error:
            raise DataError(
                f"{archive} could not be written ({error}). Make room for it, or set "
                "VAELIB_DATA to a folder that can be written."
            ) from error
        return
    raise DataError(
        f"{archive} is missing and could not be downloaded ({'; '.join(reasons)}). "
        f"{_ways_out(archive)}"
    )


def _difference(content: bytes, md5: str) -> str:
    kind = "a page of HTML, " if content.lstrip()[:1] == b"<" else ""
    return f"found {kind}{len(content):,} bytes with MD5 {_md5(content)}, expected MD5 {md5}"


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _ways_out(archive: Path) -> str:
    return (
        f"Restore it from the repository (git checkout -- data/{archive.parent.parent.name}), "
        "or delete it and run this again with a network, to download it."
    )
