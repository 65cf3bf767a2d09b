"""Images that are not MNIST's: it runs, and says that the result is not to be trusted.

Fashion-MNIST's archives are not in the repository, so garments are drawn here: filled shapes.
"""

from dataclasses import replace

import pytest
import torch

import vaelib
from vaelib.vae.out_of_distribution import Detector
from vaelib.vae.training import train_epochs


@pytest.fixture(scope="module")
def model(mnist):
    config = replace(vaelib.MLP, epochs=4, keep=(), batch_size=100)
    model = config.build()
    list(train_epochs(model, mnist.train.images[:10_000], mnist.validation.images[:9], config))
    return model


@pytest.fixture(scope="module")
def detect(model, mnist):
    return Detector(model, mnist.validation.images)


def garments(images):
    """Shirts with a grey weave, as Fashion-MNIST has: large filled shapes."""
    shirts = torch.zeros_like(images[:1])
    shirts[:, 4:25, 8:20] = shirts[:, 4:10, 2:26] = 120
    shirts[:, :, ::2] += shirts[:, :, ::2] // 2
    return shirts


def noise(images):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, images.shape, generator=generator, dtype=torch.uint8)


OTHERS = {
    "inverted": lambda images: 255 - images,
    "all black": torch.zeros_like,
    "all white": lambda images: torch.full_like(images, 255),
    "grey": lambda images: torch.full_like(images, 128),
    "noise": noise,
    "garments": garments,
}


@pytest.mark.parametrize("others", OTHERS.values(), ids=OTHERS)
def test_other_images_run_through_and_are_told(model, detect, mnist, others):
    images = others(mnist.test.images[:500])
    assert vaelib.encode(model, images).mean.isfinite().all()
    assert detect(images).tolist() == [True] * len(images)


def test_its_own_images_are_seldom_taken_for_others(detect, mnist):
    assert 0 < detect(mnist.test.images).float().mean() < 0.01


def test_one_other_image_among_its_own_is_pointed_at(detect, mnist):
    images = mnist.test.images[:10].clone()
    images[3] = 255 - images[3]
    assert detect(images).nonzero().ravel().tolist() == [3]


def test_weights_that_are_no_numbers_trust_nothing(mnist):
    model = vaelib.VAE(2, 3)
    torch.nn.init.constant_(model.decoder.output.bias, torch.nan)
    assert Detector(model, mnist.validation.images)(mnist.test.images[:5]).all()


def test_too_little_to_compare_is_an_error(model, detect, mnist):
    with pytest.raises(ValueError, match=r"At least 1,000 images in distribution"):
        Detector(model, mnist.validation.images[:999])
    with pytest.raises(ValueError, match="no images"):
        detect(mnist.test.images[:0])
