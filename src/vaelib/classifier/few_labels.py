"""The experiment: test accuracy against the number of labels, for many ways to use them.

A method is a function that takes the rows of the training images whose labels it may look at and
the number of the random label set, and returns its accuracy on the test images. Features and
labels are handed over by split, {"train": …, "validation": …, "test": …}.
"""

import gc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import joblib
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from vaelib._machine.devices import one_thread, quick_collection
from vaelib._machine.progress import show_progress
from vaelib.data.splits import balanced_subset

PER_CLASS = (1, 2, 5, 10, 30, 60, 100, 300, 1000)  # labels of each class
CS = (0.01, 0.1, 1.0, 10.0, 100.0)  # inverse strengths of the L2 penalty
# C is searched for with at most so many labels; above, what was best there is used
LARGEST_SEARCH = 10_000
LARGEST_SEARCH_WIDE = 1000  # for features of more than 100 dimensions, where a fit takes long

Method = Callable[[Tensor, int], float]  # rows with a label, random label set → test accuracy
Curve = dict[int, list[float]]  # number of labels → accuracy with each random label set


def label_counts(labels: Tensor) -> tuple[int, ...]:
    """Return the numbers of labels to compare: a few of each class, up to all that there are.

    `labels`: the training images', (N,). For MNIST: 10, 20, 50, 100, 300, 600, 1,000, 3,000,
    10,000 and 50,000. A number that the smallest class cannot fill is left out. Raises
    ValueError where there are no labels.
    """
    if len(labels) == 0:
        raise ValueError("There are no labels to share out.")
    per_class = labels.unique(return_counts=True)[1]
    balanced = [n * len(per_class) for n in PER_CLASS if n <= per_class.min()]
    return (*(n for n in balanced if n < len(labels)), len(labels))


def n_draws(n_labels: int, n_images: int) -> int:
    """Return how many random label sets are drawn: 10 up to 1,000 labels, above them 1."""
    return 10 if n_labels <= 1000 and n_labels < n_images else 1


def learning_curve(
    method: Method,
    labels: Tensor,
    sizes: Sequence[int],
    draws: Mapping[int, int] | None = None,
) -> Curve:
    """Score a method on the test images with every random label set of every size.

    `labels`: the training images', (N,). `draws`: how many label sets of a size, where it is not
    to be `n_draws`. Two threads share the fits; inside `joblib.parallel_config` another backend
    does, with the same numbers (tested with Dask).
    """
    return learning_curves({"": method}, labels, sizes, draws)[""]


def learning_curves(
    methods: Mapping[str, Method],
    labels: Tensor,
    sizes: Sequence[int],
    draws: Mapping[int, int] | None = None,
) -> dict[str, Curve]:
    """Return the `learning_curve` of each method, by name; no thread idles while fits are left."""
    tasks = [
        (name, n, seed)
        for n in sorted(sizes, reverse=True)  # no thread has a long task left at the end
        for name in methods
        for seed in range((draws or {}).get(n, n_draws(n, len(labels))))
    ]
    curves: dict[str, Curve] = {name: {n: [] for n in sizes} for name in methods}
    with one_thread(), quick_collection():  # the tasks run side by side, not the sums within one
        # None leaves it to the configuration, whose number is 1 or None where there is none
        configured = joblib.parallel.get_active_backend()[1] not in (None, 1)
        accuracies = joblib.Parallel(
            n_jobs=None if configured else 2, prefer="threads", return_as="generator"
        )(joblib.delayed(_score)(methods[name], labels, *task) for name, *task in tasks)
        for done, ((name, n, _), accuracy) in enumerate(zip(tasks, accuracies, strict=True), 1):
            curves[name][n].append(accuracy)
            show_progress(done, len(tasks), "fits")
    return curves


def _score(method: Method, labels: Tensor, n_labels: int, seed: int) -> float:
    accuracy = method(balanced_subset(labels, n_labels, seed), seed)
    gc.collect()  # scikit-learn's fits leave reference cycles, which hold a copy of their features
    return accuracy


def logistic_regression(
    features: Mapping[str, Any], labels: Mapping[str, Tensor], sizes: Sequence[int]
) -> Method:
    """Return the method that fits logistic regression on the labelled rows of some features.

    `features`: (N, D) by split, dense or sparse, `labels`: (N,) by split. For each size C is the
    one that is best on validation with the first random label set. That choice reads all
    validation labels, far more than a small size holds: the curves show what a method can do when
    its one setting is known to be good.
    """
    limit = LARGEST_SEARCH if features["train"].shape[1] <= 100 else LARGEST_SEARCH_WIDE
    largest = max(n for n in label_counts(labels["train"]) if n <= limit)

    def score(rows: Tensor, c: float, split: str) -> float:
        rows = rows.numpy()
        classifier = LogisticRegression(C=c, max_iter=1000)
        classifier.fit(features["train"][rows], labels["train"][rows])
        return classifier.score(features[split], labels[split].numpy())

    def best_c(n_labels: int) -> float:
        rows = balanced_subset(labels["train"], n_labels, seed=0)
        return max(CS, key=lambda c: score(rows, c, "validation"))

    chosen = {n: best_c(n) for n in {min(n, largest) for n in sizes}}

    def method(rows: Tensor, seed: int) -> float:
        return score(rows, chosen[min(len(rows), largest)], "test")

    return method
