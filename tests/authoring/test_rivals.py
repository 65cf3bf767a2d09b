"""Each rival gets the graph and the labels as it understands them, and answers for every image."""

import numpy as np
import pytest

from vaelib.authoring import rivals
from vaelib.classifier import neighbour_graph

needs_graphlearning = pytest.mark.skipif(
    not rivals.graphlearning_is_installed(),
    reason='graphlearning is not installed: pip install -e ".[bench]", with a C++ compiler.',
)


def clusters(*sizes):
    """Return points in clusters of these sizes, far apart, in random order, and their labels."""
    random = np.random.default_rng(0)
    labels = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = 10 * np.eye(len(sizes), 5)
    return neighbour_graph(centres[labels] + random.standard_normal((len(labels), 5))), labels


def one_of_each(labels):
    """Return a row of each class, the last class first."""
    return np.array([np.flatnonzero(labels == c)[3] for c in reversed(range(labels.max() + 1))])


def test_ours_finds_the_clusters():
    graph, labels = clusters(40, 40, 40)
    rows = one_of_each(labels)
    assert (rivals.ours(graph, 3)(rows, labels[rows]) == labels).all()


def test_label_spreading_finds_the_clusters():
    graph, labels = clusters(60, 40, 20)
    rows = one_of_each(labels)
    method = rivals.label_spreading(rivals.weights_of(graph))
    assert (method(rows, labels[rows]) == labels).all()
    others = (labels[rows] + 1) % 3  # nothing is left of the first draw
    assert (method(rows, others) == (labels + 1) % 3).all()


@needs_graphlearning
@pytest.mark.parametrize("name", rivals.RIVALS)
def test_methods_of_graphlearning_find_the_clusters(name):
    graph, labels = clusters(60, 40, 20)
    rows = one_of_each(labels)
    methods = rivals.of_graphlearning(rivals.weights_of(graph), np.bincount(labels))
    assert set(methods) == set(rivals.RIVALS)
    assert (methods[name](rows, labels[rows]) == labels).all()


@needs_graphlearning
def test_poisson_mbo_is_told_the_class_sizes():
    graph, labels = clusters(60, 40, 20)
    rows = one_of_each(labels)
    told = rivals.of_graphlearning(rivals.weights_of(graph), np.array([40, 40, 40]))
    found = np.bincount(told["poisson_mbo"](rows, labels[rows]))
    assert found.tolist() != [60, 40, 20]


def test_weights_are_symmetric_and_both_packages_type():
    weights = rivals.weights_of(clusters(40, 40)[0])
    assert weights.dtype == np.float64
    assert abs(weights - weights.T).max() == 0
    assert weights.diagonal().max() == 0


def test_comparison_counts_the_images_without_a_label_and_the_draws_that_fail(capsys):
    labels = np.repeat([0, 1], 50)
    draws = [np.array([0, 50]), np.array([1, 51])]

    def at_odds(rows, given):
        """Get all right with the second draw; with the first, all that has no label wrong."""
        found = labels.copy() if rows[0] == 1 else 1 - labels
        found[rows] = given
        return found

    numbers = rivals.compare({"right": lambda *_: labels, "odd": at_odds}, labels, draws)
    assert [numbers[f"accuracy_2_labels_right_{n}"] for n in ("mean", "failures", "worst")] == [
        1,
        0,
        1,
    ]
    assert [numbers[f"accuracy_2_labels_odd_{n}"] for n in ("mean", "failures", "worst")] == [
        0.5,
        0.5,
        0,
    ]
    assert 0 < numbers["seconds_draw_right"] < 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 4
    assert "draw 1 of 2: odd" in said[1]
