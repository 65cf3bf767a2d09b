import pytest
import torch

from vaelib.data.images import deskew, deskewed


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
    once = deskew(mnist.train.images[:200]).float()
    twice = deskew(once.to(torch.uint8)).float()
    assert (once - twice).abs().mean() < (once - mnist.train.images[:200].float()).abs().mean() / 3


def test_blank_images_stay_blank():
    assert deskew(torch.zeros(2, 28, 28, dtype=torch.uint8)).sum() == 0


def test_a_deskewed_data_set_cannot_be_taken_for_the_original(small):
    other = deskewed(small)
    assert other.name == "MNIST-deskewed"
    assert other.checksum != small.checksum
    assert torch.equal(other.train.labels, small.train.labels)
    assert not torch.equal(other.train.images, small.train.images)


def test_other_types_and_shapes_are_refused():
    for images in (torch.rand(2, 28, 28), torch.zeros(2, 784, dtype=torch.uint8)):
        with pytest.raises(ValueError, match="uint8 images"):
            deskew(images)
