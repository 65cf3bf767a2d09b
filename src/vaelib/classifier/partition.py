"""Clusters without a label: the partition of the neighbour graph that cuts the fewest edges.

Decisions diffuse along the edges, and every image decides anew, by turns: threshold dynamics, or
the MBO scheme (Garcia-Cardona et al. 2014), under a condition on the sizes of the clusters
(Jacobs, Merkurjev & Esedoglu 2018). What it ends in depends on where it starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from torch import Tensor

from vaelib.classifier.graph import Graph, diffuse

TIMES = (1.0, 0.6, 0.6, 0.4, 0.4, 0.3, 0.3)  # of diffusion: far first, then around the borders
FREE_BELOW = 0.8  # sizes are presumed equal unless free ones cut less than this share of it
AGREED, CUT = 0.98, 0.15  # share of images; share of a cluster's edges: see `is_doubtful`


@dataclass(frozen=True, eq=False)
class Partition:
    """N images in C clusters, found without a label.

    Attributes
    ----------
    clusters : (N,) each image's cluster, 0 to C − 1.
    sizes : (C,) how many images each cluster was to hold.
    sizes_are : "given", "equal" or "estimated".
    log_p : (N, C) the log-probability with which each image belongs to each cluster.
    cut : the normalised cut before the last step, from 0 for separate clusters to C for none.
    agreement : the share of images on which the other starts agree with this one.
    """

    clusters: Tensor
    sizes: Tensor
    sizes_are: str
    log_p: Tensor
    cut: float
    agreement: float

    @property
    def is_doubtful(self) -> bool:
        """Whether there may be no clusters to name: the starts disagree, or too much is cut.

        A warning that needs no label. Noise cuts a third of each cluster's edges, digits 4 %.
        """
        return self.agreement < AGREED or self.cut > CUT * len(self.sizes)


def partition(
    graph: Graph, n_clusters: int, sizes: Sequence[float] | None = None, n_starts: int = 4
) -> Partition:
    """Divide the images into clusters from several starts, and keep the smallest normalised cut.

    Each start clusters the eigenvectors by k-means into twice as many pieces, and merges those
    with the strongest links; at the end the borders are refined. `sizes` says how many images
    each cluster holds, in any order, where that is known. Otherwise sizes are presumed equal,
    unless the graph, left free to choose them, cuts far fewer edges. Raises ValueError where the
    arguments do not fit.
    """
    n, n_eigenvectors = graph.eigenvectors.shape
    if not 2 <= n_clusters <= n_eigenvectors // 2:
        raise ValueError(
            f"{n_clusters} clusters must be 2 or more, up to half of the {n_eigenvectors} "
            "eigenvectors."
        )
    if n_starts < 2:
        raise ValueError(f"Whether starts agree takes two of them or more, not {n_starts}.")
    wanted = torch.full((n_clusters,), n / n_clusters)
    if sizes is not None:
        wanted = torch.as_tensor(sizes, dtype=torch.float32).sort(descending=True).values
        if wanted.shape != (n_clusters,) or wanted.min() < 1 or not abs(wanted.sum() - n) < 0.5:
            raise ValueError(f"The sizes of {n_clusters} clusters must add up to {n}: {sizes}.")
    weights = graph.weights
    pieces = [_pieces(graph, n_clusters, seed) for seed in range(n_starts)]
    starts = [merge(weights, each, n_clusters, power=1.0) for each in pieces]
    found = [threshold_dynamics(graph, start, TIMES, wanted) for start in starts]
    clusters, cut, agreement = _smallest_cut(weights, found, n_clusters)
    sizes_are = "equal" if sizes is None else "given"
    if sizes is None:
        starts = [merge(weights, each, n_clusters, power=0.5) for each in pieces]
        found = [threshold_dynamics(graph, start, TIMES[-3:]) for start in starts]
        free = _smallest_cut(weights, found, n_clusters)
        counts = free[0].bincount(minlength=n_clusters)
        if free[1] < FREE_BELOW * cut and counts.min() > 0:  # left free, a cluster may die out
            (clusters, cut, agreement), sizes_are = free, "estimated"
            wanted = counts.float()
    clusters = refine(graph, clusters, wanted)
    log_p = membership(graph, clusters, wanted)
    return Partition(clusters, wanted, sizes_are, log_p, cut, agreement)


def threshold_dynamics(
    graph: Graph, scores: Tensor, times: Sequence[float], sizes: Tensor | None = None
) -> Tensor:
    """Let scores (N, C) diffuse, decide, let the decisions diffuse, and so on: (N,).

    `sizes` (C,) balances the decisions, if given. Raises ValueError without a time.
    """
    if not times:
        raise ValueError("The scores diffuse once for each of the times, and there is none.")
    for time in times:
        decided = decide(diffuse(graph, scores, time), sizes)
        scores = F.one_hot(decided, scores.shape[1]).float()
    return decided


def decide(scores: Tensor, sizes: Tensor | None) -> Tensor:
    """Return where each image scores highest, balanced to `sizes` (C,): (N, C) → (N,)."""
    balanced = scores if sizes is None else sinkhorn(scores.clamp_min(1e-6), sizes)
    return balanced.argmax(dim=1)


def refine(graph: Graph, clusters: Tensor, sizes: Tensor) -> Tensor:
    """Move the borders by random walks along single edges, until no image moves: (N,).

    Eigenvectors are smooth and know nothing of single edges. A walk takes twelve steps; a near
    neighbour weighs more than in `diffuse`.
    """
    for _ in range(10):
        scores = F.one_hot(clusters, len(sizes)).float().numpy()
        for _ in range(12):
            scores = graph.walk @ scores
        moved = decide(torch.from_numpy(scores), sizes)
        if torch.equal(moved, clusters):
            break
        clusters = moved
    return clusters


def membership(graph: Graph, clusters: Tensor, sizes: Tensor) -> Tensor:
    """Return the log-probability with which each image belongs to each cluster: (N,) → (N, C).

    An image belongs to the clusters as far as they diffuse to it.
    """
    scores = diffuse(graph, F.one_hot(clusters, len(sizes)).float(), TIMES[1])
    return sinkhorn(scores.clamp_min(1e-6), sizes).log()


def sinkhorn(scores: Tensor, sizes: Tensor, iterations: int = 20) -> Tensor:
    """Scale rows and columns until rows add up to 1 and columns to `sizes`: (N, C), positive.

    Raises ValueError where a score is not positive, or sizes do not fit. Sinkhorn & Knopp 1967.
    """
    if scores.ndim != 2 or scores.shape[1:] != sizes.shape:
        raise ValueError(f"Scores (N, C) need C sizes: {tuple(scores.shape)}, {len(sizes)}.")
    if not (scores.numel() and scores.min() > 0 and scores.max() < torch.inf):  # false for NaN
        raise ValueError("Only positive, finite scores can be normalised.")
    columns = torch.ones_like(sizes)
    for _ in range(iterations):
        rows = 1 / (scores @ columns)  # (N,)
        columns = sizes / (rows @ scores)  # (C,)
    balanced = scores * columns
    return balanced / balanced.sum(dim=1, keepdim=True)


def merge(weights: sparse.csr_array, pieces: Tensor, n_clusters: int, power: float = 1.0) -> Tensor:
    """Merge pieces (N,) to clusters, always the two with the strongest link: (N, C), one-hot.

    A link is the weight of the edges between two pieces over the product of their volumes to a
    power: 1 is average linkage, which seeks like sizes; ½, as in the normalised Laplacian, does
    not. The largest cluster comes first.
    """
    member = F.one_hot(pieces).float().numpy()  # (N, P)
    links, names = member.T @ (weights @ member), np.arange(member.shape[1])
    while len(links) > n_clusters:
        volume = links.sum(axis=1)
        strength = np.triu(links / np.outer(volume, volume) ** power, k=1)
        one, other = np.unravel_index(strength.argmax(), strength.shape)
        links[one] += links[other]
        links[:, one] += links[:, other]
        links = np.delete(np.delete(links, other, axis=0), other, axis=1)
        names[names == other] = one
        names[names > other] -= 1
    member = F.one_hot(torch.from_numpy(names)[pieces], n_clusters).float()
    return member[:, member.sum(dim=0).argsort(descending=True, stable=True)]


def normalised_cut(weights: sparse.csr_array, clusters: Tensor, n_clusters: int) -> float:
    """Return the share of each cluster's edges that leave it, added up. Shi & Malik 2000."""
    member = F.one_hot(clusters, n_clusters).float().numpy()  # (N, C)
    links = member.T @ (weights @ member)  # (C, C)
    return float((1 - links.diagonal() / np.maximum(links.sum(axis=1), 1e-12)).sum())


def _pieces(graph: Graph, n_clusters: int, seed: int) -> Tensor:
    """Cluster the first eigenvectors by k-means, as spectral clustering does: (N,)."""
    n = 2 * n_clusters
    decay = graph.eigenvalues[:n] / graph.eigenvalues[n_clusters - 1]
    places = graph.eigenvectors[:, :n] / graph.root_degree * torch.exp(-0.25 * decay)
    found = KMeans(n, n_init=1, random_state=seed).fit_predict(places.numpy())
    return torch.from_numpy(found).long()


def _smallest_cut(
    weights: sparse.csr_array, found: list[Tensor], n_clusters: int
) -> tuple[Tensor, float, float]:
    """Return the best of some partitions, its cut, and how far the others agree with it."""
    cuts = [normalised_cut(weights, clusters, n_clusters) for clusters in found]
    best = found[int(np.argmin(cuts))]
    agreement = [(matched(each, best, n_clusters)[each] == best).float().mean() for each in found]
    return best, min(cuts), float(np.mean(sorted(agreement)[:-1]))


def matched(clusters: Tensor, others: Tensor, n_clusters: int) -> Tensor:
    """Return which of the others each cluster is, so that most images agree: (C,). Kuhn 1955."""
    counts = torch.zeros(n_clusters, n_clusters)
    counts.index_put_((clusters, others), torch.ones(len(others)), accumulate=True)
    return torch.from_numpy(linear_sum_assignment(-counts)[1])
