"""Notebook 1's room: the images, their labels, their splits; MNIST or a folder of one's own."""

from vaelib._machine.archives import DataError
from vaelib.data.folders import load_folder
from vaelib.data.images import binarise, deskew, deskewed, to_pixels
from vaelib.data.mnist import load
from vaelib.data.splits import Dataset, Split, balanced_subset

__all__ = [
    "DataError",
    "Dataset",
    "Split",
    "balanced_subset",
    "binarise",
    "deskew",
    "deskewed",
    "load",
    "load_folder",
    "to_pixels",
]
