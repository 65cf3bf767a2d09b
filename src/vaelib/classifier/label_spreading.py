"""Using the unlabelled images a second time: a few labels name the clusters of the graph.

The clusters are found without a label (`partition`). Where they are poor, labels cannot mend them:
`Partition.is_doubtful` warns of that.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from vaelib.classifier.few_labels import Method
from vaelib.classifier.graph import Graph
from vaelib.classifier.partition import Partition, partition


def spread_labels(
    graph: Graph, rows: Tensor, labels: Tensor, n_classes: int, found: Partition | None = None
) -> Tensor:
    """Spread the labels of a few training images over all of them.

    Parameters
    ----------
    rows : (L,) the rows of the graph that have a label.
    labels : (L,) their classes.
    n_classes : how many classes there are: 2 to half the number of eigenvectors.
    found : `partition(graph, n_classes)`, which needs no label, so that once is enough.

    Returns
    -------
    (N,) the pseudo-label of every training image; those that were given never change.

    Raises
    ------
    ValueError
        Where a class has no label, or the arguments do not fit.
    """
    _check(graph, rows, labels, n_classes)
    found = partition(graph, n_classes) if found is None else found
    if found.clusters.shape != graph.eigenvectors.shape[:1] or len(found.sizes) != n_classes:
        raise ValueError(
            f"The partition must be of {len(graph.eigenvectors)} images in {n_classes} clusters."
        )
    pseudo_labels = name_clusters(found, rows, labels)[found.clusters]
    pseudo_labels[rows] = labels
    return pseudo_labels


def name_clusters(found: Partition, rows: Tensor, labels: Tensor) -> Tensor:
    """Return the class of each cluster, (C,): the matching that makes the labels most likely.

    Hungarian matching, Kuhn 1955.
    """
    by_class = torch.zeros(len(found.sizes), len(found.sizes))
    by_class.index_add_(0, labels, found.log_p[rows])
    return torch.from_numpy(linear_sum_assignment(-by_class.T)[1])


def label_spreading(
    graph: Graph, found: Partition, test_features: Tensor, labels: Mapping[str, Tensor]
) -> Method:
    """Return the method that spreads labels; test images take the vote of their neighbours.

    `test_features` (T, Z) are like those that the graph was made of; `labels` by split.
    """
    n_classes = len(found.sizes)
    vote = graph.interpolation(test_features)  # (T, N)

    def method(rows: Tensor, seed: int) -> float:
        pseudo_labels = spread_labels(graph, rows, labels["train"][rows], n_classes, found)
        votes = vote @ F.one_hot(pseudo_labels, n_classes).float().numpy()  # (T, C)
        return float((votes.argmax(axis=1) == labels["test"].numpy()).mean())

    return method


def _check(graph: Graph, rows: Tensor, labels: Tensor, n_classes: int) -> None:
    n = len(graph.eigenvectors)
    if rows.shape != labels.shape or rows.ndim != 1 or len(rows.unique()) != len(rows):
        raise ValueError("Every labelled image needs exactly one label, and to be listed once.")
    if {rows.dtype, labels.dtype} != {torch.int64}:
        raise ValueError(f"Rows and labels must be int64, not {rows.dtype}, {labels.dtype}.")
    if len(rows) == 0 or labels.unique().tolist() != list(range(n_classes)):
        raise ValueError(f"Each of the {n_classes} classes needs at least one label to spread.")
    if not 0 <= rows.min() <= rows.max() < n:
        raise ValueError(f"The labelled rows must lie in 0 to {n - 1}, the images of the graph.")
