"""MNIST and its siblings as tensors: the splits, the label budgets, pixels between 0 and 1."""

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vaelib._torchvision import import_datasets
from vaelib.archives import DataError, extract, joint_checksum, require_archive
from vaelib.paths import data_folder, full, shipped_folder

NAMES = ("MNIST", "FashionMNIST", "KMNIST")
IMAGE_SHAPE = (28, 28)
N_PIXELS = 28 * 28
N_VALIDATION = 10_000


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

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise ValueError(
                "Every image needs one label, but there are "
                f"{len(self.images)} images and {len(self.labels)} labels."
            )

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
    name : "MNIST" (bundled), "FashionMNIST" or "KMNIST" (downloaded once, from the
        mirrors that torchvision names).
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
    root = full(root) if root is not None else data_folder()
    source = getattr(import_datasets(), name)
    folder = root / name / "raw"
    _refuse_legacy_files(root / name / "processed")
    archives = [folder / archive for archive, _ in source.resources]
    for archive, (_, md5) in zip(archives, source.resources, strict=True):
        require_archive(archive, md5, [*_shipped(name), *source.mirrors])
    try:
        official_train, official_test = _read(source, archives, folder)
    except OSError as error:
        warnings.warn(
            f"The archives could not be extracted in {folder} ({error}). They are read from a "
            "temporary folder instead, this time and every time.",
            stacklevel=2,
        )
        with tempfile.TemporaryDirectory() as elsewhere:
            official_train, official_test = _read(source, archives, Path(elsewhere, name, "raw"))
    n_train = len(official_train.targets) - N_VALIDATION
    images, labels = official_train.data, official_train.targets
    return Dataset(
        name=name,
        # torchvision names a digit "7 - seven"; the digit is enough
        classes=tuple(label.split(" - ")[0] for label in official_train.classes),
        train=Split(images[:n_train], labels[:n_train]),
        validation=Split(images[n_train:], labels[n_train:]),
        test=Split(official_test.data, official_test.targets),
        checksum=joint_checksum([md5 for _, md5 in source.resources]),
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


def check_pixels(pixels: Tensor) -> None:
    """Raise ValueError unless pixels are floats in [0, 1]."""
    if not pixels.is_floating_point():
        raise ValueError(
            f"Pixels must be floats in [0, 1], not {pixels.dtype}. "
            "Convert images with vaelib.data.to_pixels."
        )
    low, high = pixels.aminmax() if pixels.numel() else (torch.zeros(()), torch.zeros(()))
    if not (low >= 0 and high <= 1):  # also false for NaN
        raise ValueError(
            f"Pixels must lie in [0, 1], but these span [{low:.3g}, {high:.3g}]. "
            "Convert images with vaelib.data.to_pixels."
        )


def binarise(images: Tensor, seed: int) -> Tensor:
    """Draw each pixel black or white, with its grey level as the probability of ink.

    Takes and returns uint8 images (B, 28, 28), 0 or 255. The same seed gives the same draw.
    Raises ValueError for anything else.
    """
    pixels = to_pixels(images)
    ink = torch.bernoulli(pixels, generator=torch.Generator(images.device).manual_seed(seed))
    return ink.mul_(255).to(torch.uint8).view(images.shape)


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
    if labels.ndim != 1 or labels.is_floating_point() or len(labels) == 0:
        raise ValueError(
            f"Labels must be a row of whole numbers, not {labels.dtype} {tuple(labels.shape)}."
        )
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


def _shipped(name: str) -> list[str]:
    """Return the address of the archives that came with the installed package, if they did."""
    folder = shipped_folder()
    raw = folder / "data" / name / "raw" if folder else None
    return [f"{raw.as_uri()}/"] if raw and raw.is_dir() else []


def _read(source: type, archives: list[Path], folder: Path) -> tuple[object, object]:
    """Extract the archives into `folder`, `<root>/<name>/raw`, and let torchvision read them."""
    for archive in archives:
        extract(archive, folder)
    root = folder.parent.parent
    return source(root, train=True), source(root, train=False)


def _refuse_legacy_files(folder: Path) -> None:
    """Refuse files that torchvision would read, unchecked, in place of the archives."""
    if folder.exists():
        raise DataError(
            f"{folder} comes from an old version of torchvision and would be read in place of "
            "the archives, unchecked. Delete it, then run this again."
        )
