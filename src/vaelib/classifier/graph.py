"""Using the unlabelled images a second time: labels spread over the graph of nearest neighbours.

Every training image is a node, linked to its nearest neighbours in the latent space. A few nodes
have labels. Labels flow along the links as heat does; then each image decides for a class, with
as many images in every class; then the decisions flow. A new image, which is no node of the
graph, looks up its nearest training images.

The balanced decisions follow the auction dynamics of Jacobs, Merkurjev & Esedoglu 2018; the flow
in the graph's first eigenvectors follows Garcia-Cardona et al. 2014.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import eigsh
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from vaelib._machine.memory import give_back
from vaelib.latent import FloatArray

N_NEIGHBOURS = 10
N_MODES = 50
TOLERANCE = 1e-5  # of the modes, relative
LARGEST = 1e15  # of a feature: its square must fit a float32
FAINT = 0.002  # the ring's weight, where a near neighbour's is 0.37 to 1
# how long the labels flow before each round of decisions: first far, then only around the borders
SCHEDULE = (1.0, 1.0, 1.0, 0.6, 0.6, 0.4, 0.4, 0.3, 0.3)


@dataclass(frozen=True)
class Neighbours:
    """For each of M images its nearest training images, and how much each of them counts.

    `indices`: (M, K) rows of the training features. `weights`: (M, K), Gaussian in the distance
    with the K-th neighbour's as its width, each row adding up to 1. `n_training` is N.
    """

    indices: NDArray[np.int64]
    weights: FloatArray
    n_training: int

    def average(self, values: FloatArray) -> FloatArray:
        """Return the weighted mean of the neighbours' values: (N, ·) → (M, ·).

        Raises ValueError unless there is one row of values for each training image.
        """
        if values.ndim != 2 or len(values) != self.n_training:
            raise ValueError(
                f"Expected one row of values for each of {self.n_training} training images, "
                f"got {values.shape}."
            )
        return np.einsum("mk,mkd->md", self.weights, values[self.indices])


@dataclass(frozen=True)
class Graph:
    """The graph of N training images, as far as labels flow on it.

    Attributes
    ----------
    search : finds the nearest training images of new features.
    rates : (Q,) how fast each mode of the graph decays, ascending from 0.
    modes : (N, Q) the modes: the first eigenvectors of the graph's normalised Laplacian.
    root_degree : (N, 1) square root of each node's degree, relative to the mean.
    """

    search: NearestNeighbors
    rates: FloatArray
    modes: FloatArray
    root_degree: FloatArray

    def neighbours(self, features: FloatArray) -> Neighbours:
        """Find the nearest training images of new images: features (M, Z)."""
        distances, indices = self.search.kneighbors(features)
        return Neighbours(indices, _weights(distances), len(self.modes))

    @property
    def node_features(self) -> FloatArray:
        """The modes as features of the training images, (N, Q): alike where heat soon mixes."""
        return self.modes / self.root_degree * len(self.modes) ** 0.5


def neighbour_graph(
    features: FloatArray, neighbours: int = N_NEIGHBOURS, modes: int = N_MODES
) -> Graph:
    """Link each image to its nearest neighbours: features (N, Z).

    The links weigh as a Gaussian of the distance whose width is the distance to the last
    neighbour, so that sparse regions are linked as well as dense ones (Zelnik-Manor & Perona
    2004). Raises ValueError where there are too few images.
    """
    if min(neighbours, modes) < 1 or features.ndim != 2 or len(features) <= max(neighbours, modes):
        raise ValueError(
            f"A graph with {neighbours} neighbours and {modes} modes needs at least one of each, "
            f"and more images than that, with features (N, Z); got {features.shape}."
        )
    if features.size == 0 or not np.abs(features).max() < LARGEST:  # also false for NaN
        raise ValueError(
            f"The features hold no values, or some that are not finite or above {LARGEST:g}."
        )
    search = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(features)
    links = link_neighbours(search)
    root_degree = np.sqrt(np.asarray(links.sum(axis=1)))  # (N, 1)
    scale = sparse.diags_array(1 / root_degree.ravel())
    normalised = (scale @ links @ scale).astype(np.float32)
    start = np.random.default_rng(0).standard_normal(len(features)).astype(np.float32)
    values, vectors = eigsh(normalised, k=modes, which="LA", tol=TOLERANCE, v0=start)
    order = np.argsort(-values)
    graph = Graph(
        search=search,
        rates=np.clip(1 - values[order], 0, None).astype(np.float32),
        modes=np.ascontiguousarray(vectors[:, order], dtype=np.float32),
        root_degree=(root_degree / np.sqrt((root_degree**2).mean())).astype(np.float32),
    )
    del links, normalised, vectors
    give_back()
    return graph


def link_neighbours(search: NearestNeighbors) -> sparse.csr_matrix:
    """Return the symmetric links between N images: (N, N), sparse, positive.

    A faint ring through all images in random order is added, so that no piece of the graph is
    cut off from the others: the flow, and the search for its modes, need one piece.
    """
    distances, indices = search.kneighbors()  # (N, K), each image itself left out
    n, k = indices.shape
    rows = np.repeat(np.arange(n), k)
    links = sparse.csr_matrix((_gaussian(distances).ravel(), (rows, indices.ravel())), (n, n))
    ring = np.random.default_rng(0).permutation(n)
    faint = np.full(n, FAINT)
    links += sparse.csr_matrix((faint, (ring, np.roll(ring, 1))), (n, n))
    return (links + links.T) / 2


def spread_labels(
    graph: Graph,
    chosen: Tensor,
    labels: Tensor,
    n_classes: int,
    schedule: Sequence[float] = SCHEDULE,
) -> Tensor:
    """Spread the labels of a few training images over all of them.

    In each round the labels flow along the graph for some time; then every image decides for
    the class that reaches it most, under the condition that all classes end with the same
    share of the images. The labels that were given never change.

    Parameters
    ----------
    chosen : (L,) the rows of the graph that have a label.
    labels : (L,) their classes.
    n_classes : how many classes there are: 2 to the number of modes.
    schedule : the time of each round, in units of the slowest decay among `n_classes` modes.

    Returns
    -------
    (N,) the class of every training image.

    Raises
    ------
    ValueError
        Where a class has no label, or the arguments do not fit.
    """
    n, n_modes = graph.modes.shape
    if not 2 <= n_classes <= n_modes:
        raise ValueError(f"{n_classes} classes must be 2 or more, up to the {n_modes} modes.")
    if chosen.shape != labels.shape or chosen.ndim != 1 or len(chosen.unique()) != len(chosen):
        raise ValueError("Every chosen image needs exactly one label, and to be chosen once.")
    if {chosen.dtype, labels.dtype} != {torch.int64}:
        raise ValueError(f"Rows and labels must be int64, not {chosen.dtype}, {labels.dtype}.")
    if labels.unique().tolist() != list(range(n_classes)):
        raise ValueError(f"Each of the {n_classes} classes needs at least one label to spread.")
    if not 0 <= chosen.min() <= chosen.max() < n:
        raise ValueError(f"The chosen rows must lie in 0 to {n - 1}, the images of the graph.")
    if len(schedule) == 0 or not all(0 < time < math.inf for time in schedule):
        raise ValueError(f"The schedule needs at least one positive time, not {schedule}.")
    modes, root_degree = torch.from_numpy(graph.modes), torch.from_numpy(graph.root_degree)
    rates = torch.from_numpy(graph.rates) / float(graph.rates[n_classes - 1])
    heat = torch.zeros(n, n_classes)
    heat[chosen] = _one_hot(labels, n_classes)
    for time in schedule:
        share = (heat * root_degree).T @ modes * torch.exp(-time * rates)  # (C, Q)
        flowed = (share @ modes.T).T / root_degree  # (N, C)
        decided = balance(flowed.clamp_min(1e-6)).argmax(dim=1)  # (N,)
        decided[chosen] = labels
        heat = _one_hot(decided, n_classes)
    return decided


def balance(heat: Tensor, iterations: int = 20) -> Tensor:
    """Scale positive rows and columns until rows add up to 1 and columns to N / C: (N, C).

    Raises ValueError where a value is not positive. Sinkhorn & Knopp 1967.
    """
    if heat.ndim != 2 or not heat.is_floating_point() or heat.numel() == 0 or iterations < 1:
        raise ValueError(
            f"Expected float heat (N, C) and an iteration, got {heat.dtype} of shape "
            f"{tuple(heat.shape)} and {iterations} iterations."
        )
    if not (heat.min() > 0 and heat.max() < math.inf):  # also false for NaN
        raise ValueError("Only positive, finite heat can be balanced.")
    n, n_classes = heat.shape
    columns = torch.ones(n_classes)
    for _ in range(iterations):
        rows = 1 / (heat @ columns)  # (N,)
        columns = n / n_classes / (rows @ heat)  # (C,)
    balanced = heat * columns
    return balanced / balanced.sum(dim=1, keepdim=True)


def _gaussian(distances: FloatArray) -> FloatArray:
    width = np.maximum(distances[:, -1:], 1e-12)
    return np.exp(-((distances / width) ** 2))


def _weights(distances: FloatArray) -> FloatArray:
    closeness = _gaussian(distances)
    return (closeness / closeness.sum(axis=1, keepdims=True)).astype(np.float32)


def _one_hot(labels: Tensor, n_classes: int) -> Tensor:
    return torch.nn.functional.one_hot(labels, n_classes).float()
