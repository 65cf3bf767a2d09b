import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

import vaelib
from vaelib import latent
from vaelib.latent import Posterior


@pytest.fixture
def posterior(small):
    return latent.encode(vaelib.MLP.build(), small.test.images)


@pytest.fixture
def groups():
    """Three round groups of 40 points, far apart, in ten dimensions."""
    generator = np.random.default_rng(0)
    centres = 20 * np.eye(3, 10)
    points = np.concatenate([c + generator.standard_normal((40, 10)) for c in centres])
    return points.astype(np.float32), torch.arange(3).repeat_interleave(40)


def test_encoding_agrees_with_the_model_and_not_with_the_batch_size(small, posterior):
    model = vaelib.MLP.build()
    mean, log_variance = model.encode(vaelib.to_pixels(small.test.images))
    np.testing.assert_allclose(posterior.mean, mean.detach().numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        posterior.log_variance, log_variance.detach().numpy(), rtol=1e-4, atol=1e-6
    )
    in_sevens = latent.encode(model, small.test.images, batch_size=7)
    np.testing.assert_allclose(in_sevens.mean, posterior.mean, rtol=1e-4, atol=1e-6)


def test_samples_have_the_posterior_s_moments():
    wide = Posterior(np.full((50_000, 2), 3, np.float32), np.full((50_000, 2), 1.0, np.float32))
    z = wide.sample(seed=0)
    assert z.dtype == np.float32
    assert z.mean() == pytest.approx(3, abs=0.02)
    assert z.std() == pytest.approx(np.exp(0.5), abs=0.02)
    assert np.array_equal(z, wide.sample(seed=0))
    assert not np.array_equal(z, wide.sample(seed=1))


def test_kl_per_latent_agrees_with_torch_distributions(posterior):
    q = Normal(torch.tensor(posterior.mean), torch.tensor(posterior.log_variance).mul(0.5).exp())
    expected = kl_divergence(q, Normal(0.0, 1.0)).mean(dim=0)
    np.testing.assert_allclose(posterior.kl_per_latent(), expected, rtol=1e-4, atol=1e-7)


def test_active_units_are_those_whose_mean_varies():
    mean = np.zeros((1000, 3), np.float32)
    mean[:, 1] = np.random.default_rng(0).standard_normal(1000)
    mean[:, 2] = 5  # far from zero, and constant
    active = latent.active_units(Posterior(mean, np.zeros_like(mean)))
    assert active.tolist() == [False, True, False]


def test_neighbours_of_separate_groups_always_agree(groups):
    assert latent.neighbour_accuracy(*groups) == 1


def test_neighbours_without_structure_agree_by_chance():
    points = np.random.default_rng(0).standard_normal((600, 5)).astype(np.float32)
    accuracy = latent.neighbour_accuracy(points, torch.arange(600) % 3)
    assert accuracy == pytest.approx(1 / 3, abs=0.08)


def test_a_point_does_not_vote_for_itself():
    points = np.array([[0.0], [0.1], [10.0], [10.1]], np.float32)
    assert latent.neighbour_accuracy(points, torch.tensor([0, 1, 0, 1]), neighbours=1) == 0


def test_tsne_keeps_groups_and_repeats_itself(groups):
    points, labels = groups
    start = latent.first_positions(len(points), seed=0)
    positions = latent.tsne(points, start, perplexity=10, iterations=400)
    assert positions.shape == (120, 2)
    assert latent.neighbour_accuracy(positions, labels) == 1
    assert latent.trustworthiness(points, positions) > 0.8
    again = latent.tsne(points, start.copy(), perplexity=10, iterations=400)
    assert np.array_equal(positions, again)


def test_tsne_refuses_what_does_not_fit(groups):
    points, _ = groups
    with pytest.raises(ValueError, match="one start a point"):
        latent.tsne(points, latent.first_positions(5, seed=0))
    with pytest.raises(ValueError, match="Perplexity 500"):
        latent.tsne(points, latent.first_positions(len(points), seed=0), perplexity=500)


def test_features_that_do_not_fit_are_refused(groups):
    points, labels = groups
    with pytest.raises(ValueError, match="labels"):
        latent.neighbour_accuracy(points, labels[:-1])
    with pytest.raises(ValueError, match="finite"):
        latent.neighbour_accuracy(np.where(points > 20, np.nan, points), labels)
    with pytest.raises(ValueError, match="neighbours"):
        latent.neighbour_accuracy(points, labels, neighbours=120)
    with pytest.raises(ValueError, match="no images"):
        latent.encode(vaelib.MLP.build(), torch.zeros(0, 28, 28, dtype=torch.uint8))
