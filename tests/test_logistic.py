from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

from vaelib.classifier.logistic import (
    SPREAD,
    LinearClassifier,
    _even_scale,
    fit_logistic_regression,
)


@pytest.fixture(scope="module")
def groups():
    """Four overlapping groups of 200 points in six dimensions of unequal scale."""
    generator = np.random.default_rng(0)
    labels = torch.arange(4).repeat(200)
    points = 2 * np.eye(4, 6)[labels] + generator.standard_normal((800, 6))
    return (points * [1, 1, 1, 5, 1, 0.2]).astype(np.float32), labels


@pytest.mark.parametrize("strength", [0.01, 0.5, 100.0])
def test_the_optimum_is_scikit_learn_s(groups, strength):
    features, labels = groups
    ours = fit_logistic_regression(features, labels, strength)
    theirs = LogisticRegression(C=strength, tol=1e-8, max_iter=10_000).fit(features, labels)
    np.testing.assert_allclose(
        ours.probabilities(features), theirs.predict_proba(features), atol=0.01
    )
    assert ours.score(features, labels) == pytest.approx(theirs.score(features, labels), abs=0.003)


def test_the_gradient_of_the_penalised_likelihood_is_zero(groups):
    features, labels = groups
    model = fit_logistic_regression(features, labels, inverse_strength=0.5)
    residual = model.probabilities(features) - np.eye(4)[labels]  # (N, C)
    gradient = residual.T @ features + model.weight.numpy() / 0.5  # (C, D)
    assert np.abs(gradient).max() / len(labels) < 2e-4
    assert np.abs(residual.mean(axis=0)).max() < 2e-4


def test_the_loss_and_its_slope_are_autograd_s(groups, monkeypatch):
    """At a point of no account, where nothing cancels, and in blocks of unequal size."""
    features, labels = groups
    generator = torch.Generator().manual_seed(0)
    scale = torch.randn(7, 7, generator=generator)
    asked = {}

    def minimize(function, start, **_):
        asked["function"] = function
        return SimpleNamespace(x=start)

    monkeypatch.setattr("scipy.optimize.minimize", minimize)
    monkeypatch.setattr("vaelib.classifier.logistic._even_scale", lambda *_: scale)
    monkeypatch.setattr("vaelib.classifier.logistic.BLOCK", 6 * 300)
    fit_logistic_regression(features, labels, inverse_strength=0.05)
    even = torch.randn(4, 7, generator=generator).double().requires_grad_()
    loss, slope = asked["function"](even.detach().numpy().ravel())
    weight, bias = (even @ scale.double()).split([6, 1], dim=1)
    logits = torch.from_numpy(features).double() @ weight.T + bias.T
    expected = F.cross_entropy(logits, labels) + weight.square().sum() / (2 * 0.05 * 800)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    np.testing.assert_allclose(slope, even.grad.numpy().ravel(), rtol=1e-4, atol=1e-4)


def test_even_coordinates_are_curved_evenly(groups):
    """The curvature, as the chain rule takes it to them, is the identity."""
    features, _ = groups
    rows = np.hstack([features, np.ones((800, 1))]).astype(np.float64)
    curvature = SPREAD * rows.T @ rows / 800 + np.diag([0.3] * 6 + [0])
    scale = _even_scale(torch.from_numpy(features).split(300), ridge=0.3).double().numpy()
    np.testing.assert_allclose(scale @ curvature @ scale.T, np.eye(7), atol=1e-4)


def test_features_that_repeat_each_other_have_an_optimum_too(groups):
    """Then the curvature has no root but for the ridge, which may be next to nothing."""
    features, labels = groups
    twice = np.hstack([features, features, np.zeros_like(features)])
    once = fit_logistic_regression(features, labels, 1e8)
    both = fit_logistic_regression(twice, labels, 1e8)
    np.testing.assert_allclose(both.probabilities(twice), once.probabilities(features), atol=1e-3)


def test_the_ridge_is_0_1_unless_given(groups):
    features, labels = groups
    unsaid, said = fit_logistic_regression(*groups), fit_logistic_regression(features, labels, 0.1)
    assert torch.equal(unsaid.weight, said.weight)


def test_features_of_float64_give_the_same(groups):
    features, labels = groups
    single, double = (
        fit_logistic_regression(features.astype(kind), labels) for kind in (np.float32, np.float64)
    )
    assert torch.equal(single.weight, double.weight)


def test_features_are_left_as_they_are(groups):
    features, labels = groups
    before = features.copy()
    fit_logistic_regression(features, labels)
    np.testing.assert_array_equal(features, before)


def test_scores_follow_from_the_layer():
    layer = LinearClassifier(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0.0, -1.0]))
    features = torch.tensor([[3.0, 1.0], [0.0, 4.0]])
    torch.testing.assert_close(layer.logits(features), torch.tensor([[3.0, 1.0], [0.0, 7.0]]))
    assert layer.predict(features).tolist() == [0, 1]
    assert layer.score(features, torch.tensor([0, 0])) == 0.5
    expected = (np.log1p(np.exp(-2)) + np.log1p(np.exp(-7))) / 2
    assert layer.cross_entropy(features, torch.tensor([0, 1])) == pytest.approx(expected, rel=1e-5)


def test_requests_that_do_not_fit_are_refused(groups):
    features, labels = groups
    with pytest.raises(ValueError, match="labels"):
        fit_logistic_regression(features, labels[:-1])
    with pytest.raises(ValueError, match="whole numbers from 0"):
        fit_logistic_regression(features, labels - 1)
    with pytest.raises(ValueError, match="two classes"):
        fit_logistic_regression(features, torch.zeros_like(labels))
    with pytest.raises(ValueError, match="positive"):
        fit_logistic_regression(features, labels, inverse_strength=0.0)
    with pytest.raises(ValueError, match="finite"):
        fit_logistic_regression(np.full_like(features, np.nan), labels)


def test_two_classes_are_enough():
    features = np.array([[-2.0], [-1.0], [1.0], [2.0]], dtype=np.float32)
    labels = torch.tensor([0, 0, 1, 1])
    assert fit_logistic_regression(features, labels).score(features, labels) == 1
