"""Images as the model takes them: pixels between 0 and 1, binarised, or deskewed.

Deskewing is knowledge about handwriting, not learning. It says beforehand that slant and place do
not matter, which is true of digits and false of much else. A result that uses it says so.
"""

import hashlib

import torch
import torch.nn.functional as F
from torch import Tensor

from vaelib.data.splits import Dataset, Split

IMAGE_SHAPE = (28, 28)
N_PIXELS = 28 * 28


def to_pixels(images: Tensor) -> Tensor:
    """Return images as float32 pixels in [0, 1], one row per image: (B, 28, 28) → (B, 784).

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


def deskew(images: Tensor, batch_size: int = 1000) -> Tensor:
    """Shear and shift images so that their ink is upright and centred: uint8 (N, 28, 28), same out.

    The moments of the ink give its centre and its slant: the slant is how far the ink's
    columns drift from row to row, cov(column, row) / var(row). Raises ValueError for images of
    another type or shape.
    """
    if images.dtype != torch.uint8 or images.ndim != 3 or images.shape[1] != images.shape[2]:
        raise ValueError(
            f"Deskewing takes uint8 images (N, 28, 28), not {images.dtype} {tuple(images.shape)}."
        )
    if images.numel() == 0 or images.shape[1] < 2 or batch_size < 1:
        raise ValueError(
            f"There is nothing to deskew: images {tuple(images.shape)}, {batch_size} at a time."
        )
    upright = torch.empty_like(images)
    for part, place in zip(images.split(batch_size), upright.split(batch_size), strict=True):
        place.copy_(_deskew(part))
    return upright


def deskewed(dataset: Dataset) -> Dataset:
    """Return a data set with all its images deskewed; its name and checksum say so."""
    train, validation, test = (
        Split(deskew(split.images), split.labels)
        for split in (dataset.train, dataset.validation, dataset.test)
    )
    checksum = hashlib.md5(f"deskewed {dataset.checksum}".encode(), usedforsecurity=False)
    return Dataset(
        f"{dataset.name}-deskewed", dataset.classes, train, validation, test, checksum.hexdigest()
    )


def _deskew(images: Tensor) -> Tensor:
    n, size, _ = images.shape
    ink = images.float()
    mass = ink.sum(dim=(1, 2)).clamp_min(1e-6)  # (N,)
    grid = torch.linspace(-1, 1, size)
    rows, columns = ink.sum(dim=2), ink.sum(dim=1)  # (N, 28), ink in each row and column
    row_mean, column_mean = rows @ grid / mass, columns @ grid / mass  # (N,)
    row_offset = grid - row_mean[:, None]  # (N, 28)
    column_offset = grid - column_mean[:, None]
    row_variance = (rows * row_offset.square()).sum(dim=1) / mass
    covariance = torch.einsum("nrc,nr,nc->n", ink, row_offset, column_offset) / mass
    slant = covariance / row_variance.clamp_min(1e-6)
    # where in the old image each point of the new one comes from: column + slant · row + centre
    transform = torch.zeros(n, 2, 3)
    transform[:, 0] = torch.stack([torch.ones(n), slant, column_mean], dim=1)
    transform[:, 1] = torch.stack([torch.zeros(n), torch.ones(n), row_mean], dim=1)
    points = F.affine_grid(transform, [n, 1, size, size], align_corners=True)
    upright = F.grid_sample(ink[:, None], points, align_corners=True)[:, 0]
    return upright.round().clamp(0, 255).to(torch.uint8)
