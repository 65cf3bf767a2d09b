"""Properties of the public functions: bad input is a clear error, good input keeps its invariants.

Hypothesis draws the input. An input's validity is decided here, by its definition, and not by
the library: where it is valid the function must answer, and rightly; where it is not, it must
say so in an error of the library's own kind.
"""

import inspect
import math
from dataclasses import replace

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Normal, kl_divergence

import vaelib
from vaelib import (
    DataError,
    Dataset,
    Recipe,
    Run,
    RunError,
    Split,
    TrainingError,
    TrainingSettings,
    latent,
)
from vaelib._machine import archives, devices, memory
from vaelib.classifier import few_labels, graph, linear, logistic, networks, sampling
from vaelib.classifier.linear import DescentSettings
from vaelib.classifier.networks import ConvClassifier
from vaelib.data import folders, image_files, images, mnist, splits
from vaelib.data.image_files import centre
from vaelib.data.images import deskew
from vaelib.latent import Posterior
from vaelib.vae import (
    backpropagation,
    checkpoints,
    models,
    objective,
    out_of_distribution,
    training,
)

ERRORS = (ValueError, DataError, RunError, TrainingError)

FLOATS = (np.float32, np.float64)
DTYPES = st.sampled_from([*FLOATS, np.uint8, np.int64, np.bool_])
SHAPES = st.one_of(
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
)


def values(dtype):
    if np.issubdtype(dtype, np.floating):
        some = st.one_of(
            st.floats(-30, 30, width=32), st.floats(0, 1, width=32), st.sampled_from([0, 1])
        )
        return st.one_of(some, some, st.sampled_from([math.nan, math.inf, -math.inf]))
    return None


@st.composite
def tensors(draw, shapes=SHAPES, dtypes=DTYPES):
    dtype = draw(dtypes)
    return torch.from_numpy(
        np.asarray(draw(hnp.arrays(dtype, draw(shapes), elements=values(dtype))))
    )


@st.composite
def pairs(draw):
    """Two tensors, most of them of one shape and type."""
    first = draw(tensors())
    if draw(st.integers(0, 3)) == 0:
        return first, draw(tensors())
    shape, dtype = tuple(first.shape), first.numpy().dtype
    return first, draw(tensors(st.just(shape), st.just(dtype)))


def outcome(function, *arguments, **options):
    """Return the result and no error, or no result and an error, which must be one of ours."""
    try:
        return function(*arguments, **options), None
    except ERRORS as error:
        assert len(str(error)) > 25, "an error is a sentence"
        return None, error


def matrices(*arguments):
    return all(a.ndim == 2 and a.shape == arguments[0].shape for a in arguments) and all(
        a.is_floating_point() for a in arguments
    )


# --- the objective -------------------------------------------------------------------------------


@given(pairs())
@example((torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.int64)))
@example((torch.zeros(2, 2, dtype=torch.int64), torch.zeros(2, 2)))
def test_kl_is_right_or_an_error(pair):
    mean, log_variance = pair
    result, error = outcome(vaelib.gaussian_kl, mean, log_variance)
    assert (error is None) == matrices(mean, log_variance)
    if error:
        return
    assert result.shape == mean.shape[:1]
    fine = (mean.isfinite() & log_variance.isfinite()).all(dim=1)
    assert not result[~fine].isfinite().any()
    q = Normal(mean[fine].double(), log_variance[fine].double().mul(0.5).exp())
    expected = kl_divergence(q, Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(result[fine].double(), expected, rtol=1e-4, atol=1e-4)
    assert (result[fine] > -1e-5).all()
    per_latent = objective.gaussian_kl_per_latent(mean, log_variance)
    torch.testing.assert_close(per_latent.sum(dim=1), result, equal_nan=True)


@given(st.floats(-5, 5), st.floats(-5, 5))
@example(0, 0)
def test_kl_is_zero_at_the_prior_and_only_there(mean, log_variance):
    mean, log_variance = (torch.tensor([[v]], dtype=torch.float64) for v in (mean, log_variance))
    kl = vaelib.gaussian_kl(mean, log_variance).item()
    distance = max(abs(mean.item()), abs(log_variance.item()))
    assert kl >= -1e-15
    if distance == 0:
        assert kl == 0
    if distance > 1e-6:
        assert kl > 0


@given(pairs())
def test_likelihood_is_right_or_an_error(pair):
    logits, pixels = pair
    inside = pixels.is_floating_point() and bool(((pixels >= 0) & (pixels <= 1)).all())
    result, error = outcome(vaelib.bernoulli_log_likelihood, logits, pixels)
    assert (error is None) == (matrices(logits, pixels) and inside)
    if error:
        return
    fine = logits.isfinite().all(dim=1)
    assert not (result[~fine] > 0).any()
    ink = Bernoulli(logits=logits[fine].double())
    grey = pixels[fine].double()
    expected = grey * ink.log_prob(torch.ones_like(grey))
    expected += (1 - grey) * ink.log_prob(torch.zeros_like(grey))
    torch.testing.assert_close(result[fine].double(), expected.sum(dim=1), rtol=1e-4, atol=1e-4)
    assert (result[fine] <= 0).all()


@given(pairs())
def test_sample_is_the_mean_plus_the_scaled_noise_or_an_error(pair):
    mean, log_variance = pair
    noise = torch.ones(mean.shape, dtype=mean.dtype)
    result, error = outcome(vaelib.sample_latent, mean, log_variance, noise=noise)
    assert (error is None) == matrices(mean, log_variance)
    if error is None:
        expected = mean.double() + log_variance.double().exp().sqrt()
        torch.testing.assert_close(result.double(), expected, rtol=1e-4, atol=1e-4, equal_nan=True)
    drawn, error = outcome(vaelib.sample_latent, mean, log_variance, torch.Generator())
    assert error or drawn.shape == mean.shape


@given(tensors(), st.integers(-2, 6))
def test_importance_bound_rises_from_the_elbo_or_is_an_error(weights, k):
    result, error = outcome(objective.importance_weighted_bound, weights, k)
    valid = weights.ndim == 2 and weights.is_floating_point() and 1 <= k <= weights.shape[-1]
    assert (error is None) == valid
    if error or not weights.isfinite().all():
        return
    n = weights.shape[1] // k * k
    elbo = objective.importance_weighted_bound(weights[:, :n], 1)
    most = objective.importance_weighted_bound(weights[:, :n], n)
    assert (elbo <= result + 1e-4).all()
    assert (result <= most + 1e-4).all()
    assert (most <= weights[:, :n].amax(dim=1) + 1e-4).all()


class Linear(torch.nn.Module):
    """Two latents and three pixels."""

    latent_size = 2

    def __init__(self, seed):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.nn.Parameter(torch.randn(2, 3, generator=generator))

    def encode(self, pixels):
        return pixels @ self.weight.T, pixels @ self.weight.T - 1

    def decode(self, z):
        return z @ self.weight


@given(
    st.integers(0, 2**32), tensors(st.tuples(st.integers(1, 4), st.just(3)), st.just(np.float32))
)
def test_elbo_is_below_the_importance_bound_in_expectation(seed, pixels):
    model = Linear(seed)
    binary = bool(((pixels == 0) | (pixels == 1)).all())
    generator = torch.Generator().manual_seed(seed)
    weights, error = outcome(objective.log_importance_weights, model, pixels, 2000, generator)
    assert (error is None) == binary
    if error:
        return
    many = pixels.repeat(2000, 1)
    elbo = objective.elbo_terms(model, many, generator).elbo.view(2000, -1)  # (draws, B)
    bound = objective.importance_weighted_bound(weights, 2000)
    noise = 5 * (elbo.std(dim=0) + 0.1) / 2000**0.5
    assert (elbo.mean(dim=0) <= bound + noise).all()


@given(st.integers(-3, 3), st.integers(-3, 3))
def test_counts_of_importance_draws_are_checked(n_samples, chunk):
    result, error = outcome(
        objective.log_importance_weights, Linear(0), torch.ones(2, 3), n_samples, chunk=chunk
    )
    assert (error is None) == (n_samples > 0 and chunk > 0)
    assert error or result.shape == (2, n_samples)


# --- data ----------------------------------------------------------------------------------------

IMAGE_SHAPES = st.one_of(
    SHAPES, st.sampled_from([(0, 28, 28), (2, 28, 28), (3, 784), (2, 28, 29), (2, 1, 28, 28)])
)


@given(tensors(IMAGE_SHAPES))
def test_pixels_are_right_or_an_error(images):
    result, error = outcome(vaelib.to_pixels, images)
    shaped = images.ndim > 1 and tuple(images.shape[1:]) in [(28, 28), (784,)]
    assert (error is None) == (images.dtype == torch.uint8 and shaped)
    if error is None:
        assert result.shape == (len(images), 784)
        np.testing.assert_allclose(result.numpy(), images.numpy().reshape(-1, 784) / 255, rtol=1e-6)


LABELS = st.lists(st.integers(0, 4), max_size=40).map(lambda v: torch.tensor(v, dtype=torch.int64))


@given(LABELS, st.integers(-5, 45), st.integers(0, 2**63))
def test_budget_is_balanced_unique_and_repeatable_or_an_error(labels, budget, seed):
    chosen, error = outcome(vaelib.balanced_subset, labels, budget, seed)
    counts = labels.unique(return_counts=True)[1]
    everything = 0 < budget == len(labels)
    even = len(labels) > 0 and budget > 0 and budget % len(counts) == 0
    valid = everything or (even and budget // len(counts) <= counts.min())
    assert (error is None) == valid
    if error:
        return
    assert len(chosen) == len(chosen.unique()) == budget
    if not everything:
        drawn = labels[chosen].unique(return_counts=True)[1]
        assert drawn.tolist() == [budget // len(counts)] * len(counts)
    assert torch.equal(chosen, vaelib.balanced_subset(labels, budget, seed))


@given(st.text())
def test_unknown_data_sets_are_refused(name):
    assume(name not in mnist.NAMES)
    assert outcome(vaelib.load, name)[1]


@given(st.integers(0, 3), st.integers(0, 3))
def test_a_split_has_a_label_for_each_image(n_images, n_labels):
    _, error = outcome(Split, torch.zeros(n_images, 28, 28), torch.zeros(n_labels))
    assert (error is None) == (n_images == n_labels)


@given(tensors(st.tuples(st.integers(0, 3), *[st.sampled_from([0, 1, 2, 5, 28])] * 2)))
def test_deskewing_keeps_the_form_and_the_ink_or_is_an_error(images):
    result, error = outcome(deskew, images)
    square = images.shape[1] == images.shape[2] >= 2 and len(images) > 0
    assert (error is None) == (images.dtype == torch.uint8 and square)
    if error is None:
        assert result.shape == images.shape
        assert result.dtype == torch.uint8
        assert torch.equal(result, deskew(images, chunk=1))


# --- networks and training -----------------------------------------------------------------------


@given(st.integers(-2, 4), st.integers(-2, 4))
def test_layers_have_units(latent_size, hidden_size):
    _, error = outcome(vaelib.VAE, latent_size, hidden_size)
    assert (error is None) == (latent_size > 0 and hidden_size > 0)


@given(tensors(st.one_of(SHAPES, st.sampled_from([(0, 784), (2, 784), (784,)])), DTYPES))
def test_encoder_takes_pixels_and_nothing_else(pixels):
    pixels = pixels.float() if pixels.dtype == torch.float64 else pixels
    inside = bool(((pixels >= 0) & (pixels <= 1)).all())
    for function in (vaelib.VAE(2, 3).encode, lambda p: vaelib.elbo_terms(vaelib.VAE(2, 3), p)):
        result, error = outcome(function, pixels)
        valid = pixels.is_floating_point() and pixels.ndim == 2 and pixels.shape[1] == 784
        assert (error is None) == (valid and inside)
        assert error or all(part.isfinite().all() for part in result)


@given(
    st.one_of(st.integers(-2, 5), st.floats(-2, 5)),
    st.one_of(st.integers(-2, 5), st.floats(-2, 5)),
    st.floats(),
    st.lists(st.integers(-1, 6), max_size=2),
)
def test_impossible_training_settings_are_refused(epochs, batch_size, rate, snapshots):
    _, error = outcome(
        TrainingSettings, epochs, batch_size, peak_learning_rate=rate, snapshots=tuple(snapshots)
    )
    whole = isinstance(epochs, int) and isinstance(batch_size, int)
    valid = whole and epochs > 0 and batch_size > 0 and 0 < rate < math.inf
    assert (error is None) == (valid and all(1 <= epoch <= epochs for epoch in snapshots))


# --- the latent ----------------------------------------------------------------------------------


@given(pairs())
def test_posterior_s_statistics_are_right_or_an_error(pair):
    if any(part.dtype != torch.float32 for part in pair):
        return  # a posterior is float32
    posterior = Posterior(*(part.numpy() for part in pair))
    finite = all(bool(part.isfinite().all()) for part in pair)
    valid = matrices(*pair) and pair[0].numel() > 0 and finite
    for function in (
        Posterior.kl_per_latent,
        latent.variance_of_means,
        latent.active_units,
        lambda p: p.sample(seed=0),
    ):
        result, error = outcome(function, posterior)
        assert (error is None) == valid
        assert error or np.isfinite(result).all()
    if valid:
        expected = objective.gaussian_kl_per_latent(*pair).mean(dim=0)
        np.testing.assert_allclose(posterior.kl_per_latent(), expected, rtol=1e-3, atol=1e-5)
        variance = pair[0].double().var(dim=0, correction=0).numpy()
        clear = np.abs(variance - 0.01) > 1e-4
        assert (latent.active_units(posterior)[clear] == (variance > 0.01)[clear]).all()


FEATURES = tensors(st.tuples(st.integers(0, 12), st.integers(0, 3)), st.just(np.float32))


@given(FEATURES, LABELS, st.integers(-1, 5))
def test_neighbour_accuracy_is_a_share_or_an_error(features, labels, neighbours):
    labels = labels[: len(features)]
    result, error = outcome(latent.neighbour_accuracy, features.numpy(), labels, neighbours)
    fit = features.numel() > 0 and len(labels) == len(features) and features.isfinite().all()
    assert (error is None) == bool(fit and 1 <= neighbours < len(features))
    assert error or 0 <= result <= 1
    if error is None and len(labels.unique()) == 1:
        assert result == 1


# --- graph ---------------------------------------------------------------------------------------


@given(FEATURES, st.integers(-1, 5), st.integers(-1, 5))
@settings(max_examples=150)
def test_graph_is_finite_or_an_error(features, neighbours, modes):
    result, error = outcome(graph.neighbour_graph, features.numpy(), neighbours, modes)
    fit = features.numel() > 0 and bool(features.isfinite().all())
    valid = fit and min(neighbours, modes) >= 1 and max(neighbours, modes) < len(features)
    assert (error is None) == valid
    if error is None:
        assert result.modes.shape == (len(features), modes)
        assert all(np.isfinite(v).all() for v in (result.modes, result.rates, result.root_degree))
        assert (result.root_degree > 0).all()
        assert abs(result.rates[0]) < 1e-4


@pytest.mark.parametrize("value", [graph.LARGEST, -1e16, 1e30])
def test_features_too_large_for_distances_are_refused(value):
    features = np.random.default_rng(0).standard_normal((30, 2))
    features[3, 1] = value
    with pytest.raises(ValueError, match="above 1e"):
        graph.neighbour_graph(features, 3, 4)


NODES = 30


@pytest.fixture(scope="module")
def net():
    generator = np.random.default_rng(0)
    points = generator.standard_normal((NODES, 2)) + 4 * np.eye(3, 2)[np.arange(NODES) % 3]
    return graph.neighbour_graph(points.astype(np.float32), neighbours=4, modes=5)


@given(
    st.lists(st.tuples(st.integers(-1, NODES), st.integers(-1, 6)), max_size=8),
    st.integers(-1, 7),
    st.lists(st.one_of(st.floats(0.1, 3), st.sampled_from([0, -1.0, math.nan])), max_size=3),
    st.sampled_from([torch.int64, torch.int64, torch.int32, torch.float32]),
)
@example([(0, 0), (1, 1)], 2, [], torch.int64)
@example([(i, i) for i in range(6)], 6, [1.0], torch.int64)
@example([(0, 0), (1, 1), (2, 2)], 3, [1.0, 0.5], torch.int64)
@example([(-1, 0), (1, 1)], 2, [1.0], torch.int64)
@example([(0, 0), (0, 1)], 2, [1.0], torch.int64)
@example([(0, 0), (NODES, 1)], 2, [1.0], torch.int64)
@example([(0, 0), (NODES - 1, 1)], 2, [1.0], torch.int64)
@example([(0, 0)], 1, [1.0], torch.int64)
@example([(i, i) for i in range(5)], 5, [1.0], torch.int64)
@example([(0, 0), (1, 1)], 2, [0.0], torch.int64)
@example([(0, 0), (1, 1)], 2, [math.inf], torch.int64)
@example([(0, 0), (1, 1)], 2, [1.0], torch.int32)
def test_spread_labels_keep_what_was_given_or_are_an_error(net, given_labels, n, schedule, dtype):
    chosen = torch.tensor([row for row, _ in given_labels], dtype=torch.int64)
    labels = torch.tensor([label for _, label in given_labels]).to(dtype)
    result, error = outcome(graph.spread_labels, net, chosen, labels, n, schedule)
    rows = chosen.tolist()
    valid = (
        2 <= n <= 5
        and dtype == torch.int64
        and sorted(set(labels.tolist())) == list(range(n))
        and len(set(rows)) == len(rows)
        and all(0 <= row < NODES for row in rows)
        and len(schedule) > 0
        and all(0 < time < math.inf for time in schedule)
    )
    assert (error is None) == valid
    if error is None:
        assert result.shape == (NODES,)
        assert set(result.tolist()) <= set(range(n))
        assert torch.equal(result[chosen], labels)


@given(tensors(), st.integers(-1, 3))
@example(torch.tensor([[0.0, 1.0]]), 1)
@example(torch.tensor([[1.0, math.inf]]), 1)
@example(torch.tensor([[1.0, math.nan]]), 1)
@example(torch.tensor([[1.0, 2.0]]), 1)
@example(torch.tensor([[1.0, 2.0]]), 0)
@example(torch.tensor([1.0, 2.0]), 1)
def test_balance_makes_rows_of_one_or_is_an_error(heat, iterations):
    heat = heat.float() if heat.dtype == torch.float64 else heat
    positive = bool(((heat > 0) & (heat < math.inf)).all()) and heat.numel() > 0
    result, error = outcome(graph.balance, heat, iterations)
    valid = positive and heat.ndim == 2 and heat.is_floating_point() and iterations > 0
    assert (error is None) == valid
    if error is None:
        torch.testing.assert_close(result.sum(dim=1), torch.ones(len(heat)))


@given(
    tensors(st.tuples(st.integers(NODES - 1, NODES + 1), st.integers(1, 2)), st.just(np.float32))
)
def test_an_average_needs_a_value_for_each_training_image(net, values):
    neighbours = net.neighbours(np.zeros((2, 2), np.float32))
    result, error = outcome(neighbours.average, values.numpy())
    assert (error is None) == (len(values) == NODES)
    assert error or result.shape == (2, values.shape[1])


# --- classifiers and budgets ---------------------------------------------------------------------


@given(FEATURES, LABELS, st.booleans(), st.floats(1e-3, 1))
def test_descent_is_finite_or_an_error(features, labels, sampled, rate):
    labels = labels[: len(features)]
    posterior = Posterior(features.numpy(), np.zeros_like(features.numpy()))
    wanted = DescentSettings(epochs=2, learning_rate=rate, batch_size=3, sampled=sampled)
    result, error = outcome(linear.descend, posterior, labels, posterior, labels, wanted)
    fit = features.numel() > 0 and len(labels) == len(features) and features.isfinite().all()
    assert (error is None) == bool(fit and len(labels.unique()) > 1)
    if error is None:
        assert np.isfinite(result.training_loss + result.validation_loss).all()
        np.testing.assert_allclose(result.probabilities(posterior.mean).sum(axis=1), 1, rtol=1e-4)


@given(FEATURES, LABELS, st.floats(-1, 2))
def test_logistic_regression_answers_or_is_an_error(features, labels, strength):
    labels = labels[: len(features)]
    result, error = outcome(logistic.fit_logistic_regression, features.numpy(), labels, strength)
    fit = features.numel() > 0 and len(labels) == len(features) and features.isfinite().all()
    assert (error is None) == bool(fit and len(labels.unique()) > 1 and strength > 0)
    assert error or 0 <= result.score(features.numpy(), labels) <= 1


@given(st.integers(-1, 3), st.integers(-1, 3), st.floats())
def test_impossible_descents_are_refused(epochs, batch_size, rate):
    _, error = outcome(DescentSettings, epochs, rate, batch_size)
    assert (error is None) == (epochs > 0 and batch_size > 0 and 0 < rate < math.inf)


# --- one bad call, and more, for every public function -------------------------------------------

POINTS = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
LABELS_40 = torch.arange(40) % 4
HOLES = np.where(POINTS > 1, np.nan, POINTS).astype(np.float32)
GOOD = Posterior(POINTS, np.zeros_like(POINTS))
DESCENT = DescentSettings(epochs=1, learning_rate=0.1)
FEATURES_40 = few_labels.Features(POINTS, POINTS, POINTS)
IMAGES = torch.zeros(40, 28, 28, dtype=torch.uint8)
PART = Split(IMAGES, LABELS_40)
DATA = Dataset("MNIST", tuple("0123"), PART, PART, PART, "zeros")
TINY = Recipe("tiny", sizes={"latent_size": 2, "hidden_size": 2}, training=TrainingSettings(1))
MODEL = TINY.build()
CLASSIFIER = logistic.LinearClassifier(torch.zeros(4, 3), torch.zeros(4))


VIEWS = sampling.Views(GOOD, LABELS_40, n_samples=2)
BRIEFLY = networks.SupervisedSettings(least_steps=1, steps_per_root=0)


def labels_40(**others):
    return few_labels.Labels(LABELS_40, LABELS_40, LABELS_40)._replace(**others)


def descend(train=GOOD, labels=LABELS_40, validation=GOOD, validation_labels=LABELS_40):
    return linear.descend(train, labels, validation, validation_labels, DESCENT)


BAD_CALLS = {
    "Recipe": [
        lambda: Recipe("x", model="GAN"),
        lambda: Recipe(""),
        lambda: Recipe("../elsewhere"),
    ],
    "Run": [
        lambda: Run(TINY, [], {}).model(),
        lambda: Run(TINY, [], {1: MODEL.state_dict()}).model(device="gpu"),
        lambda: Run(TINY, [], {1: MODEL.state_dict()}).model(epoch=2),
    ],
    "check_device": [
        lambda: devices.check_device("cuda:99"),
        lambda: devices.check_device("meta"),
        lambda: devices.check_device(""),
    ],
    "train_and_save": [
        lambda: vaelib.train_and_save(TINY, DATA, device="cuda:99"),
        lambda: vaelib.train_and_save(TINY, replace(DATA, train=PART[:0])),
        lambda: vaelib.train_and_save(TINY, replace(DATA, validation=PART[:0])),
    ],
    "find_or_train": [lambda: vaelib.find_or_train(TINY, DATA, device="tpu")],
    "load_run": [lambda: checkpoints.load_run(TINY, DATA)],
    "train": [lambda: vaelib.train(MODEL, IMAGES.float(), IMAGES, TINY.training)],
    "mean_elbo_terms": [
        lambda: training.mean_elbo_terms(MODEL, IMAGES[:0]),
        lambda: training.mean_elbo_terms(MODEL, IMAGES, batch_size=0),
        lambda: training.mean_elbo_terms(MODEL, IMAGES.float()),
        lambda: training.mean_elbo_terms(MODEL, IMAGES, batch_size=-1),
    ],
    "encode": [
        lambda: latent.encode(MODEL, IMAGES[:0]),
        lambda: latent.encode(MODEL, IMAGES, batch_size=0),
        lambda: latent.encode(MODEL, IMAGES / 255),
        lambda: MODEL.encode(torch.full((1, 784), math.nan)),
        lambda: MODEL.encode(torch.full((1, 784), 255.0)),
    ],
    "decode": [lambda: MODEL.decode(torch.zeros(1, 3)), lambda: MODEL.decode(torch.zeros(2))],
    "balanced_subset": [
        lambda: vaelib.balanced_subset(LABELS_40.float(), 4, 0),
        lambda: vaelib.balanced_subset(LABELS_40[:0], 4, 0),
        lambda: vaelib.balanced_subset(LABELS_40, 44, 0),
    ],
    "check_pixels": [lambda: images.check_pixels(IMAGES)],
    "check_features": [lambda: latent.check_features(POINTS, LABELS_40[:, None])],
    "trustworthiness": [
        lambda: latent.trustworthiness(POINTS, POINTS[:5, :2]),
        lambda: latent.trustworthiness(HOLES, POINTS[:, :2]),
        lambda: latent.trustworthiness(POINTS, POINTS[:, :2], neighbours=30),
        lambda: latent.trustworthiness(POINTS, POINTS[:, :2], neighbours=0),
    ],
    "first_positions": [
        lambda: latent.first_positions(-1, 0),
        lambda: latent.first_positions(3, -1),
    ],
    "tsne": [
        lambda: latent.tsne(HOLES, POINTS[:, :2], 5),
        lambda: latent.tsne(POINTS, HOLES[:, :2], 5),
        lambda: latent.tsne(POINTS, POINTS[:, :2], math.nan),
        lambda: latent.tsne(POINTS, POINTS[:, :2], 5, iterations=0),
        lambda: latent.tsne(POINTS[:, :0], POINTS[:, :2], 5),
    ],
    "check_sizes": [lambda: models.check_sizes(hidden_size=0)],
    "aligned": [lambda: latent.aligned(POINTS[:, :2], POINTS[:3, :2])],
    "key_pictures": [lambda: latent.key_pictures({1: POINTS}, POINTS[:3, :2])],
    "deskew": [lambda: deskew(IMAGES, chunk=0), lambda: deskew(IMAGES[0])],
    "deskewed": [lambda: images.deskewed(replace(DATA, test=PART[:0]))],
    "descend": [
        lambda: descend(labels=LABELS_40 - 1),
        lambda: descend(labels=LABELS_40.float()),
        lambda: descend(labels=LABELS_40[:, None]),
        lambda: descend(validation_labels=LABELS_40 + 1),
        lambda: descend(validation=Posterior(POINTS[:, :2], POINTS[:, :2])),
        lambda: descend(train=Posterior(HOLES, POINTS)),
        lambda: descend(train=Posterior(POINTS, HOLES)),
        lambda: descend(train=Posterior(POINTS, POINTS[:1])),
        lambda: descend(train=Posterior(POINTS * np.float32(1e37), POINTS)),
    ],
    "LinearClassifier": [
        lambda: CLASSIFIER.predict(HOLES),
        lambda: CLASSIFIER.predict(POINTS[:, :2]),
        lambda: CLASSIFIER.cross_entropy(POINTS, LABELS_40[:3]),
        lambda: CLASSIFIER.probabilities(POINTS[0]),
    ],
    "fit_logistic_regression": [
        lambda: logistic.fit_logistic_regression(HOLES, LABELS_40),
        lambda: logistic.fit_logistic_regression(POINTS, LABELS_40 + 0.5),
        lambda: logistic.fit_logistic_regression(POINTS, LABELS_40, math.nan),
    ],
    "kernel_features": [
        lambda: linear.kernel_features(POINTS, components=41),
        lambda: linear.kernel_features(POINTS, components=0),
        lambda: linear.kernel_features(POINTS, components=-3),
        lambda: linear.kernel_features(HOLES, components=3),
        lambda: linear.kernel_features(POINTS, HOLES, components=3),
        lambda: linear.kernel_features(POINTS, POINTS[:, :2], components=3),
        lambda: linear.kernel_features(POINTS, components=3, width=-1.0),
    ],
    "interval_95": [lambda: few_labels.interval_95([]), lambda: few_labels.interval_95([1])],
    "choose_strength": [
        lambda: few_labels.choose_strength(FEATURES_40, labels_40(train=LABELS_40[:30]), 4),
        lambda: few_labels.choose_strength(FEATURES_40, labels_40(validation=LABELS_40[:3]), 4),
        lambda: few_labels.choose_strength(FEATURES_40, labels_40(), 5),
        lambda: few_labels.choose_strength(FEATURES_40, labels_40(train=LABELS_40 * 0), 5),
    ],
    "LogisticMethod": [
        lambda: few_labels.LogisticMethod.tuned(FEATURES_40, labels_40(test=LABELS_40[:3]), [4]),
        lambda: few_labels.LogisticMethod.tuned(FEATURES_40._replace(test=HOLES), labels_40(), [4]),
        lambda: few_labels.LogisticMethod.tuned(FEATURES_40, labels_40(), [0]),
    ],
    "run_grid": [
        lambda: few_labels.run_grid({"half": lambda chosen, draw: 0.5}, LABELS_40, [0]),
        lambda: few_labels.run_grid({"half": lambda chosen, draw: 0.5}, LABELS_40, [44]),
        lambda: few_labels.run_grid({"half": lambda chosen, draw: 0.5}, LABELS_40, [-4]),
        lambda: few_labels.run_grid({"half": lambda chosen, draw: 0.5}, LABELS_40, [5]),
    ],
    "score_of": [lambda: few_labels.score_of([])],
    "table": [lambda: few_labels.table({})],
    "budgets_of": [lambda: few_labels.budgets_of(LABELS_40[:0])],
    "draws_of": [lambda: few_labels.draws_of(0, 40), lambda: few_labels.draws_of(41, 40)],
    "summarise": [],  # no cells, no scores
    "draw_samples": [
        lambda: sampling.draw_samples(GOOD, 0, 0),
        lambda: sampling.draw_samples(Posterior(POINTS, HOLES), 2, 0),
    ],
    "fit": [
        lambda: sampling.fit(GOOD, LABELS_40, "median", 1.0, 2),
        lambda: sampling.fit(GOOD, LABELS_40, "fresh samples", 1.0, 0),
        lambda: sampling.fit(GOOD, LABELS_40[:3], "mean", 1.0, 2),
    ],
    "compare": [
        lambda: sampling.compare(GOOD, LABELS_40, VIEWS, VIEWS, 5, 1, 1),
        lambda: sampling.compare(GOOD, LABELS_40, VIEWS, VIEWS, 4, 0, 1),
    ],
    "noise_penalty": [lambda: sampling.noise_penalty(CLASSIFIER, Posterior(HOLES, POINTS))],
    "noise_cost": [lambda: sampling.noise_cost(CLASSIFIER, GOOD, LABELS_40[:3], [0])],
    "train_supervised": [
        lambda: networks.train_supervised(IMAGES, LABELS_40[:3], 4, BRIEFLY, 0),
        lambda: networks.train_supervised(IMAGES, LABELS_40 + 4, 4, BRIEFLY, 0),
        lambda: networks.train_supervised(IMAGES.float(), LABELS_40, 4, BRIEFLY, 0),
    ],
    "supervised_accuracy": [
        lambda: networks.supervised_accuracy(ConvClassifier(4), PART[:0]),
    ],
    "SupervisedSettings": [
        lambda: networks.SupervisedSettings(batch_size=0),
        lambda: networks.SupervisedSettings(least_steps=0),
        lambda: networks.SupervisedSettings(steps_per_root=-1),
        lambda: networks.SupervisedSettings(steps_per_root=math.nan),
        lambda: networks.SupervisedSettings(peak_learning_rate=math.nan),
    ],
    "convolutions": [],  # the networks check their sizes
    "best_device": [],  # takes nothing
    "training_precision": [],  # torch itself names the devices it knows
    "bfloat16_pays": [],  # takes nothing
    "multiplying_in": [],  # the same
    "binarise": [
        lambda: vaelib.binarise(IMAGES.float(), 0),
        lambda: vaelib.binarise(IMAGES[:, :5], 0),
    ],
    "load_folder": [],  # tests/test_folders.py
    "prepare": [],  # tests/test_images.py
    "read_grey": [],  # the same
    "centre": [lambda: centre(IMAGES[0].float()), lambda: centre(IMAGES)],
    "ConvVAE": [lambda: vaelib.ConvVAE(latent_size=0), lambda: vaelib.ConvVAE(channels=-1)],
    "neighbour_graph": [lambda: graph.neighbour_graph(HOLES, 3, 3)],
    "link_neighbours": [],  # takes what neighbour_graph has checked
    "compare_with_known": [
        lambda: out_of_distribution.compare_with_known(MODEL, IMAGES, IMAGES),
        lambda: out_of_distribution.compare_with_known(
            MODEL, IMAGES.repeat(30, 1, 1), IMAGES.float()
        ),
    ],
    "require_archive": [],  # tests/test_faults_data.py
    "extract": [],  # the same
    "joint_checksum": [],  # takes no input of a reader's
    "run_path": [],  # takes a recipe and a data set, which are checked
    "save_run": [],  # tests/test_faults_runs.py
    "one_thread": [],  # takes nothing
    "tune_allocator": [],  # takes nothing
    "give_back": [],  # takes nothing
    "gradient_of": [],  # takes what train has checked; tests/test_backpropagation.py
    "import_datasets": [],  # takes nothing
}
CHECKED_ABOVE = {
    "VAE", "Encoder", "Decoder", "Split", "Dataset", "TrainingSettings", "DescentSettings", "load",
    "to_pixels", "gaussian_kl", "gaussian_kl_per_latent", "bernoulli_log_likelihood",
    "sample_latent", "elbo_terms", "log_importance_weights", "importance_weighted_bound",
    "Posterior", "variance_of_means", "active_units", "neighbour_accuracy", "spread_labels",
    "balance",
}  # fmt: skip


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(call, id=f"{name} {number}")
        for name, calls in BAD_CALLS.items()
        for number, call in enumerate(calls, start=1)
    ],
)
def test_a_bad_call_is_a_clear_error(call):
    _, error = outcome(call)
    assert error is not None


MODULES = (
    archives, devices, memory, folders, image_files, images, mnist, splits, models, objective,
    training, checkpoints, backpropagation, out_of_distribution, latent, few_labels, graph,
    linear, logistic, networks, sampling,
)  # fmt: skip


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_function_is_among_those_above(module):
    public = {
        name
        for name, member in vars(module).items()
        if inspect.isfunction(member)
        and member.__module__ == module.__name__
        and not name.startswith("_")
    }
    assert public - BAD_CALLS.keys() - CHECKED_ABOVE == set()


def test_every_public_name_is_among_those_above():
    constants_and_errors = {"CONV", "MLP", "MLP_SHORT", "DataError", "RunError", "TrainingError"}
    assert set(vaelib.__all__) - BAD_CALLS.keys() - CHECKED_ABOVE == constants_and_errors
