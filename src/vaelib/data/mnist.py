"""MNIST and its siblings as tensors, from archives that are checked before they are read."""

from pathlib import Path

from vaelib._machine.archives import import_datasets, joint_checksum, read_archive
from vaelib._machine.files import data_folder, full, shipped_folder
from vaelib.data.images import IMAGE_SHAPE
from vaelib.data.splits import Dataset, Split

NAMES = ("MNIST", "FashionMNIST", "KMNIST")
N_VALIDATION = 10_000


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
    folder = (full(root) if root is not None else data_folder()) / name / "raw"
    source = getattr(import_datasets(), name)
    mirrors = [*_shipped(name), *source.mirrors]
    images, labels, test_images, test_labels = (
        read_archive(folder / archive, md5, mirrors, IMAGE_SHAPE if "images" in archive else ())
        for archive, md5 in source.resources
    )
    official_train = Split(images, labels.long())
    return Dataset(
        name=name,
        # torchvision names a digit "7 - seven"; the digit is enough
        classes=tuple(label.split(" - ")[0] for label in source.classes),
        train=official_train[:-N_VALIDATION],
        validation=official_train[-N_VALIDATION:],
        test=Split(test_images, test_labels.long()),
        checksum=joint_checksum([md5 for _, md5 in source.resources]),
    )


def _shipped(name: str) -> list[str]:
    """Return the address of the archives that came with the installed package, if they did."""
    folder = shipped_folder()
    raw = folder / "data" / name / "raw" if folder else None
    return [f"{raw.as_uri()}/"] if raw and raw.is_dir() else []
