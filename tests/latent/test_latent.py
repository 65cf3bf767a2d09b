"""The latent of many images, and its embedding in the plane."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from sklearn.manifold import TSNE
from sklearn.neighbors import KNeighborsClassifier
from torch.distributions import Normal

import vaelib
from vaelib import latent


@pytest.fixture(scope="module")
def groups():
    """Three round groups of 40 points, far apart, in ten dimensions."""
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    return 20 * np.eye(3, 10)[labels] + generator.standard_normal((120, 10)), labels


@pytest.fixture(scope="module")
def embedding(groups):
    return TSNE(init="random", perplexity=10, max_iter=300, random_state=0).fit_transform(groups[0])


@pytest.mark.parametrize("batch_size", [1000, 7])
def test_encoding_is_the_model_s_posterior_on_the_cpu(small, batch_size):
    model = vaelib.MLP.build()
    posterior = vaelib.encode(model, small.test.images, batch_size)
    mean, log_variance = model.encode(vaelib.to_pixels(small.test.images))
    torch.testing.assert_close(posterior.mean, mean.detach(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(posterior.variance, log_variance.exp().detach())
    assert posterior.mean.dtype == posterior.stddev.dtype == torch.float32
    assert not posterior.mean.requires_grad


@pytest.mark.parametrize(
    "images", [torch.zeros(0, 28, 28, dtype=torch.uint8), torch.zeros(3, 28, 28), torch.ones(3, 5)]
)
def test_what_is_no_images_is_not_encoded(images):
    with pytest.raises(ValueError, match=r"no images|uint8"):
        vaelib.encode(vaelib.VAE(2, 3), images)


def test_active_units_are_those_whose_mean_varies():
    mean = torch.zeros(1000, 4)
    mean[:, 1] = torch.linspace(-1, 1, 1000)
    mean[:, 2] = 5  # far from zero, and constant
    mean[:, 3] = 0.15 * mean[:, 1]  # of variance 0.0075: less than the usual threshold
    active = latent.active_units(Normal(mean, torch.ones(1000, 4)))
    assert active.tolist() == [False, True, False, False]


def test_embeddings_of_epochs_follow_one_another(groups, embedding):
    """The last epoch is the first turned, which no neighbourhood and no embedding shows."""
    points, labels = groups
    turned = points @ np.linalg.qr(np.random.default_rng(0).standard_normal((10, 10)))[0]
    found = latent.epoch_embeddings({1: points, 31: turned}, embedding)
    assert list(found) == [1, 31]
    for each in found.values():
        assert KNeighborsClassifier(5).fit(each, labels).score(None, labels) == 1
    for before, after in [(embedding, found[1]), (found[1], found[31])]:
        assert np.abs(after - before).mean() < 0.35 * before.std()
        np.testing.assert_allclose(latent.procrustes(after, before), after, atol=1e-3)


@pytest.mark.parametrize("mirrored", [1, -1])
def test_procrustes_moves_turns_and_mirrors_but_changes_no_distance(mirrored):
    generator = np.random.default_rng(0)
    target = generator.standard_normal((50, 2)).astype(np.float32) + 7
    turn = np.array([[0.6, 0.8], [-0.8, 0.6]]) * [1, mirrored]
    moved = (target @ turn - 3).astype(np.float32)
    found = latent.procrustes(moved, target)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, target, atol=1e-5)
    noisy = moved + generator.standard_normal((50, 2)).astype(np.float32)
    np.testing.assert_allclose(pdist(latent.procrustes(noisy, target)), pdist(noisy), rtol=1e-4)
