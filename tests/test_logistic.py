from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

from vaelib.logistic import LinearClassifier, fit_logistic_regression


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
    """At a point of no account, where nothing cancels."""
    features, labels = groups
    asked = {}

    def minimize(function, start, **_):
        asked["function"] = function
        return SimpleNamespace(x=start)

    monkeypatch.setattr("scipy.optimize.minimize", minimize)
    fit_logistic_regression(features, labels, inverse_strength=0.05)
    parameters = torch.randn(4, 7, generator=torch.Generator().manual_seed(0)).double()
    loss, slope = asked["function"](parameters.numpy().ravel())
    weight, bias = (part.clone().requires_grad_() for part in parameters.split([6, 1], dim=1))
    logits = torch.from_numpy(features).double() @ weight.T + bias.T
    expected = F.cross_entropy(logits, labels) + weight.square().sum() / (2 * 0.05 * 800)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    exact = torch.cat([weight.grad, bias.grad], dim=1).numpy().ravel()
    np.testing.assert_allclose(slope, exact, rtol=1e-4, atol=1e-5)


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
