"""A folder of one's own images as a data set, in the same form as MNIST."""

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vaelib._machine.archives import DataError
from vaelib._machine.files import full
from vaelib.data.mnist import NAMES
from vaelib.data.splits import Dataset, Split

if TYPE_CHECKING:
    from vaelib.data.image_files import Prepared

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
DROPPINGS = ("__macosx", "thumbs.db", "desktop.ini", "@eadir")  # of systems, beside hidden files
FEWEST = 20  # images per class: ten labels of each, and every split needs some
FAINT = 32  # grey levels: an image that spans fewer shows nothing
SHOWN = 10  # images before and after they were scaled

Files = Mapping[Path, "Prepared"]


def load_folder(path: Path | str, invert: bool = False, seed: int = 0) -> Dataset:
    """Return a folder of images as a data set, split 70 / 15 / 15 within each class.

    Images of 28 × 28 pixels stay as they are; others are scaled and centred as MNIST's digits
    were. How many is printed, and a notebook shows ten of them before and after. What looks
    wrong is a warning: images that are blank, or lighter than their ink, and files of a kind
    that is not read.

    Parameters
    ----------
    path : holds one folder per class, named after it, with its images; or images alone, which
        then count as one class. The files' order does not matter, their names do. Hidden files
        are passed over.
    invert : for dark ink on light paper. The series takes ink to be high, as MNIST does. What
        is transparent counts as paper.
    seed : another seed splits otherwise.

    Returns
    -------
    The data set. `classes` are the folders' names, or their numbers where no installed font
    can write them.

    Raises
    ------
    DataError
        For a folder that is missing, empty, mixed or named like another data set, a file that
        is no image, a class with fewer than twenty images, and where every image is blank.
    """
    from vaelib.data.image_files import prepare  # Pillow takes a while, and MNIST needs none

    path = full(path)
    if not path.is_dir():
        raise DataError(f"There is no folder {path}. Give the folder that holds the images.")
    if path.resolve().name.lower() in map(str.lower, NAMES):
        raise DataError(
            f"{path} has the name of another data set, whose models it would replace. Rename it."
        )
    folders = _class_folders(path)
    names = [folder.name for folder in folders]
    listed = [_image_files(folder) for folder in folders]
    found = {file: prepare(file, invert) for files in listed for file in files}
    classes, unwritable = _writable(names)
    for remark in (*_remarks(found, invert), *_on_unread(folders), *unwritable):
        warnings.warn(remark, stacklevel=2)
    _show_scaled(found, invert)
    counts = [len(files) for files in listed]
    images = torch.from_numpy(np.stack([image.picture for image in found.values()]))
    checksum = hashlib.md5(repr((seed, names, counts)).encode(), usedforsecurity=False)
    checksum.update(images.numpy().tobytes())
    everything = Split(images, torch.arange(len(names)).repeat_interleave(torch.tensor(counts)))
    splits = [everything[rows] for rows in _stratified(everything.labels, seed)]
    return Dataset(path.resolve().name, classes, *splits, checksum=checksum.hexdigest())


def _stratified(labels: Tensor, seed: int) -> list[Tensor]:
    """Return the rows of 70 % of the images, of 15 %, and of the rest, each class alike."""
    from sklearn.model_selection import train_test_split  # takes a second, and only here

    train, others = train_test_split(
        torch.arange(len(labels)).numpy(), train_size=0.7, stratify=labels, random_state=seed
    )
    validation, test = train_test_split(
        others, train_size=0.5, stratify=labels[others], random_state=seed
    )
    return [torch.from_numpy(rows) for rows in (train, validation, test)]


def _class_folders(path: Path) -> list[Path]:
    """Return the folders with images: those of the classes, or the folder itself."""
    visible = _visible(path)
    folders = [entry for entry in visible if entry.is_dir()]
    loose = [entry for entry in visible if entry.suffix.lower() in SUFFIXES]
    if folders and loose:
        raise DataError(
            f"{path} holds folders and images side by side ({loose[0].name}, for one). Sort every "
            "image into the folder of its class, or keep the images alone."
        )
    return folders or [path]


def _visible(folder: Path) -> list[Path]:
    """Return what someone has put into a folder, in order, without what systems leave there."""
    return [
        entry
        for entry in sorted(folder.iterdir())
        if not entry.name.startswith(".") and entry.name.lower() not in DROPPINGS
    ]


def _image_files(folder: Path) -> list[Path]:
    files = [file for file in _visible(folder) if file.suffix.lower() in SUFFIXES]
    if len(files) < FEWEST:
        also = " ".join(["", *_on_unread([folder])])
        raise DataError(
            f"{folder} holds {len(files)} images, and each class needs {FEWEST} at least, to be "
            f"split in three. Images end in {', '.join(SUFFIXES)}.{also}"
        )
    return files


def _on_unread(folders: Sequence[Path]) -> Iterator[str]:
    """Say what lies in the folders and is not read."""
    unread = [
        entry
        for folder in folders
        for entry in _visible(folder)
        if entry.suffix.lower() not in SUFFIXES
    ]
    if unread:
        yield (
            f"Passed over, since they do not end in {', '.join(SUFFIXES)}: {len(unread)} of the "
            f"files and folders beside the images ({unread[0]}, for one). If they are images, "
            "save them as PNG."
        )


def _remarks(found: Files, invert: bool) -> Iterator[str]:
    """Say what looks wrong with the images. Raises DataError where all of them are blank."""
    turn = (
        "If the ink is light on dark paper, leave invert=True out."
        if invert
        else "If the ink is dark on light paper, pass invert=True."
    )
    spans = {file: int(np.ptp(image.picture)) for file, image in found.items()}
    faint = [file for file, span in spans.items() if span < FAINT]
    if faint:
        see_through = any(found[file].transparent for file in faint)
        ground = "white" if invert else "black"
        hint = f" What is transparent was taken for {ground} paper. {turn}" if see_through else ""
        if not any(spans.values()):
            raise DataError(
                f"All {len(found)} images are blank, of one grey throughout ({faint[0]}, for one)."
                f"{hint or ' Look at the files.'}"
            )
        yield (
            f"{len(faint)} of the {len(found)} images are blank, or so faint that they show "
            f"nothing ({faint[0]}, for one).{hint or ' Look at them, and take them out.'}"
        )
    if np.mean([image.light for image in found.values()]) > 0.5:
        lightest = max(found, key=lambda file: found[file].light)
        yield (
            f"Most of what these images show is light ({lightest}, for one), and light is taken "
            f"for ink: a model would learn the paper. {turn}"
        )


def _writable(names: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the classes' names as pictures can write them, and a remark where they cannot."""
    if "".join(names).isascii():
        return tuple(names), []
    from vaelib.plots.style import write_with_installed_fonts

    missing = write_with_installed_fonts("".join(names))
    if not missing:
        return tuple(names), []
    numbers = tuple(map(str, range(len(names))))
    meaning = ", ".join(f"{number} is {name}" for number, name in zip(numbers, names, strict=True))
    return numbers, [
        f"No installed font has {' '.join(missing)}, so the classes have numbers in the pictures: "
        f"{meaning}. To see the names, install a font that has them, such as Noto Sans for their "
        "script, or rename the folders; then load them again."
    ]


def _show_scaled(found: Files, invert: bool) -> None:
    """Say how many images were scaled; in a notebook, show some of them before and after."""
    scaled = [file for file, image in found.items() if image.scaled]
    if not scaled:
        return
    print(
        f"{len(scaled)} of the {len(found)} images are not 28 × 28 pixels: their ink was scaled "
        "to fit and set in the middle, as was done for MNIST."
    )
    from IPython import get_ipython

    if getattr(get_ipython(), "kernel", None) is None:
        return
    from vaelib import notebook, plots
    from vaelib.data.image_files import read_grey

    some = [scaled[i * len(scaled) // SHOWN] for i in range(SHOWN)]
    some = list(dict.fromkeys(some))  # fewer than ten, where there are fewer
    notebook.show(
        plots.picture_grid(
            [[read_grey(file, invert)[0] for file in some], [found[file].picture for file in some]],
            "Scaled to fit, with the ink in the middle",
            row_labels=("before", "after"),
        ),
        "own_images",
        alt=f"Two rows of pictures: {len(some)} images as they are in their files, and below each "
        "what became of it, 28 × 28 pixels with the ink in the middle.",
    )
