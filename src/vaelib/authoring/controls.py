"""The controls of notebook 4 that take minutes: what its ten labels owe to the VAE, what to luck.

Every accuracy is on the test images, with the notebook's own draws of ten labels.

- The notebook's method (graph, partition, spreading) on raw pixels, on the convolutional latent,
  and on the latents of three VAEs that differ in their seed. A test image takes the vote of its
  ten nearest training images.
- Two methods without a graph, on raw pixels, 30 principal components and both latents: the nearest
  neighbours (one with ten labels, five with all), and logistic regression on 450 Nyström features
  of a Gaussian kernel, as in the notebook; their landmarks need no label.

The kernel's γ and C are the best on validation for each kind of features: with ten labels by the
mean over the same draws, which flatters it, and with all labels by a fit on a tenth of them.
"""

import itertools
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from scipy.spatial.distance import pdist
from sklearn.base import ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from vaelib._machine.devices import one_thread
from vaelib.authoring.rivals import FAILED
from vaelib.authoring.timing import Numbers, say
from vaelib.classifier import label_spreading, neighbour_graph, partition
from vaelib.data import Dataset, balanced_subset, to_pixels
from vaelib.latent import FloatArray, encode
from vaelib.vae import CONV, MLP, VAE, Config, mean_elbo, pretrained, train_epochs

SPLITS = ("train", "validation", "test")
FACTORS, CS = (0.25, 1, 4), (1, 10, 100)  # γ · median squared distance; 1 / penalty

Labels = Mapping[str, Tensor]  # by split, (N,)
Features = Mapping[str, FloatArray]  # by split, (N, D)


def measure(dataset: Dataset, small: bool) -> Numbers:
    """Measure all controls; if `small`, on 2,000 images with networks of one epoch and two draws.

    Networks that no notebook trains are not saved.
    """
    n, n_draws, n_without = (2000, 2, 2) if small else (None, 100, 30)
    dataset = replace(dataset, **{split: getattr(dataset, split)[:n] for split in SPLITS})
    images = {split: getattr(dataset, split).images for split in SPLITS}
    labels = {split: getattr(dataset, split).labels for split in SPLITS}
    pixels = {split: to_pixels(images[split]).numpy() for split in SPLITS}
    pca = PCA(30, svd_solver="covariance_eigh").fit(pixels["train"])
    features = {"pixels": pixels, "pca": {split: pca.transform(pixels[split]) for split in SPLITS}}
    say("controls: the graph of raw pixels")
    numbers = spread("pixels", pixels, labels, n_draws)
    others = [replace(MLP, name=f"mlp-seed-{seed}", keep=(), seed=seed) for seed in (1, 2)]
    for config in (CONV, MLP, *others):
        say(f"controls: the network {config.name}")
        model = trained(config, dataset, small)
        latents = {split: encode(model, images[split]).mean.numpy() for split in SPLITS}
        if config in (CONV, MLP):
            features[config.name] = latents
        if config == CONV:
            numbers |= spread("conv", latents, labels, n_draws)
            continue
        numbers[f"elbo_test_seed_{config.seed}"] = mean_elbo(model, images["test"]).elbo.item()
        numbers |= spread(f"plain_seed_{config.seed}", latents, labels, n_draws)
    for name, each in features.items():
        say(f"controls: neighbours and kernel of {name}")
        numbers |= without_graph(name, each, labels, n_without)
    return numbers


def trained(config: Config, dataset: Dataset, small: bool) -> VAE:
    """Return a network of the notebooks as they saved it, and train any other without saving."""
    if config in (MLP, CONV) and not small:
        return pretrained(config, dataset).model()
    config = replace(config, epochs=1, keep=(), binarise_from=None) if small else config
    model = config.build()
    list(train_epochs(model, dataset.train.images, dataset.validation.images, config))
    return model


def spread(name: str, features: Features, labels: Labels, n_draws: int) -> Numbers:
    """Run the notebook's method with one label a class, and with none: clusters named by majority.

    The seconds are those of all that needs no label: the graph, its eigenvectors, the clusters.
    """
    train, test = labels["train"], labels["test"].numpy()
    n_classes = len(train.unique())
    began = time.perf_counter()
    graph = neighbour_graph(features["train"])
    found = partition(graph, n_classes)
    seconds = time.perf_counter() - began
    method = label_spreading(graph, found, features["test"], labels)
    with one_thread():
        scores = [method(balanced_subset(train, n_classes, n), n) for n in range(n_draws)]
    one_hot = torch.eye(n_classes)
    names = (one_hot[found.clusters].T @ one_hot[train]).argmax(dim=1)  # each cluster's class
    votes = graph.interpolation(features["test"]) @ one_hot[names[found.clusters]].numpy()
    start = f"accuracy_{n_classes}_labels_{name}"
    return {
        f"{start}_mean": statistics.mean(scores),
        f"{start}_median": statistics.median(scores),
        f"{start}_failures": sum(score < FAILED for score in scores) / n_draws,
        f"{start}_worst": min(scores),
        f"accuracy_0_labels_{name}": float((votes.argmax(axis=1) == test).mean()),
        f"seconds_prepare_{name}": seconds,
    }


def without_graph(name: str, features: Features, labels: Labels, n_draws: int) -> Numbers:
    """Score the nearest neighbours and the kernel, with one label a class and with all labels."""
    every, n = labels["train"], len(labels["train"])
    n_classes = len(every.unique())
    few = [balanced_subset(every, n_classes, seed) for seed in range(n_draws)]
    tenth, everything = [balanced_subset(every, n // 10, seed=0)], [torch.arange(n)]
    gamma = 1 / np.median(pdist(features["train"][:1000], "sqeuclidean"))
    components = min(450, n // 10)
    kernels = [Nystroem(gamma=f * gamma, n_components=components, random_state=0) for f in FACTORS]
    kernels = [kernel.fit(features["train"]) for kernel in kernels]
    spaces = [{split: k.transform(features[split]) for split in SPLITS} for k in kernels]

    def score(model: ClassifierMixin, space: Features, draws: list[Tensor], split: str) -> float:
        fits = (model.fit(space["train"][rows], every[rows].numpy()) for rows in draws)
        return statistics.mean(fit.score(space[split], labels[split].numpy()) for fit in fits)

    def best(draws: list[Tensor]) -> tuple[ClassifierMixin, Features]:
        settings = itertools.product([LogisticRegression(C=c, max_iter=1000) for c in CS], spaces)
        return max(settings, key=lambda setting: score(*setting, draws, "validation"))

    one, five = (KNeighborsClassifier(k, algorithm="brute") for k in (1, 5))
    return {
        f"accuracy_{n_classes}_labels_knn_{name}": score(one, features, few, "test"),
        f"accuracy_{n}_labels_knn_{name}": score(five, features, everything, "test"),
        f"accuracy_{n_classes}_labels_kernel_{name}": score(*best(few), few, "test"),
        f"accuracy_{n}_labels_kernel_{name}": score(*best(tenth), everything, "test"),
    }
