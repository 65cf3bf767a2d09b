import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import connected_components

from vaelib.classifier import graph


@pytest.fixture(scope="module")
def moons():
    """Two interlocking half circles: neighbours tell them apart, a straight line cannot."""
    generator = np.random.default_rng(0)
    angle = generator.uniform(0, np.pi, (2, 300))
    first = np.stack([np.cos(angle[0]), np.sin(angle[0])], axis=1)
    second = np.stack([1 - np.cos(angle[1]), 0.5 - np.sin(angle[1])], axis=1)
    points = np.concatenate([first, second]) + 0.05 * generator.standard_normal((600, 2))
    return points.astype(np.float32), torch.arange(2).repeat_interleave(300)


@pytest.fixture(scope="module")
def linked(moons):
    return graph.neighbour_graph(moons[0], neighbours=8, modes=20)


def test_two_labels_are_enough_for_two_moons(moons, linked):
    _, labels = moons
    chosen = torch.tensor([0, 300])
    spread = graph.spread_labels(linked, chosen, labels[chosen], n_classes=2)
    assert (spread == labels).float().mean() > 0.98


def test_a_finished_graph_gives_back_what_making_it_took(moons, monkeypatch):
    given_back = []
    monkeypatch.setattr(graph, "give_back", lambda: given_back.append(True))
    graph.neighbour_graph(moons[0], neighbours=8, modes=20)
    assert given_back == [True]


def test_given_labels_stay_even_when_they_are_wrong(moons, linked):
    _, labels = moons
    chosen = torch.tensor([0, 1, 300, 301])
    wrong = torch.tensor([0, 1, 1, 1])
    spread = graph.spread_labels(linked, chosen, wrong, n_classes=2)
    assert torch.equal(spread[chosen], wrong)
    assert (spread == labels).float().mean() > 0.95


def test_classes_end_with_equal_shares(moons, linked):
    _, labels = moons
    chosen = torch.tensor([5, 6, 7, 8, 9, 310])
    spread = graph.spread_labels(linked, chosen, labels[chosen], n_classes=2)
    assert spread.bincount().tolist() == pytest.approx([300, 300], abs=20)


def test_modes_are_eigenvectors_of_the_normalised_graph(linked):
    links = graph.link_neighbours(linked.search).toarray()
    degree = links.sum(axis=1)
    laplacian = np.eye(600) - links / np.sqrt(degree[:, None] * degree[None])
    np.testing.assert_allclose(linked.rates, np.linalg.eigvalsh(laplacian)[:20], atol=1e-4)
    residual = laplacian @ linked.modes - linked.modes * linked.rates
    assert np.abs(np.linalg.norm(residual, axis=0)).max() < 0.01


def test_links_are_the_definition_s(moons, linked):
    points, _ = moons
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    expected = np.zeros((600, 600))
    for i, row in enumerate(distances):
        near = np.argsort(row)[:8]
        expected[i, near] = np.exp(-((row[near] / row[near[-1]]) ** 2))
    links = graph.link_neighbours(linked.search)
    ring = links.toarray() - (expected + expected.T) / 2
    assert connected_components(links)[0] == 1
    assert ring.min() > -1e-6
    assert ring.sum() == pytest.approx(600 * graph.FAINT, rel=1e-3)
    alone = ring > graph.FAINT / 4
    assert (alone.sum(axis=1) == 2).all()
    assert connected_components(alone)[0] == 1  # one ring, not several


def test_node_features_are_orthonormal_where_nodes_weigh_by_their_degree(linked):
    weighted = linked.root_degree**2 * linked.node_features
    np.testing.assert_allclose(weighted.T @ linked.node_features / 600, np.eye(20), atol=1e-3)
    # as exact as eigsh is asked to be: from other starts, 0.002 was seen
    np.testing.assert_allclose(np.abs(linked.node_features[:, 0]), 1, atol=5e-3)


def sinkhorn(heat, iterations):
    """Sinkhorn's scaling, in other words: rows and columns in turn, the rows last."""
    heat = heat.astype(np.float64)
    for _ in range(iterations):
        heat = heat / heat.sum(axis=1, keepdims=True)
        heat = heat / heat.sum(axis=0) * len(heat) / heat.shape[1]
    return heat / heat.sum(axis=1, keepdims=True)


def test_balance_is_sinkhorn_s_to_the_iteration():
    """On heat so uneven that the next iteration would still change it."""
    heat = np.full((40, 3), 1e-3)
    heat[np.arange(40), np.repeat([0, 1, 2], [14, 13, 13])] = 1
    balanced = graph.balance(torch.from_numpy(heat).float())
    np.testing.assert_allclose(balanced, sinkhorn(heat, 20), rtol=1e-3)
    for other in (19, 21):
        assert not np.allclose(balanced, sinkhorn(heat, other), rtol=1e-3)


def spread_by_hand(net, chosen, labels, n_classes, schedule):
    """The rounds of flow and decision once more: in float64, node by node."""
    modes, root = net.modes.astype(np.float64), net.root_degree.astype(np.float64)
    heat = np.zeros((len(modes), n_classes))
    heat[chosen, labels] = 1
    for time in schedule:
        decay = np.exp(-time * net.rates.astype(np.float64) / net.rates[n_classes - 1])
        flowed = modes @ np.diag(decay) @ modes.T @ (heat * root) / root
        decided = sinkhorn(np.maximum(flowed, 1e-6), 20).argmax(axis=1)
        decided[chosen] = labels
        heat = np.eye(n_classes)[decided]
    return decided


@pytest.mark.parametrize("schedule", [(1.0,), (0.3,), (3.0, 0.5), (1.0, 1.0, 0.4)])
def test_labels_spread_as_computed_by_hand(schedule):
    """Four groups that run into each other: every number shows in some label at the borders."""
    generator = np.random.default_rng(1)
    labels = np.arange(400) % 4
    points = 1.5 * np.eye(4, 5)[labels] + 0.7 * generator.standard_normal((400, 5))
    net = graph.neighbour_graph(points.astype(np.float32), neighbours=6, modes=12)
    chosen = np.arange(12)
    spread = graph.spread_labels(
        net, torch.from_numpy(chosen), torch.from_numpy(labels[chosen]), 4, schedule
    )
    by_hand = spread_by_hand(net, chosen, labels[chosen], 4, schedule)
    assert (spread.numpy() == by_hand).all()


def test_balance_has_the_promised_margins():
    heat = torch.rand(200, 5, generator=torch.Generator().manual_seed(0)) + 0.01
    balanced = graph.balance(heat, iterations=200)
    torch.testing.assert_close(balanced.sum(dim=1), torch.ones(200))
    torch.testing.assert_close(balanced.sum(dim=0), torch.full((5,), 40.0), rtol=1e-3, atol=0)


def test_neighbours_of_new_images_weigh_as_the_definition_says(moons, linked):
    points, _ = moons
    new = points[:5] + 0.1
    neighbours = linked.neighbours(new)
    for image, near, weights in zip(new, neighbours.indices, neighbours.weights, strict=True):
        distances = np.linalg.norm(points - image, axis=1)
        assert near.tolist() == np.argsort(distances)[:8].tolist()
        gaussian = np.exp(-((distances[near] / distances[near[-1]]) ** 2))
        np.testing.assert_allclose(weights, gaussian / gaussian.sum(), rtol=1e-3)


def test_the_same_features_give_the_same_graph_to_the_last_bit(moons, linked):
    again = graph.neighbour_graph(moons[0], neighbours=8, modes=20)
    for first, second in [(linked.modes, again.modes), (linked.rates, again.rates)]:
        np.testing.assert_array_equal(first, second)
    links = graph.link_neighbours(linked.search), graph.link_neighbours(again.search)
    assert (links[0] != links[1]).nnz == 0


def test_what_the_graph_holds_is_float32_and_in_order(moons, linked):
    weights = linked.neighbours(moons[0][:5]).weights
    for array in (linked.modes, linked.rates, linked.root_degree, weights):
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
    assert (np.diff(linked.rates) >= 0).all()


def test_a_new_image_asks_its_nearest_training_images(moons, linked):
    points, labels = moons
    neighbours = linked.neighbours(points + 0.001)
    np.testing.assert_allclose(neighbours.weights.sum(axis=1), 1, rtol=1e-5)
    votes = neighbours.average(np.eye(2, dtype=np.float32)[labels])
    assert (votes.argmax(axis=1) == labels.numpy()).mean() > 0.99


def test_requests_that_do_not_fit_are_refused(moons, linked):
    points, labels = moons
    with pytest.raises(ValueError, match="more images"):
        graph.neighbour_graph(points[:10])
    for neighbours, modes in [(12, 3), (3, 12)]:  # as many as there are images
        with pytest.raises(ValueError, match="more images"):
            graph.neighbour_graph(points[:12], neighbours, modes)
    with pytest.raises(ValueError, match="hold no values"):
        graph.neighbour_graph(points[:, :0])
    with pytest.raises(ValueError, match="finite"):
        graph.neighbour_graph(np.full_like(points, np.nan))
    with pytest.raises(ValueError, match="Each of the 2 classes"):
        graph.spread_labels(linked, torch.tensor([0]), labels[:1], n_classes=2)
    with pytest.raises(ValueError, match="exactly one label"):
        graph.spread_labels(linked, torch.tensor([0, 1]), labels[:1], n_classes=2)
