"""A few labels spread over a graph: what stays, what is balanced, and every step by hand."""

import math

import numpy as np
import pytest
import torch
from arguments import outcome, tensors
from hypothesis import example, given
from hypothesis import strategies as st

from vaelib.classifier import label_spreading, neighbour_graph, sinkhorn, spread_labels


@pytest.fixture(scope="module")
def moons():
    """Two interlocking half circles: neighbours tell them apart, a straight line cannot."""
    generator = np.random.default_rng(0)
    angle = generator.uniform(0, np.pi, (2, 300))
    first = np.stack([np.cos(angle[0]), np.sin(angle[0])], axis=1)
    second = np.stack([1 - np.cos(angle[1]), 0.5 - np.sin(angle[1])], axis=1)
    points = np.concatenate([first, second]) + 0.05 * generator.standard_normal((600, 2))
    return points.astype(np.float32), torch.arange(2).repeat_interleave(300)


@pytest.fixture
def graph(moons):
    return neighbour_graph(moons[0], neighbours=8, n_eigenvectors=20)


@pytest.fixture
def groups():
    """Four groups that run into each other, so that every number shows in some label between."""
    generator = np.random.default_rng(1)
    labels = torch.arange(400) % 4
    points = 1.5 * np.eye(4, 5)[labels] + 0.7 * generator.standard_normal((400, 5))
    return neighbour_graph(points.astype(np.float32), neighbours=6, n_eigenvectors=12), labels


def test_given_labels_stay_even_when_they_are_wrong(moons, graph):
    rows, wrong = torch.tensor([0, 1, 300, 301]), torch.tensor([0, 1, 1, 1])
    spread = spread_labels(graph, rows, wrong, n_classes=2)
    assert torch.equal(spread[rows], wrong)
    assert (spread == moons[1]).float().mean() > 0.95


def test_every_class_gets_about_its_share_also_from_unequal_numbers_of_labels(groups):
    graph, labels = groups
    rows = torch.cat([torch.arange(0, 200, 4), torch.tensor([1, 2, 3])])  # 50 of the first class
    spread = spread_labels(graph, rows, labels[rows], 4)
    assert (spread.bincount() - 100).abs().max() <= 15


def test_the_classes_numbers_and_the_order_of_the_labels_mean_nothing(groups):
    graph, labels = groups
    rows = torch.arange(12)
    expected = spread_labels(graph, rows, labels[rows], 4)
    names, turned = torch.tensor([2, 0, 3, 1]), rows.flip(0)
    renamed = spread_labels(graph, turned, names[labels[turned]], 4)
    assert torch.equal(renamed, names[expected])


def sinkhorn_by_hand(scores, iterations):
    """Rows and columns in turn, the rows last; in float64."""
    scores = scores.astype(np.float64)
    for _ in range(iterations):
        scores = scores / scores.sum(axis=1, keepdims=True)
        scores = scores / scores.sum(axis=0) * len(scores) / scores.shape[1]
    return scores / scores.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("schedule", [(1.0,), (0.3,), (3.0, 0.5), (1.0, 1.0, 0.4)])
def test_labels_spread_as_computed_by_hand(groups, schedule):
    """The rounds of diffusion and decision once more: in float64."""
    graph, labels = groups
    rows, vectors = np.arange(12), graph.eigenvectors.double().numpy()
    values, root = graph.eigenvalues.double().numpy(), graph.root_degree.double().numpy()
    scores = np.zeros((400, 4))
    scores[rows, labels[rows]] = 1
    for time in schedule:
        decay = np.diag(np.exp(-time * values / values[3]))
        diffused = vectors @ decay @ vectors.T @ (scores * root) / root
        decided = sinkhorn_by_hand(np.maximum(diffused, 1e-6), 20).argmax(axis=1)
        decided[rows] = labels[rows]
        scores = np.eye(4)[decided]
    spread = spread_labels(graph, torch.from_numpy(rows), labels[rows], 4, schedule)
    assert (spread.numpy() == decided).all()


@pytest.mark.parametrize("iterations", [1, 20])
def test_normalisation_is_sinkhorn_s_to_the_iteration(iterations):
    """On scores so uneven that the next iteration would still change them."""
    scores = np.full((40, 3), 1e-3)
    scores[np.arange(40), np.repeat([0, 1, 2], [14, 13, 13])] = 1
    given_scores = torch.from_numpy(scores).float()
    found = sinkhorn(given_scores) if iterations == 20 else sinkhorn(given_scores, iterations)
    np.testing.assert_allclose(found, sinkhorn_by_hand(scores, iterations), rtol=1e-3)
    for other in (iterations - 1, iterations + 1):
        assert not np.allclose(found, sinkhorn_by_hand(scores, other), rtol=1e-3)


def test_normalised_scores_have_the_promised_margins():
    scores = torch.rand(200, 5, generator=torch.Generator().manual_seed(0)) + 0.01
    balanced = sinkhorn(scores, iterations=200)
    torch.testing.assert_close(balanced.sum(dim=1), torch.ones(200))
    torch.testing.assert_close(balanced.sum(dim=0), torch.full((5,), 40.0), rtol=1e-3, atol=0)


def test_the_method_classifies_new_images_by_the_pseudo_labels(moons, graph):
    points, labels = moons
    generator = np.random.default_rng(1)
    new = points + 0.03 * generator.standard_normal(points.shape).astype(np.float32)
    features = graph.interpolate(new, graph.node_features)
    method = label_spreading(graph, features, {"train": labels, "test": labels})
    assert method(torch.tensor([0, 300]), 0) > 0.97


# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "labels", "n_classes", "schedule", "said"),
    [
        ([0, 1], [0, 1], 2, [], "schedule"),
        *(([0, 1], [0, 1], 2, [1.0, time], "schedule") for time in (0.0, -1.0, math.inf, math.nan)),
        ([0], [0], 1, [1.0], "2 or more"),
        (list(range(13)), list(range(13)), 13, [1.0], "12 eigenvectors"),
        ([0], [0], 2, [1.0], "Each of the 2 classes"),
        ([0, 1, 2], [0, 1, 2], 2, [1.0], "Each of the 2 classes"),
        ([0, 1], [-1, 0], 2, [1.0], "Each of the 2 classes"),
        ([], [], 2, [1.0], "Each of the 2 classes"),
        ([0, 1, 2], [0, 1], 2, [1.0], "exactly one label"),
        ([0, 0], [0, 1], 2, [1.0], "exactly one label"),
        ([-1, 0], [0, 1], 2, [1.0], "0 to 399"),
        ([0, 400], [0, 1], 2, [1.0], "0 to 399"),
    ],
)
def test_labels_that_do_not_fit_are_refused(groups, rows, labels, n_classes, schedule, said):
    rows, labels = (torch.tensor(part, dtype=torch.int64) for part in (rows, labels))
    with pytest.raises(ValueError, match=said):
        spread_labels(groups[0], rows, labels, n_classes, schedule)
    with pytest.raises(ValueError, match=r"int64|exactly one|more"):
        spread_labels(groups[0], rows, labels.int(), n_classes, schedule)


def test_as_many_classes_as_eigenvectors_and_the_last_row_will_do(groups):
    rows = torch.arange(388, 400)
    assert torch.equal(spread_labels(groups[0], rows, rows - 388, 12, [1.0])[rows], rows - 388)


@given(tensors(dtypes=st.just(np.float32), elements=st.floats(0, 30, width=32)), st.integers(-1, 3))
@example(torch.tensor([[0.0, 1.0]]), 1)
@example(torch.tensor([[1.0, math.inf]]), 1)
@example(torch.tensor([[1.0, math.nan]]), 1)
@example(torch.tensor([[1.0, 2.0]]), 0)
@example(torch.tensor([1.0, 2.0]), 1)
def test_normalised_rows_add_up_to_one_or_are_an_error(scores, iterations):
    positive = bool(((scores > 0) & (scores < math.inf)).all()) and scores.numel() > 0
    found, error = outcome(sinkhorn, scores, iterations)
    assert (error is None) == (positive and scores.ndim == 2 and iterations > 0)
    if error is None:
        torch.testing.assert_close(found.sum(dim=1), torch.ones(len(scores)))
