"""MNIST and its siblings as tensors, from archives that are checked before they are read."""

import tempfile
import warnings
from pathlib import Path

from vaelib._machine.archives import DataError, extract, joint_checksum, require_archive
from vaelib._machine.files import data_folder, full, shipped_folder
from vaelib._machine.torchvision import import_datasets
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
