"""A folder of one's own images as a data set, in the same form as MNIST."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from vaelib.data import IMAGE_SHAPE, NAMES, DataError, Dataset, Split

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
SHARES = (0.7, 0.15)  # of training and validation; the rest is the test
FEWEST = 20  # images a class: ten labels of each, and every split needs some


def load_folder(path: Path | str, invert: bool = False, seed: int = 0) -> Dataset:
    """Return a folder of 28 × 28 images as a data set, split 70 / 15 / 15 within each class.

    Parameters
    ----------
    path : holds one folder a class, named after it, with its images; or images alone, which
        then count as one class. The files' order does not matter, their names do.
    invert : for dark ink on light paper. The series takes ink to be high, as MNIST does.
    seed : another seed splits otherwise.

    Raises
    ------
    DataError
        For a folder that is missing, empty, mixed or named like another data set, an image of
        another size, a file that is no image, a class with fewer than twenty images.
    """
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"There is no folder {path}. Give the folder that holds the images.")
    if path.resolve().name.lower() in map(str.lower, NAMES):
        raise DataError(
            f"{path} has the name of another data set, whose models it would replace. Rename it."
        )
    folders = _class_folders(path)
    images = {folder.name: _read_images(folder) for folder in folders}
    if invert:
        images = {name: 255 - pictures for name, pictures in images.items()}
    generator = torch.Generator().manual_seed(seed)
    parts: list[list[Split]] = [[], [], []]
    for number, pictures in enumerate(images.values()):
        shuffled = pictures[torch.randperm(len(pictures), generator=generator)]
        ends = [round(share * len(shuffled)) for share in np.cumsum(SHARES)]
        for part, piece in zip(parts, shuffled.tensor_split(ends), strict=True):
            part.append(Split(piece, torch.full((len(piece),), number)))
    return Dataset(
        path.resolve().name, tuple(images), *(_mixed(part, generator) for part in parts),
        checksum=_checksum(images, seed),
    )  # fmt: skip


def _class_folders(path: Path) -> list[Path]:
    """Return the folders with images: those of the classes, or the folder itself."""
    visible = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
    folders = [entry for entry in visible if entry.is_dir()]
    loose = [entry for entry in visible if entry.suffix.lower() in SUFFIXES]
    if folders and loose:
        raise DataError(
            f"{path} holds folders and images side by side ({loose[0].name}, for one). Sort every "
            "image into the folder of its class, or keep the images alone."
        )
    return folders or [path]


def _read_images(folder: Path) -> Tensor:
    """Read a folder's images as grey levels: uint8 (N, 28, 28)."""
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if len(files) < FEWEST:
        raise DataError(
            f"{folder} holds {len(files)} images, and each class needs {FEWEST} at least, to be "
            f"split in three. Images end in {', '.join(SUFFIXES)}."
        )
    return torch.from_numpy(np.stack([_read_image(file) for file in files]))


def _read_image(file: Path) -> np.ndarray:
    try:
        with Image.open(file) as image:
            if image.mode[0] in "IF":  # Pillow would cut them off at 255
                raise DataError(f"{file} has more than 256 grey levels. Save it with 8 bits.")
            grey = np.array(image.convert("L"))
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(f"{file} is not an image that can be read ({error}).") from error
    if grey.shape != IMAGE_SHAPE:
        height, width = grey.shape
        raise DataError(
            f"{file} is {width} × {height} pixels, and the model takes 28 × 28. Scale your images "
            'first, for example with Pillow: Image.open(file).convert("L").resize((28, 28)).'
        )
    return grey


def _mixed(splits: list[Split], generator: torch.Generator) -> Split:
    """Join the classes' parts, in an order that does not betray the class."""
    images = torch.cat([split.images for split in splits])
    labels = torch.cat([split.labels for split in splits])
    order = torch.randperm(len(labels), generator=generator)
    return Split(images[order], labels[order])


def _checksum(images: dict[str, Tensor], seed: int) -> str:
    digest = hashlib.md5(str(seed).encode(), usedforsecurity=False)
    for name, pictures in images.items():
        digest.update(name.encode())
        digest.update(pictures.contiguous().numpy().tobytes())
    return digest.hexdigest()
