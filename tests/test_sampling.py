import numpy as np
import pytest
import torch

from vaelib.classifier import sampling
from vaelib.classifier.logistic import LinearClassifier, fit_logistic_regression
from vaelib.classifier.sampling import Views
from vaelib.latent import Posterior


@pytest.fixture(scope="module")
def groups():
    """Three overlapping groups in two dimensions, of which the encoder is unsure of the second."""
    generator = np.random.default_rng(0)
    labels = torch.arange(3).repeat(300)
    centres = np.array([[0, 0], [3, 0], [0, 3]])
    mean = centres[labels] + generator.standard_normal((900, 2))
    log_variance = np.log([[0.01, 1.0]]) * np.ones((900, 1))
    return Posterior(mean.astype(np.float32), log_variance.astype(np.float32)), labels


@pytest.mark.parametrize("sigma", [0.05, 0.2])
def test_penalty_is_the_measured_cost_of_small_noise(groups, sigma):
    posterior, labels = groups
    narrow = Posterior(posterior.mean, np.full_like(posterior.mean, 2 * np.log(sigma)))
    classifier = sampling.fit(posterior, labels, "mean", 1.0, 1)
    measured = sampling.noise_cost(classifier, narrow, labels, range(400))
    assert sampling.noise_penalty(classifier, narrow) == pytest.approx(measured, rel=0.1)


def test_penalty_by_hand():
    classifier = LinearClassifier(torch.tensor([[2.0], [0.0]]), torch.zeros(2))
    posterior = Posterior(np.zeros((1, 1), np.float32), np.log([[0.25]]).astype(np.float32))
    # p = (½, ½): Σ p w² − (Σ p w)² = 2 − 1 = 1, times σ² / 2
    penalty = sampling.noise_penalty(classifier, posterior)
    assert penalty == pytest.approx(0.125)
    assert isinstance(penalty, float)


def test_fresh_samples_shrink_the_weights_the_encoder_is_unsure_of(groups):
    posterior, labels = groups
    on_mean = sampling.fit(posterior, labels, "mean", 1e4, 1)
    on_fresh = sampling.fit(posterior, labels, "fresh samples", 1e4, 30)
    shrinkage = on_fresh.weight.norm(dim=0) / on_mean.weight.norm(dim=0)
    assert shrinkage[1] < 0.7
    assert shrinkage[0] > shrinkage[1] + 0.1


def test_fresh_samples_without_noise_are_the_mean(groups):
    posterior, labels = groups
    certain = Posterior(posterior.mean, np.full_like(posterior.mean, -60))
    on_mean = sampling.fit(certain, labels, "mean", 1.0, 1)
    on_fresh = sampling.fit(certain, labels, "fresh samples", 1.0, 5)
    torch.testing.assert_close(on_fresh.weight, on_mean.weight, atol=0.01, rtol=0.01)


@pytest.mark.parametrize(("way", "draws"), [("one frozen sample", 1), ("fresh samples", 3)])
def test_samples_share_the_ridge_and_come_from_their_seeds(groups, way, draws):
    posterior, labels = groups
    fitted = sampling.fit(posterior, labels, way, 0.5, n_samples=3)
    rows = np.concatenate([posterior.sample(seed) for seed in (0, 1000, 2000)[:draws]])
    expected = fit_logistic_regression(rows, torch.cat([labels] * draws), 0.5 / draws)
    assert torch.equal(fitted.weight, expected.weight)
    assert torch.equal(fitted.bias, expected.bias)


def test_scores_in_three_ways(groups):
    posterior, labels = groups
    classifier = sampling.fit(posterior, labels, "mean", 1.0, 1)
    views = Views(posterior, labels, n_samples=100)
    on_mean, on_one, on_average = (views.score(classifier, way) for way in sampling.SCORED_ON)
    assert on_mean == classifier.score(posterior.mean, labels)
    assert on_one == classifier.score(posterior.sample(seed=1), labels)
    assert on_one < on_average
    assert on_average == pytest.approx(on_mean, abs=0.03)


def test_comparison_holds_every_pair_and_draw(groups):
    posterior, labels = groups
    views = Views(posterior, labels, n_samples=3)
    results = sampling.compare(posterior, labels, views, views, budget=30, draws=2, n_samples=3)
    assert list(results) == [(a, b) for a in sampling.TRAINED_ON for b in sampling.SCORED_ON]
    assert all(len(accuracies) == 2 for accuracies in results.values())
    with pytest.raises(ValueError, match="one label"):
        Views(posterior, labels[:-1])
