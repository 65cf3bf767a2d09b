"""Exercises of notebook 4: features without labels or test images, intervals, few labels."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.distributions import Normal

from vaelib.data.splits import Dataset, Split, balanced_subset
from vaelib.exercises.verdict import Hint, as_tensor, attempt, checker, compare
from vaelib.latent import FloatArray
from vaelib.plots.curves import half_width

GAIN_BAR = 0.05  # over logistic regression on the same labels


@checker
def check_test_features(features: Callable[[Normal], Tensor]) -> str:
    """Check q_φ(z|x) of the test images → what the classifier should be given of them, (N, Z)."""
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(50, 4, generator=generator)
    log_variance = torch.randn(50, 4, generator=generator) - 2
    posterior = Normal(mean, torch.exp(0.5 * log_variance))
    how_sure = "which says how sure the encoder is, not where the image lies."
    mistakes = {
        f"That is σ, {how_sure}": posterior.stddev,
        f"That is σ², {how_sure}": posterior.variance,
        f"That is log σ², {how_sure}": log_variance,
    }
    answer, again = (as_tensor(attempt(features, posterior)) for _ in range(2))
    if not torch.equal(answer, again):
        raise Hint("Two calls give two answers: that is a sample. At test, noise gains nothing.")
    if answer.shape == mean.shape and 0.8 < ((answer - mean) / posterior.stddev).std() < 1.2:
        raise Hint(
            "That is a sample: it adds the encoder's own uncertainty to every image. What is its "
            "centre?"
        )
    compare(answer, mean, mistakes, 1e-5)
    return "Right: the mean, three points better at test than a sample."


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
def check_few_labels(
    predict: Callable[[FloatArray, NDArray[np.int64], NDArray[np.int64], FloatArray], object],
    features: FloatArray,
    labels: Tensor,
    new_features: FloatArray,
    new_labels: Tensor,
    n_images: int = 3000,
) -> str:
    """Check (features, rows, labels of these rows, new features) → classes of the new ones.

    Five labels of each class are given, or as many as the rarest has. The bar is logistic
    regression on the same, plus five points.
    """
    gains, scores = [], []
    half = min(1000, len(new_labels) // 2)
    for seed in range(2):
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        order = order[:n_images]
        unlabelled, truth = features[order.numpy()], labels[order]
        counts = truth.unique(return_counts=True)[1]
        rows = balanced_subset(truth, min(5, int(counts.min())) * len(counts), seed).numpy()
        few, new = truth.numpy()[rows], slice(half * seed, half * seed + half)
        answer = as_tensor(attempt(predict, unlabelled, rows, few, new_features[new]))
        if answer.shape != new_labels[new].shape:
            raise Hint(
                f"Return one class for each new image, ({half},), not {tuple(answer.shape)}."
            )
        baseline = LogisticRegression(max_iter=1000).fit(unlabelled[rows], few)
        scores.append((answer == new_labels[new]).float().mean().item())
        gains.append(scores[-1] - baseline.score(new_features[new], new_labels[new].numpy()))
    if max(scores) < 0.15:
        raise Hint("That is what guessing gives: are `labels` taken as those of `rows`, in order?")
    if np.mean(gains) < GAIN_BAR:
        raise Hint(
            f"{np.mean(scores):.1%}, {100 * np.mean(gains):+.1f} points against logistic "
            f"regression on the same {len(few)} labels; the bar is +{100 * GAIN_BAR:.0f}. Have the "
            "unlabelled rows of `features` been used? Neighbours share their class."
        )
    return (
        f"{np.mean(scores):.1%} with {len(few)} labels, {100 * np.mean(gains):.1f} points above "
        "logistic regression: the unlabelled images have been used twice."
    )
