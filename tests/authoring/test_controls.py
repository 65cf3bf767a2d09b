"""The controls give every number by its name; how large they are, only all images can tell."""

import json

import numpy as np
import pytest
import torch

from vaelib.authoring import benchmark, controls

FEATURES = ("pixels", "pca", "mlp", "conv")
SPREAD = ("pixels", "conv", "plain_seed_0", "plain_seed_1", "plain_seed_2")
NAMES = {
    *(f"accuracy_0_labels_{name}" for name in SPREAD),
    *(
        f"accuracy_10_labels_{name}_{number}"
        for name in SPREAD
        for number in ("mean", "median", "failures", "worst")
    ),
    *(
        f"accuracy_{n}_labels_{method}_{name}"
        for n in (10, 2000)  # all labels, which are 50,000 where the run is not a small one
        for method in ("knn", "kernel")
        for name in FEATURES
    ),
}
ELBOS = {f"elbo_test_seed_{seed}" for seed in range(3)}
SECONDS = {f"seconds_prepare_{name}" for name in SPREAD}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return the folders that a small run leaves, and what stands in its file."""
    figures, checkpoints = tmp_path_factory.mktemp("figures"), tmp_path_factory.mktemp("models")
    file = figures / "benchmark.json"
    file.write_text('{"seconds_import": 0.5, "elbo_test_seed_0": 1.0}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VAELIB_FIGURES", str(figures))
        patch.setenv("VAELIB_CHECKPOINTS", str(checkpoints))
        benchmark.main(small=True, only=("controls",))
    return figures, checkpoints, json.loads(file.read_text())


def test_small_controls_give_every_number_and_keep_the_others(written):
    _, _, numbers = written
    assert numbers.keys() == NAMES | ELBOS | SECONDS | {"seconds_import"}
    assert numbers["seconds_import"] == 0.5
    assert all(0 <= numbers[name] <= 1 for name in NAMES)
    assert all(-784 * np.log(2) < numbers[name] < 0 for name in ELBOS)  # better than grey
    assert len({numbers[name] for name in ELBOS}) == 3
    assert all(numbers[name] > 0 for name in SECONDS)


def test_few_epochs_on_few_images_know_something(written):
    _, _, numbers = written
    for name in ("pixels", "pca"):
        few, many = (numbers[f"accuracy_{n}_labels_kernel_{name}"] for n in (10, 2000))
        assert 0.2 < few < 0.6 < many
    assert 0.5 < numbers["accuracy_0_labels_pixels"] < 0.9


def test_controls_leave_no_picture_and_no_network(written):
    figures, checkpoints, _ = written
    assert [path.name for path in figures.iterdir()] == ["benchmark.json"]
    assert list(checkpoints.iterdir()) == []


def clusters(n_images, n_classes=3, outliers=0):
    """Return points of clusters far apart by split, and their labels; some labels are wrong."""
    generator = torch.Generator().manual_seed(0)
    labels, features = {}, {}
    for split in controls.SPLITS:
        true = torch.arange(n_images) % n_classes
        noise = torch.randn(n_images, 5, generator=generator)
        features[split] = (10 * torch.eye(n_classes, 5)[true] + noise).numpy()
        labels[split] = true
    labels["train"] = labels["train"].clone()
    labels["train"][:outliers] = (labels["train"][:outliers] + 1) % n_classes
    return features, labels


def test_clusters_far_apart_are_named_by_their_majority():
    features, labels = clusters(600, outliers=60)
    numbers = controls.spread("far", features, labels, n_draws=20)
    assert numbers["accuracy_0_labels_far"] == 1  # whatever single labels say
    assert numbers["accuracy_3_labels_far_worst"] < numbers["accuracy_3_labels_far_median"] == 1
    assert 0 < numbers["accuracy_3_labels_far_failures"] < 1


def test_methods_without_a_graph_separate_clusters_far_apart():
    numbers = controls.without_graph("far", *clusters(600), n_draws=3)
    assert numbers == {
        f"accuracy_{n}_labels_{method}_far": 1 for n in (3, 600) for method in ("knn", "kernel")
    }
