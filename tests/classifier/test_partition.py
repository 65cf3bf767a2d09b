"""Clusters without a label: every step by hand, what sizes are found, and what warns of noise."""

import math
from dataclasses import replace
from importlib import import_module
from itertools import permutations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from arguments import outcome, tensors
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.cluster import KMeans

from vaelib.classifier import (
    TIMES,
    Graph,
    diffuse,
    matched,
    merge,
    neighbour_graph,
    normalised_cut,
    partition,
    refine,
    sinkhorn,
    threshold_dynamics,
)
from vaelib.classifier.partition import AGREED, FREE_BELOW, decide


def groups(sizes, spread, dimensions=5, seed=1):
    """Groups of points about the corners of a simplex: their graph, and who belongs where."""
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    noise = np.random.default_rng(seed).standard_normal((len(labels), dimensions))
    points = 1.5 * np.eye(len(sizes), dimensions)[labels] + spread * noise
    return neighbour_graph(points.astype(np.float32), neighbours=8, n_eigenvectors=20), labels


steps = import_module("vaelib.classifier.partition")  # the package's attribute is the function


@pytest.fixture(scope="module")
def touching():
    """Four groups that run into each other, so that every number shows in some image between."""
    return groups((100, 100, 100, 100), 0.7)


def accuracy(found, labels):
    best = matched(found.clusters, labels, len(found.sizes))
    return (best[found.clusters] == labels).float().mean().item()


# --- the steps, in float64 -----------------------------------------------------------------------


def sinkhorn_by_hand(scores, sizes, iterations=20):
    """Rows and columns in turn, the rows last."""
    scores = scores.astype(np.float64)
    for _ in range(iterations):
        scores = scores / scores.sum(axis=1, keepdims=True)
        scores = scores / scores.sum(axis=0) * np.asarray(sizes)
    return scores / scores.sum(axis=1, keepdims=True)


def decided_by_hand(scores, sizes):
    if sizes is not None:
        scores = sinkhorn_by_hand(np.maximum(scores, 1e-6), sizes)
    return scores.argmax(axis=1)


SIZES = [None, (100.0, 100.0, 100.0, 100.0), (180.0, 120.0, 70.0, 30.0)]


@pytest.mark.parametrize("iterations", [1, 20])
@pytest.mark.parametrize("sizes", [(40 / 3, 40 / 3, 40 / 3), (25.0, 10.0, 5.0)])
def test_normalisation_is_sinkhorn_s_to_the_iteration(iterations, sizes):
    """On scores so uneven that the next iteration would still change them."""
    scores = np.full((40, 3), 1e-3)
    scores[np.arange(40), np.repeat([0, 1, 2], [14, 13, 13])] = 1
    wanted = torch.tensor(sizes)
    passed = torch.from_numpy(scores).float(), wanted
    found = sinkhorn(*passed) if iterations == 20 else sinkhorn(*passed, iterations)
    np.testing.assert_allclose(found, sinkhorn_by_hand(scores, sizes, iterations), rtol=1e-3)
    for other in (iterations - 1, iterations + 1):
        assert not np.allclose(found, sinkhorn_by_hand(scores, sizes, other), rtol=1e-3)


@pytest.mark.parametrize("sizes", [(40.0, 40.0, 40.0, 40.0, 40.0), (90.0, 50.0, 30.0, 20.0, 10.0)])
def test_normalised_scores_have_the_promised_margins(sizes):
    scores = torch.rand(200, 5, generator=torch.Generator().manual_seed(0)) + 0.01
    balanced = sinkhorn(scores, torch.tensor(sizes), iterations=200)
    torch.testing.assert_close(balanced.sum(dim=1), torch.ones(200))
    torch.testing.assert_close(balanced.sum(dim=0), torch.tensor(sizes), rtol=1e-3, atol=0)


SCORES = st.one_of(
    st.floats(2**-20, 30, width=32), st.sampled_from([0.0, -1.0, math.inf, -math.inf, math.nan])
)


@given(tensors(elements=SCORES), st.integers(-1, 1))
@example(torch.tensor([[0.0, 1.0]]), 0)
@example(torch.tensor([[1.0, math.inf]]), 0)
@example(torch.tensor([[1.0, math.nan]]), 0)
@example(torch.tensor([1.0, 2.0]), 0)
@example(torch.tensor([[1.0, 2.0]]), -1)
@example(torch.tensor([[1.0, 2.0]]), 1)
def test_normalised_rows_add_up_to_one_or_are_an_error(scores, more):
    """With as many sizes as columns, and with one more or less."""
    columns = scores.shape[-1] if scores.ndim else 0
    scores = scores.float()
    positive = bool(((scores > 0) & (scores < math.inf)).all()) and scores.numel() > 0
    found, error = outcome(sinkhorn, scores, torch.ones(max(columns + more, 0)))
    assert (error is None) == (positive and scores.ndim == 2 and more == 0)
    if error is None:
        torch.testing.assert_close(found.sum(dim=1), torch.ones(len(scores)))


def test_a_decision_is_the_highest_score_by_size_if_there_is_one():
    scores = torch.tensor([[0.9, 0.1], [0.9, -0.1], [0.6, 0.3], [0.6, 0.3]])
    assert decide(scores, None).tolist() == [0, 0, 0, 0]
    assert decide(scores, torch.tensor([2.0, 2.0])).tolist() == [0, 0, 1, 1]
    assert decide(scores, torch.tensor([0.5, 3.5])).tolist() == [1, 0, 1, 1]  # −0.1 is next to 0


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("times", [(1.0,), (0.3,), (3.0, 0.5), (1.0, 1.0, 0.4)])
def test_threshold_dynamics_are_diffusion_and_decision_by_turns(touching, sizes, times):
    graph, truth = touching
    rows = np.arange(0, 400, 40)
    values, root = graph.eigenvalues.double().numpy(), graph.root_degree.double().numpy()
    vectors = graph.eigenvectors.double().numpy()
    start = np.zeros((400, 4))
    start[rows, truth[rows]] = 1
    scores = start
    for time in times:
        decay = np.diag(np.exp(-time * values / values[3]))
        diffused = vectors @ decay @ vectors.T @ (scores * root) / root
        decided = decided_by_hand(diffused, sizes)
        scores = np.eye(4)[decided]
    found = threshold_dynamics(
        graph,
        torch.from_numpy(start).float(),
        times,
        None if sizes is None else torch.tensor(sizes),
    )
    assert (found.numpy() == decided).all()


def graph_of(edges, n):
    """Return a graph of edges (one, other, weight), without what only diffusion needs."""
    one, other, weight = zip(*edges, strict=True)
    directed = sparse.csr_array((np.float32(weight), (one, other)), (n, n))
    nothing = torch.zeros(n, 1)
    return Graph(None, directed + directed.T, torch.zeros(1), nothing, nothing)


def test_refinement_follows_single_edges():
    """Two squares and an image between them, nearer to the first."""
    square = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 3)]
    edges = [(i + by, j + by, 1.0) for by in (0, 4) for i, j in square]
    graph = graph_of([*edges, (8, 0, 1.0), (8, 1, 1.0), (8, 4, 0.8)], 9)
    near, far = [0, 0, 0, 0, 1, 1, 1, 1, 0], [0, 0, 0, 0, 1, 1, 1, 1, 1]
    sizes = torch.tensor([5.0, 4.0])
    assert refine(graph, torch.tensor(far), sizes).tolist() == near
    assert refine(graph, torch.tensor(near), sizes).tolist() == near


@pytest.mark.parametrize("sizes", SIZES[1:])
def test_refinement_is_twelve_steps_and_a_decision_until_no_image_moves(touching, sizes):
    graph, truth = touching
    weights = graph.similarities.toarray().astype(np.float64) ** 4
    weights = weights + weights.T
    walk = np.linalg.matrix_power(weights / weights.sum(axis=1, keepdims=True), 12)
    start = threshold_dynamics(graph, F.one_hot(truth).float(), (1.0,), torch.tensor(sizes))
    rounds = [start.numpy()]
    while len(rounds) <= 10 and not (len(rounds) > 1 and (rounds[-1] == rounds[-2]).all()):
        rounds.append(decided_by_hand(walk @ np.eye(4)[rounds[-1]], sizes))
    assert len(rounds) > 3  # not yet there after the first round
    found = refine(graph, start, torch.tensor(sizes))
    assert (found.numpy() == rounds[-1]).all()


def test_refinement_stops_when_no_image_moves_and_after_ten_rounds(touching, monkeypatch):
    graph, truth = touching
    asked = []

    def restless(scores, *arguments):
        asked.append(scores)
        return (truth + len(asked)) % 4

    monkeypatch.setattr(steps, "decide", restless)
    found = refine(graph, truth, torch.full((4,), 100.0))
    assert len(asked) == 10
    assert torch.equal(found, (truth + 10) % 4)
    asked.clear()
    monkeypatch.setattr(steps, "decide", lambda *arguments: asked.append(0) or truth)
    assert torch.equal(refine(graph, truth, torch.full((4,), 100.0)), truth)
    assert len(asked) == 1


def test_what_is_merged_first_depends_on_the_power():
    """Four pairs: two large with a link of 40, two small with one of 1.

    Volumes are 100, 100, 5 and 5. As a share of the product, 40/10,000 is less than 1/25; of its
    root, 40/100 is more than 1/5.
    """
    edges = [(0, 1, 30.0), (2, 3, 30.0), (0, 2, 40.0), (4, 5, 2.0), (6, 7, 2.0), (4, 6, 1.0)]
    weights = graph_of(edges, 8).edges()
    pieces = torch.tensor([3, 3, 1, 1, 0, 0, 2, 2])
    small_first = [[0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], *[[1, 0, 0]] * 4]
    large_first = [*[[1, 0, 0]] * 4, [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]
    assert sorted_columns(merge(weights, pieces, 3)) == sorted_columns(small_first)
    assert sorted_columns(merge(weights, pieces, 3, power=0.5)) == sorted_columns(large_first)
    halves = sorted_columns([*[[1, 0]] * 4, *[[0, 1]] * 4])
    for power in (0.5, 1.0):
        assert sorted_columns(merge(weights, pieces, 2, power)) == halves
        assert sorted_columns(merge(weights, pieces, 4, power)) == sorted_columns(F.one_hot(pieces))


def sorted_columns(member):
    return sorted(torch.as_tensor(member).T.tolist())


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_pieces_with_the_strongest_link_are_merged_and_the_largest_comes_first(touching, power):
    graph, _ = touching
    weights = graph.edges().toarray().astype(np.float64)
    pieces = torch.randint(9, (400,), generator=torch.Generator().manual_seed(3))
    clusters = [set(np.flatnonzero(pieces == p)) for p in range(9)]

    def strength(one, other):
        volume = [weights[list(part)].sum() for part in (one, other)]
        return weights[np.ix_(list(one), list(other))].sum() / np.prod(volume) ** power

    for left in (8, 7, 6, 5, 4, 3, 2):
        pairs = [(a, b) for i, a in enumerate(clusters) for b in clusters[i + 1 :]]
        one, other = max(pairs, key=lambda pair: strength(*pair))
        clusters = [c for c in clusters if c not in (one, other)] + [one | other]
        found = merge(graph.edges(), pieces, left, power)
        assert found.dtype == torch.float32
        assert sorted(map(len, clusters), reverse=True) == found.sum(dim=0).tolist()
        parts = [set(np.flatnonzero(column)) for column in found.T]
        assert sorted(map(sorted, parts)) == sorted(map(sorted, clusters))


def test_a_cut_is_each_cluster_s_share_of_edges_that_leave_it(touching):
    graph, truth = touching
    weights = graph.edges()
    dense, clusters = weights.toarray().astype(np.float64), truth.numpy()
    expected = 0.0
    for cluster in range(4):
        inside = clusters == cluster
        expected += dense[inside][:, ~inside].sum() / dense[inside].sum()
    assert normalised_cut(weights, truth, 4) == pytest.approx(expected, rel=1e-5)
    assert normalised_cut(weights, truth, 6) == pytest.approx(expected + 2, rel=1e-5)  # two empty
    assert normalised_cut(weights, torch.zeros_like(truth), 1) == pytest.approx(0, abs=1e-6)
    pairs = graph_of([(0, 1, 1.0), (2, 3, 0.05)], 4).edges()
    assert normalised_cut(pairs, torch.tensor([0, 0, 1, 1]), 2) == pytest.approx(0, abs=1e-6)
    assert normalised_cut(pairs, torch.tensor([0, 1, 0, 1]), 2) == pytest.approx(2)


def agree(clusters, others, n_clusters):
    """The share of images on which two partitions agree, however the clusters are numbered."""
    renamed = [torch.tensor(names)[clusters] for names in permutations(range(n_clusters))]
    return max((each == others).double().mean().item() for each in renamed)


def test_matched_clusters_agree_on_most_images():
    generator = torch.Generator().manual_seed(0)
    clusters, others = torch.randint(4, (2, 60), generator=generator)
    names = matched(clusters, others, 4)
    assert sorted(names.tolist()) == [0, 1, 2, 3]
    assert (names[clusters] == others).double().mean() == agree(clusters, others, 4)
    turned = torch.tensor([2, 0, 3, 1])
    assert torch.equal(matched(clusters, turned[clusters], 4), turned)


# --- all of them ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("graph", "sizes", "n_starts"),
    [
        (groups((100, 100, 100), 0.75)[0], None, 4),
        (groups((600, 150, 60), 0.5, seed=0)[0], None, 4),  # estimated
        (groups((600, 150, 60), 0.6, seed=1)[0], None, 4),  # free ones cut a little less
        (groups((600, 150, 60), 0.6, seed=1)[0], (600.0, 150.0, 60.0), 3),
        (groups((300,), 1.0, seed=0)[0], None, 2),
    ],
)
def test_a_partition_is_what_its_steps_make(graph, sizes, n_starts):
    """Pieces, merged; threshold dynamics; of several the smallest cut; equal or free; refined."""
    n, weights = len(graph.eigenvectors), graph.edges()
    fading = torch.exp(-0.25 * graph.eigenvalues / graph.eigenvalues[2])
    places = (graph.eigenvectors / graph.root_degree * fading)[:, :6]
    pieces = [
        torch.from_numpy(KMeans(6, n_init=1, random_state=seed).fit_predict(places.numpy())).long()
        for seed in range(n_starts)
    ]

    def best_of(power, times, wanted):
        ends = [
            threshold_dynamics(graph, merge(weights, each, 3, power), times, wanted)
            for each in pieces
        ]
        cuts = [normalised_cut(weights, end, 3) for end in ends]
        best = cuts.index(min(cuts))
        others = [agree(end, ends[best], 3) for k, end in enumerate(ends) if k != best]
        return ends[best], min(cuts), np.mean(others)

    wanted = torch.full((3,), n / 3) if sizes is None else torch.tensor(sizes)
    best, sizes_are = best_of(1.0, TIMES, wanted), "equal" if sizes is None else "given"
    free = best_of(0.5, (0.4, 0.3, 0.3), None)
    if sizes is None and free[1] < FREE_BELOW * best[1]:
        best, sizes_are, wanted = free, "estimated", free[0].bincount(minlength=3).float()
    found = partition(graph, 3, sizes, n_starts)
    assert torch.equal(found.clusters, refine(graph, best[0], wanted))
    assert torch.equal(found.sizes, wanted)
    assert found.sizes_are == sizes_are
    assert found.cut == pytest.approx(best[1])
    assert found.agreement == pytest.approx(best[2], abs=1e-6)
    member = diffuse(graph, F.one_hot(found.clusters, 3).float(), 0.6).clamp_min(1e-6)
    by_hand = np.log(sinkhorn_by_hand(member.numpy(), wanted))
    np.testing.assert_allclose(found.log_p, by_hand, rtol=0, atol=1e-4)


@pytest.mark.parametrize("spread", [0.3, 0.7])
def test_the_same_graph_has_the_same_partition_to_the_last_bit(spread):
    first, again = (partition(groups((200, 150, 100), spread)[0], 3) for _ in range(2))
    assert torch.equal(first.clusters, again.clusters)
    assert torch.equal(first.sizes, again.sizes)
    for name in ("sizes_are", "cut", "agreement"):
        assert getattr(first, name) == getattr(again, name)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("counts", "sizes_are"), [((600, 150, 60), "estimated"), ((200, 200, 200), "equal")]
)
def test_unequal_groups_are_found_and_equal_ones_are_taken_to_be_equal(counts, sizes_are, seed):
    graph, labels = groups(counts, 0.4, seed=seed)
    found = partition(graph, 3)
    assert found.sizes_are == sizes_are
    assert accuracy(found, labels) > 0.985
    torch.testing.assert_close(found.sizes, torch.tensor(counts).float(), rtol=0.1, atol=0)
    assert found.sizes.sum() == len(labels)


@pytest.mark.parametrize("sizes", [(600, 150, 60), (60, 600, 150), (150.0, 60.0, 600.0)])
def test_sizes_that_are_known_are_given_in_any_order(sizes):
    """Of groups which touch so much that unknown sizes are taken to be equal: 53 % are right."""
    graph, labels = groups((600, 150, 60), 0.6, seed=1)
    assert accuracy(partition(graph, 3), labels) < 0.6
    found = partition(graph, 3, sizes)
    assert found.sizes_are == "given"
    assert found.sizes.tolist() == [600, 150, 60]
    assert accuracy(found, labels) > 0.85


def test_a_free_partition_whose_cluster_has_died_out_is_not_taken():
    """Five groups in six clusters: the sixth one, left free, is swallowed, and cuts least."""
    graph, _ = groups((450, 139, 60, 57, 45), 0.2, dimensions=8, seed=14)
    found = partition(graph, 6)
    assert found.sizes.min() > 0
    assert found.sizes_are == "equal"


@pytest.mark.parametrize("seed", range(4))
def test_starts_that_disagree_warn_of_points_without_clusters(seed):
    noise = np.random.default_rng(seed).random((600, 5)).astype(np.float32)
    found = partition(neighbour_graph(noise, neighbours=8, n_eigenvectors=20), 8)
    assert found.agreement < AGREED
    assert found.is_doubtful
    assert found.cut > 1
    grouped = partition(groups((75,) * 8, 0.25, dimensions=8, seed=seed)[0], 8)
    assert grouped.agreement > 0.99
    assert grouped.cut < 0.1


@pytest.mark.parametrize(
    ("n_clusters", "sizes", "n_starts", "said"),
    [
        (1, None, 4, "2 or more"),
        (11, None, 4, "20 eigenvectors"),
        (4, (100, 100, 100), 4, "4 clusters must add up to 400"),
        (4, (100, 100, 100, 99), 4, "4 clusters must add up to 400"),
        (4, (150, 100, 150, 0), 4, "4 clusters must add up to 400"),
        (4, (150, 100, 150.5, -0.5), 4, "4 clusters must add up to 400"),
        (4, (150, 100, 150, math.nan), 4, "4 clusters must add up to 400"),
        (4, 400, 4, "4 clusters must add up to 400"),
        (4, None, 1, "two of them or more, not 1"),
        (4, None, 0, "two of them or more, not 0"),
    ],
)
def test_clusters_that_do_not_fit_are_refused(touching, n_clusters, sizes, n_starts, said):
    with pytest.raises(ValueError, match=said):
        partition(touching[0], n_clusters, sizes, n_starts)


@pytest.mark.parametrize(("n_clusters", "sizes"), [(2, (1, 399)), (10, None)])
def test_two_clusters_one_of_one_image_or_half_as_many_as_eigenvectors_will_do(
    touching, n_clusters, sizes
):
    found = partition(touching[0], n_clusters, sizes)
    assert found.clusters.shape == (400,)
    assert found.clusters.max() < n_clusters
    assert 0 < found.cut < n_clusters


def test_a_large_cut_is_doubtful_even_where_the_starts_agree():
    found = partition(groups((75,) * 4, 0.25, dimensions=8, seed=0)[0], 4)
    assert not found.is_doubtful
    assert replace(found, cut=0.7).is_doubtful
    assert replace(found, agreement=0.8).is_doubtful


def test_no_time_to_diffuse_is_an_error():
    graph, labels = groups((75,) * 4, 0.25, dimensions=8, seed=0)
    with pytest.raises(ValueError, match="there is none"):
        threshold_dynamics(graph, torch.rand(len(labels), 4), ())
