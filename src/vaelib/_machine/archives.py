"""The archives of a data set on disk: fetched, checked, and extracted, each whole or not at all.

torchvision checks the archives but trusts what lies extracted beside them, waits without end for
a mirror that does not answer, and writes files bit by bit, so that a second notebook may read
half of one. Here a file takes its place in one step, once its content is known to be right.
"""

import gzip
import hashlib
import sys
import urllib.request
import zlib
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path

from vaelib._machine.files import write_atomically

TIMEOUT = 20  # seconds that a mirror may be silent


class DataError(RuntimeError):
    """A data file is missing or is not what it should be; the message says what to do."""


def require_archive(archive: Path, md5: str, mirrors: Sequence[str]) -> None:
    """Make sure that an archive is there and is the official one; download it if it is missing.

    Raises DataError, which names the file, what was found, what was expected, and the ways out.
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


def extract(archive: Path, folder: Path) -> None:
    """Put an archive's content into `folder`, unless it is there already and right.

    A gzip archive ends with the CRC-32 and the length of its content, so nothing need be
    decompressed to compare. Raises OSError where the folder cannot be written.
    """
    extracted = folder / archive.stem
    if extracted.is_dir():
        raise DataError(f"{extracted} should be a file but is a folder. Delete it and try again.")
    if extracted.exists():
        content = extracted.read_bytes()
        length = (len(content) % 2**32).to_bytes(4, "little")
        if zlib.crc32(content).to_bytes(4, "little") + length == archive.read_bytes()[-8:]:
            return
        print(f"{extracted} differs from its archive: extracting it again.", file=sys.stderr)
    write_atomically(extracted, gzip.decompress(archive.read_bytes()))


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
