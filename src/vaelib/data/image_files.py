"""Preparing images: a picture file of any kind and size as 28 × 28 grey levels, ink high.

A drawing and a photo of one end as MNIST's digits did: the longer side of the ink has 20 pixels,
and the middle of its mass is the image's middle.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor

from vaelib._machine.archives import DataError
from vaelib.data.images import IMAGE_SHAPE

GreyLevels = NDArray[np.uint8]  # (H, W), ink is high

BOX = 20  # MNIST's digits were scaled to fit 20 × 20 and set with their ink's middle in the centre
MIDDLE = 14  # which is here: the middles of MNIST's own digits lie within half a pixel of it
WORKING_SIDE = 400  # a photo is brought down to about this first: its noise averages out
FAINTEST = 8  # grey levels between paper and ink: what differs less is no ink
TRANSPARENT_MODES = ("LA", "PA", "RGBA", "La", "RGBa")  # as Pillow names them
CUT = 0.2  # what is nearer to the paper than this share of the way to the darkest ink is paper


@dataclass(frozen=True)
class Prepared:
    """An image as the model takes it, and what was noticed on the way.

    Attributes
    ----------
    picture : uint8 (28, 28), ink high.
    scaled : whether the file had another size.
    transparent : whether a part of it was see-through.
    light : how much of it is light, 0 to 1. A scaled image is compared with its own paper: 1
        where its ink is the darker of the two, else 0.
    """

    picture: GreyLevels
    scaled: bool
    transparent: bool
    light: float


def prepare(file: Path, invert: bool = False) -> Prepared:
    """Read an image file as 28 × 28 grey levels; one of this size stays as it is.

    `invert` says that the ink is dark. Raises DataError, as `read_grey` does.
    """
    grey, transparent = read_grey(file, invert)
    if grey.shape == IMAGE_SHAPE:
        return Prepared(grey, False, transparent, float((grey > 127).mean()))
    # over a hundredth of the image a pen changes little, and the grain of paper is gone
    smooth = Image.fromarray(grey).filter(ImageFilter.BoxBlur(max(grey.shape) / 200))
    ink, is_dark = _ink_alone(np.array(smooth))
    picture = centre(torch.from_numpy(ink)).numpy()
    return Prepared(picture, True, transparent, float(is_dark))


def read_grey(file: Path, invert: bool = False) -> tuple[GreyLevels, bool]:
    """Read an image file as grey levels with ink high, and whether it was transparent.

    The image is turned upright as its camera says, and a large one is made smaller. `invert`
    says that the ink is dark: what is transparent then counts as white paper, else as black.
    Raises DataError, which names the file, where it is no image or has a range of grey levels
    that cannot be known.
    """
    try:
        with Image.open(file) as opened:
            opened.draft(None, (WORKING_SIDE, WORKING_SIDE))  # a large JPEG is read in less time
            image = ImageOps.exif_transpose(opened)
        grey, transparent = _grey(image, paper=255 if invert else 0)
    except Exception as error:  # a damaged file makes Pillow raise whatever it runs into
        raise DataError(
            f"{file} is not an image that can be read ({error}). Save it anew, as a PNG of 8 bits, "
            "or take it out."
        ) from error
    grey = grey.reduce(max(1, max(grey.size) // WORKING_SIDE))
    levels = np.array(grey)
    return 255 - levels if invert else levels, transparent


def centre(ink: Tensor) -> Tensor:
    """Scale and place ink as MNIST's digits were: uint8 (H, W) → uint8 (28, 28).

    The longer side of the ink becomes 20 pixels, and the middle of its mass the image's middle.
    Where there is no ink, there is none in the result. Raises ValueError for anything else than
    one uint8 image.
    """
    if ink.dtype != torch.uint8 or ink.ndim != 2:
        raise ValueError(f"Centring takes one uint8 image, not {ink.dtype} {tuple(ink.shape)}.")
    result = np.zeros(IMAGE_SHAPE, dtype=np.uint8)
    rows, columns = ink.any(dim=1).nonzero(), ink.any(dim=0).nonzero()
    if not len(rows):
        return torch.from_numpy(result)
    part = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].numpy()
    digit = _scaled(part)
    middles = [
        digit.sum(axis=1 - axis) @ np.arange(digit.shape[axis]) / digit.sum() for axis in (0, 1)
    ]
    top, left = (
        int(np.clip(np.ceil(MIDDLE - 0.5 - middle), 0, 28 - side))
        for middle, side in zip(middles, digit.shape, strict=True)
    )
    result[top : top + digit.shape[0], left : left + digit.shape[1]] = digit.round()
    return torch.from_numpy(result)


def _scaled(part: GreyLevels) -> NDArray[np.float32]:
    """Scale ink that fills its frame until the longer side has 20 pixels; the darkest is 255.

    Each new pixel is the mean of those that it takes the place of. A thin pen in a large image
    then covers a small part of a pixel, and in bytes nothing would be left of it; so the mean is
    kept as a float, and stretched until the darkest ink is as dark as MNIST's.
    """
    scale = BOX / max(part.shape)
    size = [max(1, round(side * scale)) for side in reversed(part.shape)]
    image = Image.fromarray(part.astype(np.float32))
    digit = np.asarray(image.resize(size, Image.Resampling.BILINEAR))
    return digit * (255 / digit.max())


def _grey(image: Image.Image, paper: int) -> tuple[Image.Image, bool]:
    """Return an image's grey levels, laid on paper of one grey, and whether this shows through.

    Raises ValueError where it is not known which grey level is white.
    """
    if image.mode == "F":
        raise ValueError("its grey levels are fractions, and nothing says which of them is white")
    if image.mode.startswith("I"):
        return _grey_of_16_bits(image, paper)
    if image.mode not in TRANSPARENT_MODES and "transparency" not in image.info:
        return image.convert("L"), False
    image = image.convert("RGBA")
    ground = Image.new("RGBA", image.size, (paper, paper, paper, 255))
    shows_through = image.getchannel("A").getextrema()[0] < 255
    return Image.alpha_composite(ground, image).convert("L"), shows_through


def _grey_of_16_bits(image: Image.Image, paper: int) -> tuple[Image.Image, bool]:
    """Do the same for an image of 65,536 grey levels, which Pillow would cut off at 255."""
    levels = np.asarray(image).astype(np.int64)
    if levels.min() < 0 or levels.max() > 65535:
        raise ValueError(
            f"its grey levels go from {levels.min():,} to {levels.max():,}, not 0 to 65,535"
        )
    clear = levels == image.info.get("transparency", -1)
    grey = np.where(clear, paper, (levels + 128) // 257)  # 65535 / 257 = 255, rounded
    return Image.fromarray(grey.astype(np.uint8)), bool(clear.any())


def _ink_alone(grey: GreyLevels) -> tuple[GreyLevels, bool]:
    """Take the paper away from an image: what is left is ink, 0 to 255, on nothing.

    Paper is never of one grey: it has a grain, JPEG adds its own, and the lamp stands to one
    side. Left in, it would be ink to the image's edges. Also returns whether the ink is darker
    than the paper; the image then stays as it is, since it is not known what was meant.
    """
    rest = grey - _paper(grey)
    noise = 1.5 * np.median(np.abs(_border(rest)))  # a standard deviation, by the median
    least = max(FAINTEST, 6 * noise)
    darkest = rest.max()
    if -rest.min() > max(darkest, least):
        return grey, True
    if darkest < least:
        return np.zeros_like(grey), False
    rest[rest < max(CUT * darkest, 4 * noise)] = 0
    return (rest * (255 / darkest)).astype(np.uint8), False


def _paper(grey: GreyLevels) -> NDArray[np.float64]:
    """Return the paper's grey at each pixel (H, W): a plane through the pixels of the border.

    A plane, since light falls in from one side. It starts level, and is fitted to the half of
    the border that lies nearest to it: ink that runs over the border does not tilt it.
    """
    rows, columns = np.indices(grey.shape)
    points = np.stack([np.ones(grey.shape), rows / len(grey), columns / grey.shape[1]])  # (3, H, W)
    border, places = _border(grey), _border(points)
    plane = np.array([np.median(border), 0, 0])
    for _ in range(3):
        distance = np.abs(border - plane @ places)
        near = distance <= np.median(distance)
        plane = np.linalg.lstsq(places[:, near].T, border[near], rcond=None)[0]
    return np.tensordot(plane, points, axes=1)


def _border(values: NDArray) -> NDArray:
    """Return the outermost pixels of images (..., H, W) in a row (..., N)."""
    return np.concatenate(
        [values[..., 0, :], values[..., -1, :], values[..., 0], values[..., -1]], axis=-1
    )
