import joblib
import numpy as np
import pytest
import torch

from vaelib import budgets, label_budget
from vaelib.budgets import Features


@pytest.fixture(scope="module")
def problem():
    """Three groups in four dimensions, seen well by one method and through noise by another."""
    generator = np.random.default_rng(0)

    def split(n):
        labels = torch.arange(3).repeat(n // 3)
        clear = 2 * np.eye(3, 4)[labels] + generator.standard_normal((n, 4))
        noisy = clear + 4 * generator.standard_normal((n, 4))
        return labels, clear.astype(np.float32), noisy.astype(np.float32)

    parts = [split(n) for n in (600, 300, 900)]
    labels = [part[0] for part in parts]
    methods = {
        "clear": Features(*(part[1] for part in parts)),
        "noisy": Features(*(part[2] for part in parts)),
    }
    return methods, labels


@pytest.fixture(scope="module")
def cells(problem):
    methods, labels = problem
    return budgets.run_grid(methods, *labels, budgets=(6, 30, 600))


def test_grid_holds_every_method_budget_and_draw_once(cells):
    assert len(cells) == 2 * (10 + 10 + 1)
    assert len({cell[:3] for cell in cells}) == len(cells)


def test_more_labels_and_better_features_score_higher(cells):
    mean = {
        (method, budget): budgets.summarise(
            [c.accuracy for c in cells if (c.method, c.budget) == (method, budget)]
        ).mean
        for method in ("clear", "noisy")
        for budget in (6, 600)
    }
    assert mean["clear", 600] > mean["clear", 6]
    assert mean["clear", 6] > mean["noisy", 6]


def test_a_cell_is_what_fitting_by_hand_gives(problem, cells):
    from sklearn.linear_model import LogisticRegression

    methods, (labels, _, test_labels) = problem
    cell = next(c for c in cells if (c.method, c.budget, c.draw) == ("clear", 30, 4))
    chosen = label_budget(labels, 30, seed=4)
    model = LogisticRegression(C=cell.inverse_strength, max_iter=1000, tol=1e-4)
    model.fit(methods["clear"].train[chosen], labels[chosen])
    assert cell.accuracy == model.score(methods["clear"].test, test_labels)


def test_strength_is_chosen_on_validation_and_not_on_test(problem):
    methods, (labels, validation_labels, _) = problem
    noisy = methods["noisy"]
    strength = budgets.choose_strength(noisy, labels, validation_labels, 30)
    without_test = Features(noisy.train, noisy.validation, np.zeros_like(noisy.test))
    assert strength == budgets.choose_strength(without_test, labels, validation_labels, 30)
    assert strength in budgets.INVERSE_STRENGTHS


def test_threads_give_the_same_numbers(problem, cells):
    methods, labels = problem
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert budgets.run_grid(methods, *labels, budgets=(6, 30, 600)) == cells


def test_progress_counts_to_the_end(problem):
    methods, labels = problem
    seen = []
    budgets.run_grid(methods, *labels, budgets=(6,), on_cell=lambda *count: seen.append(count))
    assert seen == [(i, 20) for i in range(1, 21)]


def test_summary_of_one_draw_claims_no_interval():
    score = budgets.summarise([0.9])
    assert score.mean == 0.9
    assert np.isnan(score.half_width)
    assert budgets.summarise([0.8, 1.0]).std == pytest.approx(0.1414, abs=1e-3)
