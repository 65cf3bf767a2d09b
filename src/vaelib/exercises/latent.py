"""Exercises of notebook 3: active units, neighbours, one embedding laid over another."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor
from torch.distributions import Normal

from vaelib.exercises.verdict import Hint, as_tensor, attempt, checker, compare
from vaelib.latent import ACTIVE_VARIANCE, FloatArray, active_units


@checker
def check_active_units(active: Callable[[Normal], Tensor]) -> str:
    """Check q_φ(z|x) of many images, a Normal (N, Z) → which latents are active, (Z,) of bool."""
    generator = torch.Generator().manual_seed(0)
    # from collapsed to active, some at 0.02 to 0.05: between a deviation and a variance of 0.01
    spread = torch.tensor([0, 0.005, 0.02, 0.05, 0.09, 0.15, 0.5, 1.0])
    mean = spread * torch.randn(400, 8, generator=generator)
    mean[:, 1] += 0.5  # a mean that is large and does not vary tells nothing
    variance = (1 - spread**2).clamp_min(0.05)
    posterior = Normal(mean, variance.sqrt().expand_as(mean))
    right = active_units(posterior)
    mistakes = {
        "The standard deviation was compared with 0.01; the threshold is for the variance.": (
            mean.std(dim=0) > ACTIVE_VARIANCE
        ),
        "That is the opposite: these are the collapsed ones.": ~right,
        "The encoder's own variance σ² was used. It is near 1 in a collapsed latent; what must "
        "vary is μ, from image to image.": variance > ACTIVE_VARIANCE,
        "A mean that is far from 0 but the same for every image tells nothing about it: take the "
        "variance over the images.": mean.mean(dim=0).abs() > ACTIVE_VARIANCE,
        "The variance runs over the latents: it should run over the images, dim=0.": (
            mean.var(dim=1) > ACTIVE_VARIANCE
        ),
        "That is how many are active: return which, one truth value per latent.": right.sum(),
        "Those are the variances: compare them with 0.01.": mean.var(dim=0),
    }
    compare(attempt(active, posterior), right, mistakes, 1e-5)
    return "Right: active is what varies with the image."


@checker
def check_knn_accuracy(accuracy: Callable[[FloatArray, NDArray[np.int64], int], float]) -> str:
    """Check features (N, D), labels (N,), k → the leave-one-out k-NN accuracy."""
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 3, 150)
    centres = np.array([[0, 0, 0], [1.6, 0, 0], [0, 1.6, 0]])
    features = (centres[labels] + generator.standard_normal((150, 3))).astype(np.float32)
    right = KNeighborsClassifier(5).fit(features, labels).score(None, np.asarray(labels))
    distance = np.linalg.norm(features[:, None] - features[None], axis=2)  # (N, N)
    order = distance.argsort(axis=1)
    mistakes = {
        "Every image votes for itself, since its nearest neighbour is itself: leave it out.": (
            _vote(labels[order[:, :5]], labels)
        ),
        "Only the nearest neighbour counts: take the vote of k.": (
            _vote(labels[order[:, 1:2]], labels)
        ),
        "The neighbours are the farthest ones: sort the distances upwards.": (
            _vote(labels[order[:, -5:]], labels)
        ),
        "That is the share of neighbours with the right class: take each image's vote first, then "
        "count the images.": (labels[order[:, 1:6]] == labels[:, None]).mean(),
        "That is the share of errors: one minus it is the accuracy.": 1 - right,
        "That is in percent: return a share between 0 and 1.": 100 * right,
    }
    values = {hint: torch.tensor(value) for hint, value in mistakes.items()}
    compare(attempt(accuracy, features, labels, 5), torch.tensor(right), values, 1e-4)
    return f"Right: {right:.1%} on a small example, each image left out of its own vote."


def _vote(votes: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Return how often the commonest class among the votes (N, K) is the label (N,)."""
    winners = np.array([np.bincount(row).argmax() for row in votes])  # (N, K) → (N,)
    return float((winners == labels).mean())


@checker
def check_alignment(align: Callable[[FloatArray, FloatArray], FloatArray]) -> str:
    """Check embedding (N, 2), target (N, 2) → the embedding moved, turned, mirrored onto it."""
    generator = np.random.default_rng(2)
    target = generator.standard_normal((80, 2)) * [3, 1] + [4, -2]
    cosine, sine = np.cos(2.2), np.sin(2.2)
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    for mirrored in (False, True):
        turned = target @ rotation @ np.diag([1, -1 if mirrored else 1])
        embedding = turned + [7, 3] + 0.05 * generator.standard_normal((80, 2))
        answer = attempt(align, embedding.astype("f4"), target.astype("f4"))
        _judge_alignment(as_tensor(answer).double().numpy(), embedding, target, mirrored)
    return "Right: moved, turned and mirrored, and no distance changed."


def _judge_alignment(
    moved: NDArray[np.float64],
    embedding: NDArray[np.float64],
    target: NDArray[np.float64],
    mirrored: bool,
) -> None:
    if moved.shape != target.shape:
        raise Hint(f"The shape is {moved.shape}, and should be {target.shape}.")
    before, after = (np.linalg.norm(p[:, None] - p[None], axis=2) for p in (embedding, moved))
    if not np.allclose(before, after, atol=1e-2):
        raise Hint(
            "The distances within the embedding have changed: it was stretched or sheared. Only a "
            "shift, a turn and a mirror are allowed; an orthogonal matrix comes from the SVD."
        )
    if np.abs(moved.mean(axis=0) - target.mean(axis=0)).max() > 0.01:
        raise Hint(
            "The middles do not lie on each other: centre both, turn, add the target's middle."
        )
    rest = np.linalg.norm(moved - target, axis=1).mean()
    if rest > 0.2 and mirrored:
        raise Hint(
            "It turns rightly but does not mirror: let the matrix have determinant −1 as well."
        )
    if rest > 0.2:
        raise Hint(
            f"The points are still {rest:.1f} apart on average, and could be 0.1: the turn is not "
            "the best one. If it is the opposite one, transpose the matrix."
        )
