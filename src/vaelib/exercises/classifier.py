"""Exercises of notebook 4: features without labels or test images, intervals, the method."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import stats
from sklearn.cluster import KMeans
from torch import Tensor

from vaelib.classifier.graph import Graph, diffuse, neighbour_graph
from vaelib.classifier.partition import sinkhorn, threshold_dynamics
from vaelib.data.splits import Dataset, Split
from vaelib.exercises.verdict import Hint, as_tensor, attempt, checker, compare
from vaelib.latent import FloatArray
from vaelib.plots.curves import half_width


@checker
def check_half_width(attempted: Callable[[list[float]], float]) -> str:
    """Check accuracies with a few random label sets → half the 95 % interval of their mean."""
    scores = [0.71, 0.78, 0.74, 0.80, 0.69]
    n, spread = len(scores), np.std(scores, ddof=1)
    right = half_width(scores)
    student = right / (spread / n**0.5)
    values = {
        "That is the spread of single scores; the mean of n is steadier by √n.": student * spread,
        "1.96 is for a spread that is known. Estimated from five scores it is uncertain itself: "
        "use Student's t, scipy.stats.t.ppf(0.975, n − 1).": 1.96 * spread / n**0.5,
        "The spread is divided by n where n − 1 belongs: np.std(scores, ddof=1).": (
            student * np.std(scores) / n**0.5
        ),
        "Both ddof=1 and Student's t are missing.": 1.96 * np.std(scores) / n**0.5,
        "95 % leave 2.5 % on either side: ppf(0.975, …), not ppf(0.95, …).": (
            stats.t.ppf(0.95, n - 1) * spread / n**0.5
        ),
        "That is the standard deviation: no interval yet.": spread,
        "That is the standard error: multiply it by Student's t.": spread / n**0.5,
        "That is the whole interval: half of it goes to either side.": 2 * right,
    }
    mistakes = {hint: torch.tensor(float(value)) for hint, value in values.items()}
    compare(attempt(attempted, scores), torch.tensor(right), mistakes, 1e-3)
    return f"Right: ± {right:.3f} from five scores."


@checker
def check_features(build: Callable[[Split, Split], tuple[object, object]], dataset: Dataset) -> str:
    """Check training and test split → features of each, made without labels or test images."""
    half = min(300, len(dataset.test) // 2)
    train, test = dataset.train[:600], dataset.test[:half]
    features, test_features = _features(build, train, test)
    if len(features) != len(train) or len(test_features) != len(test) or features.ndim != 2:
        raise Hint("Return two arrays (N, D), a row for each training and each test image.")
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
    shuffled, _ = _features(build, Split(train.images, train.labels[order]), test)
    again, _ = _features(build, train, test)
    if not _same(features, again):
        raise Hint("Two calls give two answers: fix the seed, or use means in place of samples.")
    if not _same(features, shuffled):
        raise Hint(
            "The features change when the labels are shuffled: the encoder has used the labels. "
            "Then a few labels are not all that was used."
        )
    other, _ = _features(build, train, dataset.test[half : 2 * half])
    if not _same(features, other):
        raise Hint(
            "The training features change with the test images: something was fitted on both. Fit "
            "on training images, and only apply it to the test images."
        )
    third = as_tensor(attempt(build, train, test[: half // 3])[1]).numpy()
    if not _same(test_features[: half // 3], third):
        raise Hint(
            "A test image's features depend on the other test images: scale by the training "
            "images' mean and spread, not by their own."
        )
    return "Right: no label and no test image has shaped the features."


def _features(
    build: Callable[..., tuple[object, object]], train: Split, test: Split
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    answer = attempt(build, train, test)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Hint("Return two arrays: the training images' features and the test images'.")
    return as_tensor(answer[0]).numpy(), as_tensor(answer[1]).numpy()


def _same(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-3, atol=1e-4)


@checker
def check_threshold_dynamics(
    attempted: Callable[[Graph, Tensor, Sequence[float], Tensor], object], features: FloatArray
) -> str:
    """Check (graph, scores (N, C), times, sizes (C,)) → clusters (N,), against the library's.

    `features` (N, Z) are those of real images, of which 2,000 at most make a graph.
    """
    features = np.asarray(features)[:2000]
    n, n_classes = len(features), 4
    graph = neighbour_graph(features)
    graph = replace(graph, root_degree=graph.root_degree**4)  # who forgets them is to see it
    pieces = KMeans(n_classes, n_init=1, random_state=0).fit_predict(features)
    scores = F.one_hot(torch.from_numpy(pieces).long(), n_classes).float()
    sizes = torch.tensor([0.4, 0.3, 0.2, 0.1]) * n
    times = (3.0, 1.0, 0.3)
    answer = as_tensor(attempt(attempted, graph, scores.clone(), times, sizes))
    if answer.shape == (n, n_classes):
        raise Hint("Those are scores. Return a cluster for each image: argmax(dim=1) of the last.")
    if answer.shape != (n,):
        raise Hint(f"Return one cluster for each image, ({n},), not {tuple(answer.shape)}.")

    def agreement(clusters: Tensor) -> float:
        return (answer == clusters).float().mean().item()

    right = agreement(threshold_dynamics(graph, scores, times, sizes))
    if right > 0.998:
        return f"Right: {right:.1%} of the images in the same clusters as the library's."
    mistakes = {
        hint: agreement(wrong) for hint, wrong in _wrong_rounds(graph, scores, times, sizes)
    }
    hint = max(mistakes, key=mistakes.__getitem__)
    if mistakes[hint] > max(right, 0.98):
        raise Hint(hint)
    raise Hint(f"{right:.0%} of the images are in the library's clusters, and it is no usual slip.")


def _rounds(
    graph: Graph,
    scores: Tensor,
    times: Sequence[float],
    sizes: Tensor | None,
    *,
    decided: bool = True,
    unit: float | None = None,
) -> Tensor:
    """Run threshold dynamics with a step left out, or changed."""
    stretch = 1.0 if unit is None else float(graph.eigenvalues[scores.shape[1] - 1]) / unit
    for time in times:
        scores = diffuse(graph, scores, stretch * time).clamp_min(1e-6)
        scores = scores if sizes is None else sinkhorn(scores, sizes)
        clusters = scores.argmax(dim=1)
        scores = F.one_hot(clusters, scores.shape[1]).float() if decided else scores
    return clusters


def _wrong_rounds(
    graph: Graph, scores: Tensor, times: Sequence[float], sizes: Tensor
) -> Iterator[tuple[str, Tensor]]:
    """Yield what usual mistakes end in, each with its hint."""
    equal = torch.full_like(sizes, len(scores) / len(sizes))
    plain = replace(graph, root_degree=torch.ones_like(graph.root_degree))
    yield (
        "Nothing balances the clusters: scale columns to `sizes` and rows to one, in turns.",
        _rounds(graph, scores, times, None),
    )
    yield (
        "All clusters come out equally large: scale each column to its own entry of `sizes`.",
        _rounds(graph, scores, times, equal),
    )
    yield (
        "The scores are never decided: after each balance, every image gives its whole vote to "
        "one cluster, F.one_hot(scores.argmax(dim=1), C).",
        _rounds(graph, scores, times, sizes, decided=False),
    )
    yield (
        "That is one round: the decisions diffuse again, once for each of `times`.",
        _rounds(graph, scores, times[:1], sizes),
    )
    yield (
        "Every round takes the same time: use each of `times` in its turn.",
        _rounds(graph, scores, times[:1] * len(times), sizes),
    )
    yield (
        "The degrees are missing: multiply by root_degree before the eigenvectors, and divide "
        "after them.",
        _rounds(plain, scores, times, sizes),
    )
    yield (
        "The unit is the eigenvalue of index C − 1, the C-th: counting begins at 0.",
        _rounds(graph, scores, times, sizes, unit=float(graph.eigenvalues[scores.shape[1]])),
    )
    yield (
        "Time has another unit: divide the eigenvalues by that of index C − 1.",
        _rounds(graph, scores, times, sizes, unit=1.0),
    )
