"""The graph of nearest neighbours: every training image a node, and diffusion along its edges.

Diffusion is computed with the graph's first eigenvectors, as in Garcia-Cardona et al. 2014.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import eigsh
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from vaelib.latent import FloatArray

TOLERANCE = 1e-5  # of the eigenvectors, relative
LARGEST = 1e15  # of a feature: its square must fit a float32
CONNECTING = 0.002  # weight of a connecting edge, where a near neighbour's is 0.37 to 1


@dataclass(frozen=True)
class Graph:
    """The graph of N training images, as far as diffusion on it needs.

    Attributes
    ----------
    search : finds the nearest training images of new features.
    eigenvalues : (Q,) of the normalised graph Laplacian, ascending from 0.
    eigenvectors : (N, Q) that belong to them.
    root_degree : (N, 1) square root of each node's degree, relative to the root mean square.
    """

    search: NearestNeighbors
    eigenvalues: Tensor
    eigenvectors: Tensor
    root_degree: Tensor

    @property
    def node_features(self) -> Tensor:
        """The eigenvectors as features of the training images, (N, Q): smooth along the edges."""
        return self.eigenvectors / self.root_degree * len(self.eigenvectors) ** 0.5

    def interpolate(self, features: ArrayLike, values: Tensor) -> Tensor:
        """Give new images the weighted mean of their nearest training images' values.

        `features` (M, Z) of the new images, `values` (N, ·) of the training images → (M, ·).
        Raises ValueError unless there is one row of values per training image.
        """
        if values.ndim != 2 or len(values) != len(self.eigenvectors):
            raise ValueError(
                f"Expected one row of values for each of {len(self.eigenvectors)} training "
                f"images, got {tuple(values.shape)}."
            )
        distances, indices = self.search.kneighbors(np.asarray(features))
        weights = _gaussian(distances)
        weights = torch.from_numpy(weights / weights.sum(axis=1, keepdims=True)).float()
        return torch.einsum("mk,mkd->md", weights, values[torch.from_numpy(indices)])


def neighbour_graph(features: ArrayLike, neighbours: int = 10, n_eigenvectors: int = 50) -> Graph:
    """Link each image to its nearest neighbours: features (N, Z).

    An edge weighs as a Gaussian of the distance whose width is the distance to the last
    neighbour, so that sparse regions are linked as well as dense ones (Zelnik-Manor & Perona
    2004). Raises ValueError where there are too few images, or features that are not finite.
    """
    features = np.asarray(features)
    most = max(neighbours, n_eigenvectors)
    if min(neighbours, n_eigenvectors, features[:1].size) < 1 or len(features) <= most:
        raise ValueError(
            f"A graph with {neighbours} neighbours and {n_eigenvectors} eigenvectors needs at "
            f"least one of each, and more images than that, with features (N, Z); got "
            f"{features.shape}."
        )
    if not np.abs(features).max() < LARGEST:  # also false for NaN
        raise ValueError(f"The features hold values that are not finite or above {LARGEST:g}.")
    search = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(features)
    weights = edges(search)
    root_degree = np.sqrt(np.asarray(weights.sum(axis=1)))  # (N, 1)
    scale = sparse.diags_array(1 / root_degree.ravel())
    similarity = (scale @ weights @ scale).astype(np.float32)  # I − the normalised Laplacian
    start = np.random.default_rng(0).standard_normal(len(features)).astype(np.float32)
    values, vectors = eigsh(similarity, k=n_eigenvectors, which="LA", tol=TOLERANCE, v0=start)
    order = np.argsort(-values)
    return Graph(
        search=search,
        eigenvalues=torch.from_numpy(np.clip(1 - values[order], 0, None)).float(),
        eigenvectors=torch.from_numpy(vectors[:, order].copy()).float(),
        root_degree=torch.from_numpy(root_degree / np.sqrt((root_degree**2).mean())).float(),
    )


def edges(search: NearestNeighbors) -> sparse.csr_matrix:
    """Return the symmetric weights of the edges between N images: (N, N), sparse, positive.

    Faint connecting edges run through all images in random order, so that no component is cut
    off from the others: diffusion, and the search for eigenvectors, need one component.
    """
    distances, indices = search.kneighbors()  # (N, K), each image itself left out
    n, k = indices.shape
    rows = np.repeat(np.arange(n), k)
    weights = sparse.csr_matrix((_gaussian(distances).ravel(), (rows, indices.ravel())), (n, n))
    order = np.random.default_rng(0).permutation(n)
    faint = np.full(n, CONNECTING)
    weights += sparse.csr_matrix((faint, (order, np.roll(order, 1))), (n, n))
    return (weights + weights.T) / 2


def diffuse(graph: Graph, scores: Tensor, time: float) -> Tensor:
    """Let label scores diffuse along the edges for some time: (N, C) → (N, C).

    `time` is in units in which the C-th eigenvector, the last of as many as there are classes,
    decays to 1/e: what differs between clusters remains, what differs within them fades.
    """
    decay = graph.eigenvalues / graph.eigenvalues[scores.shape[1] - 1]  # (Q,)
    coefficients = graph.eigenvectors.T @ (scores * graph.root_degree)  # (N, C) → (Q, C)
    coefficients *= torch.exp(-time * decay)[:, None]
    return graph.eigenvectors @ coefficients / graph.root_degree


def _gaussian(distances: FloatArray) -> NDArray[np.floating]:
    width = np.maximum(distances[:, -1:], 1e-12)
    return np.exp(-((distances / width) ** 2))
