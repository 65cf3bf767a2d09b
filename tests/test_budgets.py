import joblib
import numpy as np
import pytest
import torch

from vaelib import balanced_subset
from vaelib.classifier import few_labels
from vaelib.classifier.few_labels import Cell, Features, Labels, LogisticMethod

SIZES = (6, 30, 600)


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
    labels = Labels(*(part[0] for part in parts))
    methods = {
        "clear": LogisticMethod.tuned(Features(*(part[1] for part in parts)), labels, SIZES),
        "noisy": LogisticMethod.tuned(Features(*(part[2] for part in parts)), labels, SIZES),
    }
    return methods, labels


@pytest.fixture(scope="module")
def cells(problem):
    methods, labels = problem
    return few_labels.run_grid(methods, labels.train, SIZES)


def test_grid_holds_every_method_budget_and_draw_once(cells):
    assert len(cells) == 2 * (10 + 10 + 1)
    assert len({cell[:3] for cell in cells}) == len(cells)


def test_more_labels_and_better_features_score_higher(cells):
    summary = few_labels.summarise(cells)
    assert summary["clear"][600].mean > summary["clear"][6].mean
    assert summary["clear"][6].mean > summary["noisy"][6].mean


def test_a_cell_is_what_scikit_learn_gives(problem, cells):
    from sklearn.linear_model import LogisticRegression

    methods, labels = problem
    features = methods["clear"].features
    cell = next(c for c in cells if c[:3] == ("clear", 30, 4))
    chosen = balanced_subset(labels.train, 30, seed=4)
    model = LogisticRegression(C=methods["clear"].strengths[30], max_iter=1000, tol=1e-4)
    model.fit(features.train[chosen], labels.train[chosen])
    assert cell.accuracy == pytest.approx(model.score(features.test, labels.test), abs=0.002)


def test_strength_is_chosen_on_validation_and_not_on_test(problem):
    methods, labels = problem
    noisy = methods["noisy"]
    without_test = noisy.features._replace(test=np.zeros_like(noisy.features.test))
    assert noisy.strengths[30] == few_labels.choose_strength(without_test, labels, 30)
    assert noisy.strengths[30] in few_labels.INVERSE_STRENGTHS


def test_budgets_are_so_many_of_each_class_and_all():
    mnist_like = torch.arange(50_000) % 10
    expected = (10, 20, 50, 100, 300, 600, 1000, 3000, 10_000, 50_000)
    assert few_labels.budgets_of(mnist_like) == expected
    unequal = torch.tensor([0] * 40 + [1] * 7 + [2] * 30)
    assert few_labels.budgets_of(unequal) == (3, 6, 15, 77)
    assert few_labels.budgets_of(torch.tensor([0, 1])) == (2,)


def test_cells_are_in_the_order_of_the_budgets(cells):
    assert [cell.budget for cell in cells] == sorted(cell.budget for cell in cells)


def test_strength_is_searched_for_with_a_budget_that_can_be_filled(problem, monkeypatch):
    methods, labels = problem
    asked = []

    def spy(labels, budget, seed):
        asked.append(budget)
        return balanced_subset(labels, budget, seed)

    monkeypatch.setattr(few_labels, "LARGEST_SEARCH", 100)
    monkeypatch.setattr(few_labels, "balanced_subset", spy)
    for budget in (600, 30):
        few_labels.choose_strength(methods["noisy"].features, labels, budget)
    assert asked == [90, 30]  # 90 is the largest that three classes can share within 100


def test_threads_give_the_same_numbers(problem, cells):
    methods, labels = problem
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert few_labels.run_grid(methods, labels.train, SIZES) == cells


def test_a_dask_cluster_gives_the_same_numbers(problem, cells):
    from distributed import Client, LocalCluster

    methods, labels = problem
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        assert few_labels.run_grid(methods, labels.train, SIZES) == cells


def test_progress_counts_to_the_end(problem):
    methods, labels = problem
    seen = []
    few_labels.run_grid(methods, labels.train, (6,), on_cell=lambda *count: seen.append(count))
    assert seen == [(i, 20) for i in range(1, 21)]


def test_a_method_sees_only_the_rows_it_may_look_at(problem):
    _, labels = problem
    seen = []

    def method(chosen, draw):
        seen.append((len(chosen), draw, torch.bincount(labels.train[chosen]).tolist()))
        return 0.5

    few_labels.run_grid({"spy": method}, labels.train, (6, 30))
    assert seen == [(n, draw, [n // 3] * 3) for n in (30, 6) for draw in range(10)]


def test_summary_of_one_draw_claims_no_interval():
    one, two = Cell("one", 6, 0, 0.9), [Cell("two", 6, draw, 0.8 + 0.2 * draw) for draw in (0, 1)]
    summary = few_labels.summarise([one, *two])
    assert summary["one"][6].mean == 0.9
    assert np.isnan(summary["one"][6].half_width)
    assert summary["two"][6].std == pytest.approx(0.1414, abs=1e-3)


def test_interval_covers_the_mean_as_often_as_it_says():
    generator = np.random.default_rng(0)
    draws = generator.standard_normal((4000, 10))
    covered = [abs(row.mean()) < few_labels.interval_95(row) for row in draws]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.01)
    with pytest.raises(ValueError, match="two draws"):
        few_labels.interval_95([0.9])
