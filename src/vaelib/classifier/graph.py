"""The graph of nearest neighbours: every training image a node, and diffusion along its edges.

Diffusion is computed with the graph's first eigenvectors, as in Garcia-Cardona et al. 2014.
"""

from dataclasses import dataclass
from functools import cached_property

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


@dataclass(frozen=True, eq=False)
class Graph:
    """The graph of N training images.

    Attributes
    ----------
    search : finds the nearest training images of new features.
    similarities : (N, N) sparse, of each image to its neighbours, from 0.37 to 1, and faint
        ones that connect all.
    eigenvalues : (Q,) of the normalised graph Laplacian, ascending from 0.
    eigenvectors : (N, Q) that belong to them.
    root_degree : (N, 1) square root of each node's degree, relative to the root mean square.
    """

    search: NearestNeighbors
    similarities: sparse.csr_array
    eigenvalues: Tensor
    eigenvectors: Tensor
    root_degree: Tensor

    def edges(self, power: int = 1) -> sparse.csr_array:
        """Return the weights of the edges, (N, N) sparse and symmetric; a power sharpens them."""
        directed = self.similarities.power(power)
        return 0.5 * (directed + directed.T)

    @cached_property
    def weights(self) -> sparse.csr_array:
        """The edges, (N, N): what a cut is measured in."""
        return self.edges()

    @cached_property
    def walk(self) -> sparse.csr_array:
        """One step of a random walk along the edges, near neighbours preferred: (N, N)."""
        sharper = self.edges(power=4)
        return sparse.diags_array(1 / sharper.sum(axis=1), dtype=np.float32) @ sharper

    def interpolation(self, features: ArrayLike) -> sparse.csr_array:
        """Return the weights with which new images (M, Z) average their neighbours: (M, N)."""
        distances, indices = self.search.kneighbors(np.asarray(features))
        weights = _rows(distances, indices, len(self.eigenvectors))
        return sparse.diags_array(1 / weights.sum(axis=1), dtype=np.float32) @ weights


def neighbour_graph(
    features: ArrayLike,
    neighbours: int = 10,
    n_eigenvectors: int = 50,
    search: NearestNeighbors | None = None,
) -> Graph:
    """Link each image to its nearest neighbours: features (N, Z).

    An edge weighs as a Gaussian of the distance whose width is the distance to the last
    neighbour, so that sparse regions are linked as well as dense ones (Zelnik-Manor & Perona
    2004). Faint connecting edges run through all images in random order, so that no component is
    cut off from the others: diffusion, and the search for eigenvectors, need one component.
    `search` finds neighbours in place of scikit-learn's exact search, whose time grows as N²: any
    object with its `fit` and `kneighbors`, such as one around faiss.
    Raises ValueError where there are too few images, or features that are not finite.
    """
    features = np.asarray(features)
    n, most = len(features), max(neighbours, n_eigenvectors)
    if min(neighbours, n_eigenvectors, features[:1].size) < 1 or n <= most:
        raise ValueError(
            f"A graph with {neighbours} neighbours and {n_eigenvectors} eigenvectors needs at "
            f"least one of each, and more images than that, with features (N, Z); got "
            f"{features.shape}."
        )
    if not np.abs(features).max() < LARGEST:  # also false for NaN
        raise ValueError(f"The features hold values that are not finite or above {LARGEST:g}.")
    search = search or NearestNeighbors(n_neighbors=neighbours, algorithm="brute")
    search.fit(features)
    similarities = _rows(*search.kneighbors(), n)  # each image itself left out
    order = np.random.default_rng(0).permutation(n)
    faint = np.full(n, CONNECTING, dtype=np.float32)
    similarities += sparse.csr_array((faint, (order, np.roll(order, 1))), (n, n))
    weights = 0.5 * (similarities + similarities.T)
    root_degree = np.sqrt(weights.sum(axis=1))  # (N,)
    scale = sparse.diags_array(1 / root_degree, dtype=np.float32)
    start = np.random.default_rng(0).standard_normal(n).astype(np.float32)
    values, vectors = eigsh(  # of I − the normalised Laplacian
        scale @ weights @ scale, k=n_eigenvectors, which="LA", tol=TOLERANCE, v0=start
    )
    order = np.argsort(-values)
    return Graph(
        search=search,
        similarities=similarities,
        eigenvalues=torch.from_numpy(np.clip(1 - values[order], 0, None)).float(),
        eigenvectors=torch.from_numpy(vectors[:, order].copy()).float(),
        root_degree=torch.from_numpy(root_degree / np.sqrt((root_degree**2).mean())).float()[
            :, None
        ],
    )


def diffuse(graph: Graph, scores: Tensor, time: float) -> Tensor:
    """Let class scores diffuse along the edges for some time: (N, C) → (N, C).

    `time` is in units in which the C-th eigenvector, the last of as many as there are classes,
    decays to 1/e: what differs between clusters remains, what differs within them fades.
    """
    decay = graph.eigenvalues / graph.eigenvalues[scores.shape[1] - 1]  # (Q,)
    # in this order it is three times as fast
    coefficients = (scores * graph.root_degree).T @ graph.eigenvectors  # (N, C) → (C, Q)
    coefficients *= torch.exp(-time * decay)
    return graph.eigenvectors @ coefficients.T / graph.root_degree


def _rows(distances: FloatArray, indices: NDArray[np.integer], n: int) -> sparse.csr_array:
    """Return the similarities of M images to their K neighbours among N: (M, N), sparse."""
    width = np.maximum(distances[:, -1:], 1e-12)
    similarities = np.exp(-((distances / width) ** 2)).astype(np.float32)
    m, k = indices.shape
    rows = np.repeat(np.arange(m), k)
    return sparse.csr_array((similarities.ravel(), (rows, indices.ravel())), (m, n))
