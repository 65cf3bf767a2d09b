"""MNIST and its siblings as tensors: the splits, the label budgets, pixels between 0 and 1."""

import hashlib
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor

from vaelib._torchvision import import_datasets
from vaelib.paths import data_folder

NAMES = ("MNIST", "FashionMNIST", "KMNIST")
IMAGE_SHAPE = (28, 28)
N_PIXELS = 28 * 28
N_VALIDATION = 10_000


class DataError(RuntimeError):
    """A data file is missing or is not what it should be; the message says what to do."""


@dataclass(frozen=True)
class Split:
    """Images and their labels.

    Attributes
    ----------
    images : uint8 tensor (N, 28, 28), grey levels 0 to 255.
    labels : int64 tensor (N,), class numbers from 0.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor | slice) -> "Split":
        return Split(self.images[index], self.labels[index])


@dataclass(frozen=True)
class Dataset:
    """A data set in three splits, with the names of its classes.

    `checksum` identifies the archives' contents: a model trained on other data is told by it.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    checksum: str


def load(name: str = "MNIST", root: Path | str | None = None) -> Dataset:
    """Return a data set, split 50,000 / 10,000 / 10,000 for training, validation and test.

    The validation images are the last 10,000 of the official training set, as is usual for
    MNIST, so the splits are the same every time and comparable with published numbers.

    Parameters
    ----------
    name : "MNIST" (bundled), "FashionMNIST" or "KMNIST" (downloaded once by torchvision).
    root : the folder with the archives in `<name>/raw/`; the project's `data/` unless given.

    Raises
    ------
    ValueError
        For a name that is not one of these.
    DataError
        For an archive that is missing and cannot be downloaded, or that is damaged.
    """
    if name not in NAMES:
        raise ValueError(f"There is no data set named {name!r}. Choose one of {', '.join(NAMES)}.")
    root = Path(root) if root is not None else data_folder()
    source = getattr(import_datasets(), name)
    folder = root / name / "raw"
    _refuse_legacy_files(root / name / "processed")
    for archive, md5 in source.resources:
        _check_archive(folder / archive, md5, source, root)
        _drop_wrong_extraction(folder / archive)
    try:
        official_train = source(root, train=True, download=True)
        official_test = source(root, train=False, download=True)
    except OSError as error:
        raise DataError(
            f"The archives in {folder} could not be extracted beside themselves ({error}). "
            "Make the folder writable, or set VAELIB_DATA to a copy that is."
        ) from error
    n_train = len(official_train.targets) - N_VALIDATION
    images, labels = official_train.data, official_train.targets
    return Dataset(
        name=name,
        # torchvision names a digit "7 - seven"; the digit is enough
        classes=tuple(label.split(" - ")[0] for label in official_train.classes),
        train=Split(images[:n_train], labels[:n_train]),
        validation=Split(images[n_train:], labels[n_train:]),
        test=Split(official_test.data, official_test.targets),
        checksum=_joint_checksum(md5 for _, md5 in source.resources),
    )


def to_pixels(images: Tensor) -> Tensor:
    """Return images as float32 pixels in [0, 1], one row an image: (B, 28, 28) → (B, 784).

    Accepts uint8 images (B, 28, 28) or (B, 784). Raises ValueError for anything else, since
    float images could be scaled already.
    """
    if images.dtype != torch.uint8:
        raise ValueError(
            f"Images must be uint8 with grey levels 0 to 255, not {images.dtype}. "
            "Multiply pixels in [0, 1] by 255 and convert them with .to(torch.uint8)."
        )
    if images.shape[1:] not in (IMAGE_SHAPE, (N_PIXELS,)):
        raise ValueError(
            f"Images must have the shape (B, 28, 28) or (B, 784), not {tuple(images.shape)}."
        )
    return images.reshape(len(images), N_PIXELS).float().div_(255)


def label_budget(labels: Tensor, budget: int, seed: int) -> Tensor:
    """Return the indices of `budget` images, as many of each class: the ones that we may label.

    Parameters
    ----------
    labels : int64 tensor (N,).
    budget : a multiple of the number of classes; or N, which means every label there is.
    seed : another seed draws other images.

    Returns
    -------
    int64 tensor (budget,), in random order.

    Raises
    ------
    ValueError
        Where the budget is not positive, does not divide evenly, or a class is too small.
    """
    if labels.ndim != 1 or labels.is_floating_point():
        raise ValueError(f"Labels must be a row of whole numbers, not {tuple(labels.shape)}.")
    classes, counts = labels.unique(return_counts=True)
    if budget == len(labels) and budget > 0:
        return torch.arange(len(labels))
    if budget <= 0 or budget % len(classes):
        raise ValueError(
            f"A budget of {budget} labels cannot be shared evenly by {len(classes)} classes: "
            f"choose a positive multiple of {len(classes)}, or all {len(labels)}."
        )
    per_class = budget // len(classes)
    if per_class > counts.min():
        raise ValueError(
            f"A budget of {budget} needs {per_class} images of each class, but class "
            f"{classes[counts.argmin()].item()} has {counts.min().item()}. Choose a smaller one."
        )
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    shuffled = labels.cpu()[order]
    chosen = [order[shuffled == c][:per_class] for c in classes.cpu()]
    return torch.cat(chosen)[torch.randperm(budget, generator=generator)]


def _joint_checksum(md5s: object) -> str:
    return hashlib.md5("".join(md5s).encode(), usedforsecurity=False).hexdigest()


def _refuse_legacy_files(folder: Path) -> None:
    """Refuse files that torchvision would read, unchecked, in place of the archives."""
    if folder.exists():
        raise DataError(
            f"{folder} comes from an old version of torchvision and would be read in place of "
            "the archives, unchecked. Delete it, then run this again."
        )


def _check_archive(archive: Path, md5: str, source: type, root: Path) -> None:
    """Make sure that an archive is there and is the official one; download it if it is missing."""
    if not archive.exists():
        _download(archive, source, root)
    if not archive.is_file():
        raise DataError(f"{archive} should be a file but is a folder. {_ways_out(archive)}")
    content = archive.read_bytes()
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise DataError(
            f"{archive} is damaged: its MD5 is {found} ({len(content):,} bytes), expected {md5}. "
            f"{_ways_out(archive)}"
        )


def _download(archive: Path, source: type, root: Path) -> None:
    """Let torchvision fetch what is missing, and turn its failures into one sentence."""
    extracted = archive.with_suffix("")
    if extracted.is_file():
        extracted.unlink()  # else torchvision takes the set to be complete
    try:
        source(root, download=True)
    except (RuntimeError, URLError, OSError) as error:
        if archive.is_file():
            archive.unlink()  # a partial file must not pass for a whole one
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise DataError(
            f"{archive} is missing and could not be downloaded ({reason}). {_ways_out(archive)}"
        ) from error


def _ways_out(archive: Path) -> str:
    return (
        f"Restore it from the repository (git checkout -- data/{archive.parent.parent.name}), "
        "or delete it and run this again with a network, to download it."
    )


def _drop_wrong_extraction(archive: Path) -> None:
    """Delete an extracted file that is not the content of its archive.

    torchvision checks archives, but trusts what lies extracted beside them. A gzip archive ends
    with the CRC-32 and the length of its content, so no decompression is needed to compare.
    """
    extracted = archive.with_suffix("")
    if not extracted.exists():
        return
    if not extracted.is_file():
        raise DataError(f"{extracted} should be a file but is a folder. Delete it and try again.")
    trailer = archive.read_bytes()[-8:]
    content = extracted.read_bytes()
    crc = zlib.crc32(content).to_bytes(4, "little")
    length = (len(content) % 2**32).to_bytes(4, "little")
    if crc + length != trailer:
        print(f"{extracted} differs from its archive: extracting it again.", file=sys.stderr)
        extracted.unlink()
