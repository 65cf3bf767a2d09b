"""The rivals of `vaelib.authoring.benchmark`: others' ways to spread a few labels over a graph.

All get the same graph, weights included, and the same labels, and answer for the same images. What
is prepared once for all draws is not counted in a draw's seconds: the graph, and for ours its
eigenvectors and whatever else needs no label (`seconds_prepare_ours` has that beside it).

Poisson and Laplace learning, and PoissonMBO, which is given the true class sizes, are run as their
authors' package graphlearning has them (Calder, Cook, Thorpe & Slepčev 2020). It comes with the
extra `bench`, and is compiled when it is installed, for which it needs a C++ compiler.
"""

import importlib.util
import statistics
import time
import warnings
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.semi_supervised import LabelSpreading

from vaelib.authoring.timing import Numbers, say
from vaelib.classifier import Graph, partition, spread_labels

FAILED = 0.95  # a draw with less accuracy counts as a failure
RIVALS = ("poisson_mbo", "poisson", "laplace")  # of graphlearning

Labels = NDArray[np.int64]
# rows with a label (L,) and their classes (L,) → a class for every image (N,)
Method = Callable[[Labels, Labels], Labels]


def ours(graph: Graph, n_classes: int) -> Method:
    """Return vaelib's own method; it is told how many classes there are, and not their sizes.

    The clusters, which need no label, are found here, once for all draws.
    """
    found = partition(graph, n_classes)

    def method(rows: Labels, labels: Labels) -> Labels:
        given = torch.from_numpy(rows), torch.from_numpy(labels)
        return spread_labels(graph, *given, n_classes, found).numpy()

    return method


def weights_of(graph: Graph) -> sparse.csr_matrix:
    """Return the weights of the edges, (N, N), in the type that both packages compute in."""
    return sparse.csr_matrix(graph.edges(), dtype=np.float64)


def label_spreading(weights: sparse.csr_matrix) -> Method:
    """Return scikit-learn's label spreading on the graph, with the α of its source.

    Zhou et al. 2004 have α = 0.99; with scikit-learn's 0.2 the labels hardly leave their
    neighbourhood. It is stopped after a hundred steps: it is better then than when it has settled.
    """
    n = weights.shape[0]
    model = LabelSpreading(kernel=lambda *_: weights, alpha=0.99, max_iter=100)

    def method(rows: Labels, labels: Labels) -> Labels:
        given = np.full(n, -1)  # no label
        given[rows] = labels
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(
                np.zeros((n, 1)), given
            ).transduction_  # the features are not looked at

    return method


def graphlearning_is_installed() -> bool:
    """Tell whether the package of the three `RIVALS` is there."""
    return importlib.util.find_spec("graphlearning") is not None


def of_graphlearning(weights: sparse.csr_matrix, class_sizes: Labels) -> dict[str, Method]:
    """Return the methods of graphlearning, with the settings that it comes with.

    `class_sizes` (C,) are told to PoissonMBO, which needs them. A model carries what it learnt
    about the sizes into its next fit, so each draw gets a new one.
    """
    import graphlearning

    graph, ssl = graphlearning.graph(weights), graphlearning.ssl
    return {
        "poisson_mbo": lambda *given: ssl.poisson_mbo(graph, class_sizes).fit_predict(*given),
        "poisson": lambda *given: ssl.poisson(graph).fit_predict(*given),
        "laplace": lambda *given: ssl.laplace(graph).fit_predict(*given),
    }


def compare(methods: Mapping[str, Method], labels: Labels, draws: list[Labels]) -> Numbers:
    """Let every method spread the labels of every draw, in turns.

    Parameters
    ----------
    labels : (N,) the true classes of all images.
    draws : the rows (L,) whose labels are given, of each draw.

    Returns
    -------
    By method the mean accuracy, the share of draws below `FAILED`, the worst draw, and the median
    of the seconds. Accuracy is that on the images without a label, all of them nodes of the graph
    (transductive), as graphlearning counts it.
    """
    accuracies: dict[str, list[float]] = {name: [] for name in methods}
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for draw, rows in enumerate(draws, start=1):
        hidden = np.delete(np.arange(len(labels)), rows)
        for name, method in methods.items():
            began = time.perf_counter()
            found = method(rows, labels[rows])
            seconds[name].append(time.perf_counter() - began)
            accuracies[name].append(float((found[hidden] == labels[hidden]).mean()))
            told = f"{100 * accuracies[name][-1]:6.2f} % {seconds[name][-1]:7.2f} s"
            say(f"draw {draw} of {len(draws)}: {name:24} {told}")
    numbers = {}
    for name, scores in accuracies.items():
        start = f"accuracy_{len(draws[0])}_labels_{name}"
        numbers[f"{start}_mean"] = statistics.mean(scores)
        numbers[f"{start}_failures"] = sum(score < FAILED for score in scores) / len(scores)
        numbers[f"{start}_worst"] = min(scores)
        numbers[f"seconds_draw_{name}"] = statistics.median(seconds[name])
    return numbers
