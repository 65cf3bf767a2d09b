"""Using the unlabelled images a second time: a few labels spread over the neighbour graph.

Label scores diffuse along the edges; then each image decides for a class, with as many images in
every class; then the decisions diffuse in turn. A new image, which is no node of the graph, takes
what its nearest training images have.

To diffuse and to decide by turns is threshold dynamics, the MBO scheme (Garcia-Cardona et al.
2014); the condition on the class sizes is that of Jacobs, Merkurjev & Esedoglu 2018.
"""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from vaelib.classifier.few_labels import Method
from vaelib.classifier.graph import Graph, diffuse

# how long the scores diffuse before each round of decisions: far first, then around the borders
SCHEDULE = (1.0, 1.0, 1.0, 0.6, 0.6, 0.4, 0.4, 0.3, 0.3)


def spread_labels(
    graph: Graph,
    rows: Tensor,
    labels: Tensor,
    n_classes: int,
    schedule: Sequence[float] = SCHEDULE,
) -> Tensor:
    """Spread the labels of a few training images over all of them.

    Parameters
    ----------
    rows : (L,) the rows of the graph that have a label.
    labels : (L,) their classes.
    n_classes : how many classes there are: 2 to the number of eigenvectors.
    schedule : how long the scores diffuse in each round; see `diffuse`.

    Returns
    -------
    (N,) the pseudo-label of every training image; those that were given never change.

    Raises
    ------
    ValueError
        Where a class has no label, or the arguments do not fit.
    """
    n, n_eigenvectors = graph.eigenvectors.shape
    if not 2 <= n_classes <= n_eigenvectors:
        raise ValueError(
            f"{n_classes} classes must be 2 or more, up to the {n_eigenvectors} eigenvectors."
        )
    if rows.shape != labels.shape or rows.ndim != 1 or len(rows.unique()) != len(rows):
        raise ValueError("Every labelled image needs exactly one label, and to be listed once.")
    if {rows.dtype, labels.dtype} != {torch.int64}:
        raise ValueError(f"Rows and labels must be int64, not {rows.dtype}, {labels.dtype}.")
    if labels.unique().tolist() != list(range(n_classes)):
        raise ValueError(f"Each of the {n_classes} classes needs at least one label to spread.")
    if not 0 <= rows.min() <= rows.max() < n:
        raise ValueError(f"The labelled rows must lie in 0 to {n - 1}, the images of the graph.")
    if not schedule or not all(0 < time < math.inf for time in schedule):  # also false for NaN
        raise ValueError(f"The schedule {schedule} must be one or more positive, finite times.")
    scores = torch.zeros(n, n_classes)
    scores[rows] = F.one_hot(labels, n_classes).float()
    for time in schedule:
        diffused = diffuse(graph, scores, time)
        decided = sinkhorn(diffused.clamp_min(1e-6)).argmax(dim=1)  # (N, C) → (N,)
        decided[rows] = labels
        scores = F.one_hot(decided, n_classes).float()
    return decided


def sinkhorn(scores: Tensor, iterations: int = 20) -> Tensor:
    """Scale rows and columns until rows add up to 1 and columns to N / C: (N, C), positive.

    So every class gets the same share of the images. Raises ValueError where a score is not
    positive. Sinkhorn & Knopp 1967.
    """
    if scores.ndim != 2 or scores.numel() == 0 or iterations < 1:
        raise ValueError(
            f"Scores (N, C) and at least one iteration are needed, not {tuple(scores.shape)} and "
            f"{iterations}."
        )
    if not (scores.min() > 0 and scores.max() < math.inf):  # also false for NaN
        raise ValueError("Only positive, finite scores can be normalised.")
    n, n_classes = scores.shape
    columns = torch.ones(n_classes)
    for _ in range(iterations):
        rows = 1 / (scores @ columns)  # (N,)
        columns = n / n_classes / (rows @ scores)  # (C,)
    balanced = scores * columns
    return balanced / balanced.sum(dim=1, keepdim=True)


def label_spreading(graph: Graph, test_features: Tensor, labels: Mapping[str, Tensor]) -> Method:
    """Return the method that spreads labels, then fits logistic regression on the pseudo-labels.

    Its features are the graph's eigenvectors; `test_features` (T, Q) are those that the test
    images take from their neighbours (`graph.interpolate`). `labels` by split.
    """
    n_classes = int(labels["train"].max()) + 1

    def method(rows: Tensor, seed: int) -> float:
        pseudo_labels = spread_labels(graph, rows, labels["train"][rows], n_classes)
        classifier = LogisticRegression(max_iter=1000).fit(graph.node_features, pseudo_labels)
        return classifier.score(test_features, labels["test"].numpy())

    return method
