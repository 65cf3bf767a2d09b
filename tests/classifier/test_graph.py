"""The neighbour graph against its definition, computed densely."""

import numpy as np
import pytest
import torch
from arguments import outcome, tensors
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from vaelib.classifier import diffuse, graph, neighbour_graph


@pytest.fixture(scope="module")
def points():
    """Three groups in the plane, which touch."""
    generator = np.random.default_rng(0)
    centres = 4 * np.eye(3, 2)[np.arange(300) % 3]
    return (centres + generator.standard_normal((300, 2))).astype(np.float32)


@pytest.fixture
def linked(points):
    return neighbour_graph(points, neighbours=8, n_eigenvectors=20)


@pytest.fixture
def weights(linked):
    return linked.edges()


def gaussian(distances):
    """Of distances in ascending order: as wide as the last one."""
    return np.exp(-((distances / distances[-1]) ** 2))


@pytest.fixture(scope="module")
def directed(points):
    """The similarities of each point to its eight neighbours, densely, without connecting edges."""
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    expected = np.zeros((300, 300))
    for i, row in enumerate(distances):
        near = np.argsort(row)[:8]
        expected[i, near] = gaussian(row[near])
    return expected


def test_similarities_are_the_definition_s_and_a_faint_ring(directed, linked):
    connecting = linked.similarities.toarray() - directed
    ring = connecting > graph.CONNECTING / 2
    np.testing.assert_allclose(connecting, graph.CONNECTING * ring, atol=1e-6)
    assert (ring.sum(axis=0) == 1).all()
    assert (ring.sum(axis=1) == 1).all()
    assert connected_components(ring)[0] == 1  # one ring, not several


@pytest.mark.parametrize("power", [1, 4])
def test_edges_are_the_mean_of_both_directions_similarities_to_a_power(linked, power):
    directed = linked.similarities.toarray().astype(np.float64) ** power
    weights = linked.edges() if power == 1 else linked.edges(power)
    np.testing.assert_allclose(weights.toarray(), (directed + directed.T) / 2, rtol=1e-5)
    assert (weights != weights.T).nnz == 0
    assert connected_components(weights)[0] == 1


def test_eigenvectors_are_those_of_the_normalised_laplacian(weights, linked):
    dense = weights.toarray()
    degree = dense.sum(axis=1)
    laplacian = np.eye(300) - dense / np.sqrt(degree[:, None] * degree[None])
    values, vectors = linked.eigenvalues.numpy(), linked.eigenvectors.numpy()
    np.testing.assert_allclose(values, np.linalg.eigvalsh(laplacian)[:20], atol=1e-4)
    assert (np.diff(values) >= 0).all()
    assert (values >= 0).all()
    residual = np.linalg.norm(laplacian @ vectors - vectors * values, axis=0)
    assert residual.max() < 0.01
    np.testing.assert_allclose(linked.root_degree.ravel() ** 2, degree / degree.mean(), rtol=1e-5)


def test_eigenvectors_are_orthonormal_and_the_first_is_the_root_of_the_degree(linked):
    vectors = linked.eigenvectors
    torch.testing.assert_close(vectors.T @ vectors, torch.eye(20), atol=1e-3, rtol=0)
    # as exact as eigsh is asked to be: from other starts, 0.002 was seen
    first = (vectors[:, :1] / linked.root_degree).abs() * 300**0.5
    torch.testing.assert_close(first, torch.ones(300, 1), atol=5e-3, rtol=0)


def test_scores_diffuse_as_heat_does(weights, linked):
    """By the matrix exponential of the first 20 eigenvectors, densely and in float64."""
    dense = weights.toarray()
    root = np.sqrt(dense.sum(axis=1))
    values, vectors = np.linalg.eigh(np.eye(300) - dense / np.outer(root, root))
    decay = np.exp(-0.7 * values[:20] / values[2])  # three classes: the slowest of three decays
    operator = vectors[:, :20] * decay @ vectors[:, :20].T * root / root[:, None]
    scores = torch.rand(300, 3, generator=torch.Generator().manual_seed(0))
    found = diffuse(linked, scores, 0.7)
    torch.testing.assert_close(
        found.double(), torch.tensor(operator) @ scores.double(), atol=1e-3, rtol=0
    )
    total = (linked.root_degree**2 * scores).sum(dim=0)  # no heat is lost
    torch.testing.assert_close((linked.root_degree**2 * found).sum(dim=0), total, atol=0.01, rtol=0)


def test_new_images_take_their_neighbours_weighted_mean(points, linked):
    new = points[:5] + 0.1
    values = np.random.default_rng(0).random((300, 2))
    shares = linked.interpolation(torch.from_numpy(new))
    assert shares.shape == (5, 300)
    for image, found in zip(new, shares @ values, strict=True):
        distances = np.linalg.norm(points - image, axis=1)
        near = np.argsort(distances)[:8]
        share = gaussian(distances[near]) / gaussian(distances[near]).sum()
        np.testing.assert_allclose(found, share @ values[near], rtol=1e-3)


def test_an_image_among_copies_of_itself_has_finite_weights():
    copies = np.repeat(np.eye(3, dtype=np.float32), 20, axis=0)  # all ten neighbours at distance 0
    graph = neighbour_graph(copies, neighbours=10, n_eigenvectors=5)
    assert graph.eigenvectors.isfinite().all()
    np.testing.assert_allclose(graph.interpolation(copies[:1]).sum(axis=1), 1, rtol=1e-6)


def test_the_same_features_give_the_same_graph_to_the_last_bit(points):
    first = neighbour_graph(points)
    again = neighbour_graph(torch.from_numpy(points), neighbours=10, n_eigenvectors=50)
    for name in ("eigenvectors", "eigenvalues", "root_degree"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert getattr(first, name).dtype == torch.float32
    assert (first.similarities != again.similarities).nnz == 0


SHAPES = st.tuples(st.integers(0, 12), st.integers(0, 3))
FEATURES = tensors(SHAPES, st.just(np.float32), st.floats(-30, 30, width=32))


@given(FEATURES, st.integers(-1, 5), st.integers(-1, 5))
@example(torch.arange(6.0)[:, None], 1, 1)
@example(torch.arange(6.0)[:, None], 5, 5)
@example(torch.arange(6.0)[:, None], 6, 1)
@example(torch.arange(6.0)[:, None], 1, 6)
@example(torch.tensor([[0.0], [1.0], [2.0], [torch.nan]]), 1, 1)
@example(
    torch.tensor([[0.0], [1.0], [2.0], [-2 * graph.LARGEST]]), 1, 1
)  # its square is not finite
def test_a_graph_is_finite_or_an_error(features, neighbours, n_eigenvectors):
    found, error = outcome(neighbour_graph, features.numpy(), neighbours, n_eigenvectors)
    fit = features.numel() > 0 and bool((features.abs() < graph.LARGEST).all())
    sizes = (neighbours, n_eigenvectors)
    assert (error is None) == (fit and min(sizes) >= 1 and max(sizes) < len(features))
    if error is None:
        assert found.eigenvectors.shape == (len(features), n_eigenvectors)
        assert found.eigenvectors.isfinite().all()
        assert (found.root_degree > 0).all()
        assert 0 <= found.eigenvalues[0] < 1e-4
