"""The experiment: accuracy against the number of labels, for many ways to use them.

A method is one kind of features, read by logistic regression. The grid of methods × budgets ×
draws runs through joblib, one task a cell, so that its backend can be exchanged.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import joblib
import numpy as np
from threadpoolctl import threadpool_limits
from torch import Tensor

from vaelib.classifiers import fit_logistic_regression, interval_95
from vaelib.data import label_budget
from vaelib.latent import FloatArray, check_features

BUDGETS = (10, 20, 50, 100, 300, 600, 1000, 3000, 10_000, 50_000)
INVERSE_STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
LARGEST_SEARCH = 1000  # above, the ridge chosen for this budget is used: it hardly matters


@dataclass(frozen=True)
class Features:
    """One way of looking at the images: features of the three splits, (N, D), (V, D), (T, D)."""

    train: FloatArray
    validation: FloatArray
    test: FloatArray


class Cell(NamedTuple):
    """One cell of the grid: a method's accuracy with one draw of one budget."""

    method: str
    budget: int
    draw: int
    inverse_strength: float
    accuracy: float


class Score(NamedTuple):
    """A method's accuracy at one budget: mean, standard deviation and 95 % half-width over draws.

    The last two are NaN where there is one draw only.
    """

    mean: float
    std: float
    half_width: float
    draws: int


def draws_of(budget: int, n_images: int) -> int:
    """Return how many draws a budget gets: 10 up to 1,000 labels, 3 above, 1 of all there are."""
    if not 0 < budget <= n_images:
        raise ValueError(f"A budget of {budget} labels must lie in 1 to {n_images}.")
    if budget == n_images:
        return 1
    return 10 if budget <= 1000 else 3


def choose_strength(
    features: Features, labels: Tensor, validation_labels: Tensor, budget: int
) -> float:
    """Return the C of logistic regression that is best on validation, for the first draw.

    The choice reads all validation labels, which is far more than a small budget: the curves
    show what a method can do when its one setting is known to be good.
    """
    check_features(features.train, labels)
    check_features(features.validation, validation_labels)
    chosen = label_budget(labels, min(budget, LARGEST_SEARCH), seed=0)
    scores = [
        fit_logistic_regression(features.train[chosen], labels[chosen], strength).score(
            features.validation, np.asarray(validation_labels)
        )
        for strength in INVERSE_STRENGTHS
    ]
    return INVERSE_STRENGTHS[int(np.argmax(scores))]


def run_grid(
    methods: Mapping[str, Features],
    labels: Tensor,
    validation_labels: Tensor,
    test_labels: Tensor,
    budgets: Sequence[int] = BUDGETS,
    on_cell: Callable[[int, int], None] | None = None,
) -> list[Cell]:
    """Fit logistic regression on every features × budget × draw and score it on test images.

    Where it runs is joblib's business: inside `joblib.parallel_config` the same call uses
    another backend, with the same numbers (tested with threads). `on_cell` is called with the
    number of cells done and in all.
    """
    for features in methods.values():
        check_features(features.test, test_labels)
    tasks = [
        (name, budget, draw)
        for budget in budgets
        for name in methods
        for draw in range(draws_of(budget, len(labels)))
    ]
    strengths = {
        (name, budget): choose_strength(features, labels, validation_labels, budget)
        for name, features in methods.items()
        for budget in budgets
    }
    done = []
    with threadpool_limits(1):  # the tasks run side by side, not the sums within one
        cells = joblib.Parallel(return_as="generator")(
            joblib.delayed(_fit_cell)(
                methods[name], labels, test_labels, name, budget, draw, strengths[name, budget]
            )
            for name, budget, draw in tasks
        )
        for cell in cells:
            done.append(cell)
            if on_cell:
                on_cell(len(done), len(tasks))
    return done


def _fit_cell(
    features: Features,
    labels: Tensor,
    test_labels: Tensor,
    name: str,
    budget: int,
    draw: int,
    strength: float,
) -> Cell:
    if budget == len(labels):  # all of them, and no copy of large features
        model = fit_logistic_regression(features.train, labels, strength)
    else:
        chosen = label_budget(labels, budget, seed=draw)
        model = fit_logistic_regression(features.train[chosen], labels[chosen], strength)
    accuracy = model.score(features.test, np.asarray(test_labels))
    return Cell(name, budget, draw, strength, float(accuracy))


def summarise(accuracies: Sequence[float]) -> Score:
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
