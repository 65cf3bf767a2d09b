"""The experiment: which labels a method sees, how it is scored, where it runs."""

import threading

import joblib
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from vaelib.classifier import (
    few_labels,
    half_width,
    label_counts,
    learning_curve,
    learning_curves,
)
from vaelib.classifier.few_labels import logistic_regression, n_draws
from vaelib.data import balanced_subset

SIZES = (6, 30, 300)
SPLITS = {"train": 300, "validation": 150, "test": 300}
LABELS = {name: torch.arange(3).repeat(n // 3) for name, n in SPLITS.items()}


@pytest.fixture(scope="module")
def features():
    """Three groups in four dimensions."""
    generator = np.random.default_rng(0)
    return {
        name: 2 * np.eye(3, 4)[labels] + generator.standard_normal((len(labels), 4))
        for name, labels in LABELS.items()
    }


@pytest.fixture(scope="module")
def method(features):
    return logistic_regression(features, LABELS, SIZES)


@pytest.fixture(scope="module")
def curve(method):
    return learning_curve(method, LABELS["train"], SIZES)


def test_numbers_of_labels_are_so_many_of_each_class_and_all():
    mnist_like = torch.arange(50_000) % 10
    expected = (10, 20, 50, 100, 300, 600, 1000, 3000, 10_000, 50_000)
    assert label_counts(mnist_like) == expected
    assert [n_draws(n, 50_000) for n in expected] == [10] * 7 + [1, 1, 1]
    assert n_draws(1000, 1000) == 1  # all of them: there is one such set
    unequal = torch.tensor([0] * 40 + [1] * 7 + [2] * 30)
    assert label_counts(unequal) == (3, 6, 15, 77)
    assert label_counts(torch.tensor([0, 1])) == (2,)
    with pytest.raises(ValueError, match="no labels"):
        label_counts(mnist_like[:0])


def test_more_labels_and_better_features_score_higher(features, curve):
    generator = np.random.default_rng(1)
    noisy = {name: x + 4 * generator.standard_normal(x.shape) for name, x in features.items()}
    worse = learning_curve(logistic_regression(noisy, LABELS, SIZES), LABELS["train"], SIZES)
    assert list(curve) == list(SIZES)
    assert [len(accuracies) for accuracies in curve.values()] == [10, 10, 1]
    assert np.mean(curve[300]) > np.mean(curve[6]) > np.mean(worse[6])


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor], ids=["NumPy", "torch"])
def test_accuracy_is_what_scikit_learn_gives_with_the_c_best_on_validation(features, curve, kind):
    rows = {seed: balanced_subset(LABELS["train"], 30, seed) for seed in (0, 4)}

    def fit(seed, c):
        model = LogisticRegression(C=c, max_iter=1000)
        return model.fit(features["train"][rows[seed]], LABELS["train"][rows[seed]])

    scores = [
        fit(0, c).score(features["validation"], LABELS["validation"].numpy()) for c in few_labels.CS
    ]
    expected = fit(4, few_labels.CS[np.argmax(scores)]).score(
        features["test"], LABELS["test"].numpy()
    )
    assert curve[30][4] == pytest.approx(expected)
    given = {name: kind(x) for name, x in features.items()}
    assert logistic_regression(given, LABELS, (30,))(rows[4], 4) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("columns", "limit"), [(25, "LARGEST_SEARCH"), (26, "LARGEST_SEARCH_WIDE")]
)
def test_c_is_searched_for_with_so_many_labels_at_most(features, monkeypatch, columns, limit):
    asked = []

    def spy(labels, n_labels, seed):
        asked.append((n_labels, seed))
        return balanced_subset(labels, n_labels, seed)

    monkeypatch.setattr(few_labels, limit, 100)
    monkeypatch.setattr(few_labels, "balanced_subset", spy)
    wide = {name: np.tile(x, columns) for name, x in features.items()}
    logistic_regression(wide, LABELS, (300, 30))
    assert asked == [(90, 0), (30, 0)]  # 90 is the largest that three classes share within 100


def test_its_two_threads_give_the_numbers_of_one(method, curve):
    train = LABELS["train"]
    for n, scores in curve.items():
        one_by_one = [method(balanced_subset(train, n, seed), seed) for seed in range(len(scores))]
        assert scores == one_by_one
    with joblib.parallel_config("threading", n_jobs=3):
        assert learning_curve(method, train, SIZES) == curve


def test_several_methods_run_side_by_side_and_keep_their_numbers(method, curve):
    curves = learning_curves({"fit": method, "draw": lambda _, seed: seed}, LABELS["train"], SIZES)
    assert curves == {"fit": curve, "draw": {n: [*range(len(curve[n]))] for n in SIZES}}
    met = threading.Barrier(2, timeout=20)
    waiting = dict.fromkeys(("one", "other"), lambda rows, seed: len(rows) + met.wait() // 2)
    curves = learning_curves(waiting, LABELS["train"], (6,), {6: 1})
    assert curves == {"one": {6: [6]}, "other": {6: [6]}}


def test_a_dask_cluster_gives_the_same_numbers(method, curve):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None) as cluster,
        Client(cluster),
        joblib.parallel_config("dask"),
    ):
        assert learning_curve(method, LABELS["train"], SIZES) == curve


def test_a_method_sees_only_the_rows_it_may_look_at(capsys):
    seen = []

    def method(rows, seed):
        threads = torch.get_num_threads()
        seen.append((len(rows), seed, threads, LABELS["train"][rows].bincount().tolist()))
        return seed / 10

    torch.set_num_threads(2)
    try:
        curve = learning_curve(method, LABELS["train"], (6, 30))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    # two at a time: which of two neighbours comes first is chance
    assert sorted(seen) == [(n, draw, 1, [n // 3] * 3) for n in (6, 30) for draw in range(10)]
    assert curve == {n: [draw / 10 for draw in range(10)] for n in (6, 30)}
    assert capsys.readouterr().out.endswith(" 20/20 fits\n")


@pytest.mark.parametrize("size", [0, -3, 7, 303])
def test_sizes_that_cannot_be_filled_are_refused(size):
    with pytest.raises(ValueError, match="class"):
        learning_curve(lambda rows, seed: 0.5, LABELS["train"], [size])


def test_features_that_are_no_numbers_are_refused(features):
    holes = {name: np.where(x > 3, np.nan, x) for name, x in features.items()}
    with pytest.raises(ValueError, match="NaN"):
        logistic_regression(holes, LABELS, (300,))


def test_an_interval_covers_the_mean_as_often_as_it_says():
    samples = np.random.default_rng(0).standard_normal((2000, 10))
    covered = [abs(row.mean()) < half_width(row) for row in samples]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)
    assert half_width([0.8, 1.0]) == pytest.approx(1.2706, abs=1e-4)  # t of one degree: 12.706
    assert np.isnan(half_width([0.9]))


def test_a_size_has_as_many_label_sets_as_it_is_told():
    labels = torch.arange(2).repeat(50)
    curve = learning_curve(lambda rows, seed: seed / 100, labels, (2, 10), draws={10: 13})
    assert curve == {2: [n / 100 for n in range(10)], 10: [n / 100 for n in range(13)]}
