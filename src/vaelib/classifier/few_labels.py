"""The experiment: accuracy against the number of labels, for many ways to use them.

A method is anything that takes the rows of the training images whose labels it may look at, and
returns its accuracy on the test images. The grid of methods × budgets × draws runs through
joblib, one task a cell, so that its backend can be exchanged.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import joblib
import numpy as np
from torch import Tensor

from vaelib._machine.memory import give_back
from vaelib._machine.threads import one_thread
from vaelib.classifier.graph import Graph, spread_labels
from vaelib.classifier.logistic import fit_logistic_regression
from vaelib.data.splits import Dataset, balanced_subset
from vaelib.latent import FloatArray, HalfArray, check_features

PER_CLASS = (1, 2, 5, 10, 30, 60, 100, 300, 1000)  # labels of each class
INVERSE_STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
# the ridge is searched for with at most so many labels; above, what was best there is used
LARGEST_SEARCH = 10_000
LARGEST_SEARCH_WIDE = 1000  # for features of more than 100 dimensions, where a fit takes long

Method = Callable[[Tensor, int], float]  # rows with a label, number of the draw → test accuracy


class Labels(NamedTuple):
    """The labels of the three splits: (N,), (V,), (T,)."""

    train: Tensor
    validation: Tensor
    test: Tensor

    @classmethod
    def of(cls, dataset: Dataset) -> "Labels":
        """Return the labels of a data set."""
        return cls(dataset.train.labels, dataset.validation.labels, dataset.test.labels)


class Features(NamedTuple):
    """One way of looking at the images: features of the three splits, (N, D), (V, D), (T, D)."""

    train: FloatArray | HalfArray
    validation: FloatArray | HalfArray
    test: FloatArray | HalfArray


@dataclass(frozen=True)
class LogisticMethod:
    """Logistic regression on features, with the ridge that is best on validation.

    `strengths`: the C of each budget.
    """

    features: Features
    labels: Labels
    strengths: Mapping[int, float]

    @classmethod
    def tuned(cls, features: Features, labels: Labels, budgets: Sequence[int]) -> "LogisticMethod":
        """Choose C for every budget. Raises ValueError where features and labels do not fit."""
        check_features(features.test, labels.test)
        return cls(features, labels, {n: choose_strength(features, labels, n) for n in budgets})

    def __call__(self, chosen: Tensor, draw: int) -> float:
        """Fit on the chosen rows and score on the test images; `draw` changes nothing."""
        every_row = len(chosen) == len(self.labels.train)  # then no copy of large features
        rows = self.features.train if every_row else self.features.train[chosen]
        labels = self.labels.train if every_row else self.labels.train[chosen]
        classifier = fit_logistic_regression(rows, labels, self.strengths[len(chosen)])
        return classifier.score(self.features.test, self.labels.test)


@dataclass(frozen=True)
class SpreadingMethod:
    """Labels spread over the graph of all training images, then logistic regression on its modes.

    `test_features`: (T, Q), what the test images inherit from their neighbours in the graph.
    """

    graph: Graph
    test_features: FloatArray
    labels: Labels

    def __call__(self, chosen: Tensor, draw: int) -> float:
        """Spread the chosen labels, fit on the guesses, score on test; `draw` changes nothing."""
        n_classes = int(self.labels.train.max()) + 1
        guesses = spread_labels(self.graph, chosen, self.labels.train[chosen], n_classes)
        classifier = fit_logistic_regression(self.graph.node_features, guesses)
        return classifier.score(self.test_features, self.labels.test)


class Cell(NamedTuple):
    """One cell of the grid: a method's accuracy with one draw of one budget."""

    method: str
    budget: int
    draw: int
    accuracy: float


class Score(NamedTuple):
    """A method's accuracy at one budget: mean, standard deviation and 95 % half-width over draws.

    The last two are NaN where there is one draw only.
    """

    mean: float
    std: float
    half_width: float
    draws: int


def budgets_of(labels: Tensor) -> tuple[int, ...]:
    """Return the numbers of labels to compare: a few of each class, up to all that there are.

    `labels`: the training images', (N,). For MNIST: 10, 20, 50, 100, 300, 600, 1,000, 3,000,
    10,000 and 50,000. A budget that the smallest class cannot fill is left out. Raises
    ValueError where there are no labels.
    """
    if len(labels) == 0:
        raise ValueError("There are no labels to share out.")
    counts = labels.unique(return_counts=True)[1]
    even = [n * len(counts) for n in PER_CLASS if n <= counts.min()]
    return (*(budget for budget in even if budget < len(labels)), len(labels))


def draws_of(budget: int, n_images: int) -> int:
    """Return how many draws a budget gets: 10 up to 1,000 labels, 3 above, 1 of all there are."""
    if not 0 < budget <= n_images:
        raise ValueError(f"A budget of {budget} labels must lie in 1 to {n_images}.")
    if budget == n_images:
        return 1
    return 10 if budget <= 1000 else 3


def choose_strength(features: Features, labels: Labels, budget: int) -> float:
    """Return the C of logistic regression that is best on validation, for the first draw.

    The choice reads all validation labels, which is far more than a small budget: the curves
    show what a method can do when its one setting is known to be good.
    """
    check_features(features.train, labels.train)
    check_features(features.validation, labels.validation)
    limit = LARGEST_SEARCH if features.train.shape[1] <= 100 else LARGEST_SEARCH_WIDE
    largest = max(n for n in budgets_of(labels.train) if n <= limit)
    chosen = balanced_subset(labels.train, min(budget, largest), seed=0)
    rows, truth = features.train[chosen], labels.train[chosen]
    scores = [
        fit_logistic_regression(rows, truth, strength).score(features.validation, labels.validation)
        for strength in INVERSE_STRENGTHS
    ]
    return INVERSE_STRENGTHS[int(np.argmax(scores))]


def run_grid(
    methods: Mapping[str, Method],
    labels: Tensor,
    budgets: Sequence[int],
    on_cell: Callable[[int, int], None] | None = None,
) -> list[Cell]:
    """Score every method × budget × draw on the test images; `labels` are the training images'.

    Where it runs is joblib's business: inside `joblib.parallel_config` the same call uses
    another backend, with the same numbers (tested with threads and with Dask). `on_cell` is
    called with the number of cells done and in all.
    """
    tasks = [
        (name, budget, draw)
        for budget in sorted(budgets, reverse=True)  # no thread has a long task left at the end
        for name in methods
        for draw in range(draws_of(budget, len(labels)))
    ]
    done = []
    with one_thread():  # the tasks run side by side, not the sums within one
        cells = joblib.Parallel(return_as="generator")(
            joblib.delayed(_score)(methods[name], labels, name, budget, draw)
            for name, budget, draw in tasks
        )
        for cell in cells:
            done.append(cell)
            if on_cell:
                on_cell(len(done), len(tasks))
    give_back()
    return sorted(done, key=lambda cell: budgets.index(cell.budget))


def _score(method: Method, labels: Tensor, name: str, budget: int, draw: int) -> Cell:
    return Cell(name, budget, draw, method(balanced_subset(labels, budget, seed=draw), draw))


def summarise(cells: Sequence[Cell]) -> dict[str, dict[int, Score]]:
    """Sum the draws up: method → budget → score, in the order of the cells."""
    draws: dict[str, dict[int, list[float]]] = {}
    for cell in cells:
        draws.setdefault(cell.method, {}).setdefault(cell.budget, []).append(cell.accuracy)
    return {
        method: {budget: score_of(accuracies) for budget, accuracies in by_budget.items()}
        for method, by_budget in draws.items()
    }


def score_of(accuracies: Sequence[float]) -> Score:
    """Return mean, standard deviation and 95 % half-width of the accuracies of several draws."""
    if len(accuracies) == 0:
        raise ValueError("There are no accuracies to summarise.")
    if len(accuracies) == 1:
        return Score(float(np.mean(accuracies)), float("nan"), float("nan"), len(accuracies))
    return Score(
        float(np.mean(accuracies)),
        float(np.std(accuracies, ddof=1)),
        interval_95(accuracies),
        len(accuracies),
    )


def table(summary: Mapping[str, Mapping[int, Score]]) -> str:
    """Return the summary as a table in plain text: a line a method, a column a budget, in %.

    Where there are several draws, ± gives half the 95 % interval of their mean.
    """
    if not summary:
        raise ValueError("There is nothing to show: the summary is empty.")
    budgets = sorted({budget for curve in summary.values() for budget in curve})
    width = max(len(name) for name in summary) + 2
    lines = ["labels".ljust(width) + "".join(f"{budget:>10,}" for budget in budgets)]
    for name, curve in summary.items():
        line = name.ljust(width)
        for budget in budgets:
            score = curve.get(budget)
            text = f"{100 * score.mean:.1f}" if score else ""
            text += f"±{100 * score.half_width:.1f}" if score and score.draws > 1 else ""
            line += text.rjust(10)
        lines.append(line)
    return "\n".join(lines)


def interval_95(draws: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of the mean of a few draws (Student's t).

    Raises ValueError for fewer than two draws, which say nothing about their spread.
    """
    from scipy import stats

    if len(draws) < 2:
        raise ValueError("An interval needs at least two draws.")
    return float(stats.sem(draws) * stats.t.ppf(0.975, len(draws) - 1))
