import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from vaelib.classifier import linear
from vaelib.classifier.linear import DescentSettings
from vaelib.classifier.logistic import fit_logistic_regression
from vaelib.latent import Posterior


@pytest.fixture
def groups():
    """Four overlapping groups of 200 points in six dimensions, with a narrow posterior each."""
    generator = np.random.default_rng(0)
    labels = torch.arange(4).repeat(200)
    mean = 2 * np.eye(4, 6)[labels] + generator.standard_normal((800, 6))
    mean = mean.astype(np.float32)
    return Posterior(mean, np.full_like(mean, -2)), labels


def descend(groups, **settings):
    posterior, labels = groups
    return linear.descend(posterior, labels, posterior, labels, DescentSettings(**settings))


def test_converged_descent_reaches_the_optimum(groups):
    posterior, labels = groups
    ours = descend(groups, epochs=300, learning_rate=0.5, decay=True, sampled=False)
    optimum = LogisticRegression(C=1e6, max_iter=1000).fit(posterior.mean, labels)
    log_probabilities = optimum.predict_log_proba(posterior.mean)
    best = -log_probabilities[np.arange(800), labels].mean()
    assert best <= ours.training_loss[-1] < best + 0.003


def test_recorded_loss_is_the_cross_entropy_of_the_final_layer(groups):
    posterior, labels = groups
    ours = descend(groups, epochs=3, learning_rate=0.1, sampled=False)
    probabilities = ours.probabilities(posterior.mean)
    expected = -np.log(probabilities[np.arange(800), labels]).mean()
    assert ours.training_loss[-1] == pytest.approx(expected, rel=1e-5)
    assert ours.validation_loss[-1] == pytest.approx(expected, rel=1e-5)
    assert len(ours.training_loss) == 3


def test_sampled_training_is_noisier_than_training_on_the_mean(groups):
    sampled = descend(groups, epochs=100, learning_rate=0.5, decay=True, sampled=True)
    on_mean = descend(groups, epochs=100, learning_rate=0.5, decay=True, sampled=False)
    assert sampled.training_loss[-1] > on_mean.training_loss[-1]
    assert np.ptp(np.diff(sampled.training_loss[-20:])) > np.ptp(
        np.diff(on_mean.training_loss[-20:])
    )


def test_prediction_is_the_most_probable_class(groups):
    ours = descend(groups, epochs=2, learning_rate=0.1)
    probabilities = ours.probabilities(groups[0].mean)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert np.array_equal(ours.predict(groups[0].mean), probabilities.argmax(axis=1))


def test_same_seed_gives_the_same_classifier(groups):
    first, again = (descend(groups, epochs=2, learning_rate=0.1, seed=4) for _ in range(2))
    other = descend(groups, epochs=2, learning_rate=0.1, seed=5)
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)


def test_kernel_features_reproduce_the_kernel_and_bend_straight_lines():
    generator = np.random.default_rng(0)
    points = generator.standard_normal((400, 2)).astype(np.float32)
    inside = torch.from_numpy(np.linalg.norm(points, axis=1) < 1).long()
    (features,) = linear.kernel_features(points, components=400, width=0.5)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.testing.assert_allclose(features @ features.T, np.exp(-0.5 * distances**2), atol=0.01)
    straight = fit_logistic_regression(points, inside)
    curved = fit_logistic_regression(features, inside, 100)
    assert straight.score(points, inside) < 0.75
    assert curved.score(features, inside) > 0.95
    with pytest.raises(ValueError, match="components"):
        linear.kernel_features(points[:10], components=11)


def test_labels_that_do_not_fit_are_refused(groups):
    posterior, labels = groups
    with pytest.raises(ValueError, match="one label"):
        descend((posterior, labels[:-1]), epochs=1, learning_rate=0.1)
    with pytest.raises(ValueError, match="two classes"):
        descend((posterior, torch.zeros(800, dtype=torch.int64)), epochs=1, learning_rate=0.1)


def test_one_step_is_the_gradient_step_of_the_cross_entropy(groups):
    posterior, labels = groups
    features = torch.from_numpy(posterior.mean[:32])
    weight = torch.randn(4, 6, requires_grad=True)
    bias = torch.randn(4, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(features @ weight.T + bias, labels[:32])
    gradients = torch.autograd.grad(loss, (weight, bias))
    stepped = weight.detach().clone(), bias.detach().clone()
    truth = torch.nn.functional.one_hot(labels[:32]).float()
    linear._descend_once(*stepped, features, truth, rate=0.3)
    for after, before, gradient in zip(stepped, (weight, bias), gradients, strict=True):
        torch.testing.assert_close(after, before.detach() - 0.3 * gradient)
