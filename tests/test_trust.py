"""Images that are not MNIST's: it runs, and says that the result is not to be trusted.

Fashion-MNIST's archives are not in the repository, so garments are drawn here: filled shapes.
"""

import numpy as np
import pytest
import torch

import vaelib
from vaelib import TrainingSettings, latent
from vaelib.vae import out_of_distribution


@pytest.fixture(scope="module")
def model(mnist):
    model = vaelib.MLP.build()
    settings = TrainingSettings(epochs=4, batch_size=100)
    vaelib.train(model, mnist.train.images[:10_000], mnist.validation.images[:100], settings)
    return model


def garments():
    """Trousers, a shirt, a bag: large filled shapes with a grey weave, as Fashion-MNIST has."""
    images = torch.zeros(3, 28, 28, dtype=torch.uint8)
    weave = (120 + 60 * (torch.arange(28) % 2)).to(torch.uint8)
    images[0, 2:26, 8:13] = images[0, 2:26, 15:20] = weave[0]
    images[0, 2:8, 8:20] = 190
    images[1, 4:25, 8:20] = weave[8:20]
    images[1, 4:10, 2:26] = weave[2:26]
    images[2, 10:26, 3:25] = 210
    images[2, 4:6, 9:19] = 90
    return images


def foreign(test):
    generator = torch.Generator().manual_seed(0)
    shuffled = test.reshape(-1, 784)[:, torch.randperm(784, generator=generator)]
    return {
        "inverted": 255 - test,
        "all black": torch.zeros_like(test),
        "all white": torch.full_like(test, 255),
        "grey": torch.full_like(test, 128),
        "noise": torch.randint(0, 256, test.shape, generator=generator, dtype=torch.uint8),
        "garments": garments(),
        "shuffled pixels": shuffled.view(-1, 28, 28),
    }


@pytest.mark.parametrize("kind", foreign(torch.zeros(1, 28, 28, dtype=torch.uint8)))
def test_foreign_images_run_through_and_are_told(model, mnist, kind):
    images = foreign(mnist.test.images[:500])[kind]
    assert np.isfinite(latent.encode(model, images).mean).all()
    result = out_of_distribution.compare_with_known(model, mnist.validation.images, images)
    share = result.outside.float().mean().item()
    assert share >= (0.75 if kind == "shuffled pixels" else 1)
    assert f"{int(result.outside.sum())} of {len(images)} images are unlike" in str(result)
    assert "Do not trust" in str(result)


def test_known_images_are_seldom_taken_for_foreign(model, mnist):
    result = out_of_distribution.compare_with_known(
        model, mnist.validation.images, mnist.test.images
    )
    assert 0 < result.outside.float().mean() < 0.01
    likely = mnist.test.images[~result.outside]
    again = out_of_distribution.compare_with_known(model, mnist.validation.images, likely[:1])
    assert "All 1 images are within" in str(again)


def test_one_foreign_image_among_known_ones_is_pointed_at(model, mnist):
    images = mnist.test.images[:10].clone()
    images[3] = 255 - images[3]
    result = out_of_distribution.compare_with_known(model, mnist.validation.images, images)
    assert result.outside.nonzero().ravel().tolist() == [3]
    assert result.terms.reconstruction[3] < result.limits[0][0]


def test_weights_that_are_no_numbers_trust_nothing(mnist):
    model = vaelib.VAE(2, 3)
    torch.nn.init.constant_(model.decoder.output.bias, torch.nan)
    result = out_of_distribution.compare_with_known(
        model, mnist.validation.images, mnist.test.images[:5]
    )
    assert result.outside.all()


def test_too_little_to_compare_is_an_error(model, mnist):
    for known, new in [(999, 1), (1000, 0)]:
        with pytest.raises(ValueError, match="1,000 known images and one other"):
            out_of_distribution.compare_with_known(
                model, mnist.validation.images[:known], mnist.test.images[:new]
            )
