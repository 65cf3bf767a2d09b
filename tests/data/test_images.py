"""Images as the model takes them: pixels, binarised, deskewed. What is no image is refused."""

from dataclasses import replace

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from vaelib.data import binarise, deskew, deskewed, to_pixels
from vaelib.data.images import check_pixels

SHAPES = st.one_of(
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    st.sampled_from([(0, 28, 28), (2, 28, 28), (3, 784), (2, 28, 29), (2, 1, 28, 28)]),
)
SQUARES = st.tuples(st.integers(0, 3), *[st.sampled_from([0, 1, 2, 5, 28])] * 2)


def images_of(shapes):
    dtypes = st.sampled_from([np.uint8, np.uint8, np.float32, np.int64, np.bool_])
    return hnp.arrays(dtypes, shapes).map(lambda array: torch.from_numpy(np.asarray(array)))


@given(images_of(SHAPES))
@example(torch.arange(784).remainder(256).to(torch.uint8).view(1, 28, 28))
def test_pixels_are_right_or_an_error(images):
    if images.dtype == torch.uint8 and images.shape[1:] in [(28, 28), (784,)] and images.ndim > 1:
        pixels = to_pixels(images)
        assert pixels.shape == (len(images), 784)
        assert pixels.dtype == torch.float32
        np.testing.assert_allclose(pixels, images.numpy().reshape(-1, 784) / 255, rtol=1e-6)
    else:
        with pytest.raises(ValueError, match=r"uint8 .* 255|28, 28"):
            to_pixels(images)


@pytest.mark.parametrize("value", [-0.01, 1.01, 255.0, torch.nan, torch.inf])
def test_what_are_no_pixels_is_refused(value):
    check_pixels(torch.zeros(0, 784))
    check_pixels(torch.tensor([[0.0, 0.5, 1.0]]))
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        check_pixels(torch.tensor([[0.5, value]]))
    with pytest.raises(ValueError, match="must be floats"):
        check_pixels(torch.zeros(1, 784, dtype=torch.uint8))


def test_binarised_images_are_paper_and_ink_as_often_as_their_grey_says(mnist):
    images = mnist.train.images[:2000]
    drawn = binarise(images, seed=0)
    assert drawn.unique().tolist() == [0, 255]
    assert drawn.shape == images.shape
    assert drawn.dtype == torch.uint8
    grey = (images > 100) & (images < 156)
    mean_ink, mean_grey = drawn[grey].float().mean().item(), images[grey].float().mean().item()
    assert mean_ink == pytest.approx(mean_grey, rel=0.02)
    assert (drawn[images == 255] == 255).all()
    assert torch.equal(drawn, binarise(images, seed=0))
    assert not torch.equal(drawn, binarise(images, seed=1))
    with pytest.raises(ValueError, match="uint8"):
        binarise(images.float(), seed=0)


def slanted_bar(slant, shift):
    image = torch.zeros(28, 28, dtype=torch.uint8)
    for row in range(6, 22):
        column = round(14 + shift + slant * (row - 13.5))
        image[row, column - 1 : column + 2] = 255
    return image


def test_a_slanted_bar_becomes_upright_and_centred():
    images = torch.stack([slanted_bar(0.5, 2), slanted_bar(-0.4, -3), slanted_bar(0, 0)])
    upright = deskew(images).float()
    columns = torch.arange(28.0)
    centres = (upright @ columns) / upright.sum(dim=2)  # (N, 28): the ink's middle in each row
    for image_centres in centres:
        inked = image_centres[~image_centres.isnan()]
        assert inked[2:-2].std() < 0.35
        assert inked.mean() == pytest.approx(13.5, abs=0.2)


def test_deskewing_twice_changes_little(mnist):
    images = mnist.train.images[:200]
    once = deskew(images)
    twice = deskew(once).float()
    assert (once - twice).abs().mean() < (once.float() - images.float()).abs().mean() / 3


def test_blank_images_stay_blank():
    assert deskew(torch.zeros(2, 28, 28, dtype=torch.uint8)).sum() == 0


@given(images_of(SQUARES))
def test_deskewing_keeps_the_form_or_is_an_error(images):
    n, height, width = images.shape
    if images.dtype == torch.uint8 and height == width >= 2 and n > 0:
        upright = deskew(images)
        assert upright.shape == images.shape
        assert upright.dtype == torch.uint8
        assert torch.equal(upright, deskew(images, batch_size=1))
    else:
        with pytest.raises(ValueError, match=r"takes uint8 images|nothing to deskew"):
            deskew(images)


def test_what_cannot_be_deskewed_is_refused(small):
    for images in (small.test.images[0], small.test.images.flatten(1)):
        with pytest.raises(ValueError, match="takes uint8 images"):
            deskew(images)
    with pytest.raises(ValueError, match="0 at a time"):
        deskew(small.test.images, batch_size=0)
    with pytest.raises(ValueError, match="nothing to deskew"):
        deskewed(replace(small, test=small.test[:0]))


def test_a_deskewed_data_set_cannot_be_taken_for_the_original(small):
    other = deskewed(small)
    assert other.name == "MNIST-deskewed"
    assert other.classes == small.classes
    assert other.checksum not in (small.checksum, deskewed(other).checksum)
    for name in ("train", "validation", "test"):
        assert torch.equal(getattr(other, name).labels, getattr(small, name).labels)
        assert torch.equal(getattr(other, name).images, deskew(getattr(small, name).images))
