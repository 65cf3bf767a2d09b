"""Exercises of notebook 3: active units, neighbours, two pictures laid one over the other."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from vaelib.exercises.verdict import Hint, as_tensor, attempt, checker, compare
from vaelib.latent import ACTIVE_VARIANCE, FloatArray, Posterior, active_units, neighbour_accuracy


@checker
def check_active_units(active: Callable[[Posterior], NDArray[np.bool_]]) -> str:
    """Check q_φ(z|x) of many images → which latents are active, (Z,) of bool."""
    generator = np.random.default_rng(0)
    # from collapsed to active, some at 0.02 to 0.05: between a deviation and a variance of 0.01
    spread = np.array([0, 0.005, 0.02, 0.05, 0.09, 0.15, 0.5, 1.0], dtype=np.float32)
    mean = spread * generator.standard_normal((400, 8), dtype=np.float32)
    mean[:, 1] += 0.5  # a mean that is large and does not vary tells nothing
    log_variance = np.log(np.maximum(1 - spread**2, 0.05)).astype(np.float32)
    posterior = Posterior(mean, np.broadcast_to(log_variance, mean.shape).copy())
    right = torch.from_numpy(active_units(posterior))
    deviation = torch.from_numpy(mean.std(axis=0) > ACTIVE_VARIANCE)
    mistakes = {
        "The standard deviation was compared with 0.01; the threshold is for the variance.": (
            deviation
        ),
        "That is the opposite: these are the collapsed ones.": ~right,
        "The encoder's own variance σ² was used. It is near 1 in a collapsed latent; what must "
        "vary is μ, from image to image.": torch.from_numpy(np.exp(log_variance) > ACTIVE_VARIANCE),
        "A mean that is far from 0 but the same for every image tells nothing about it: take the "
        "variance over the images.": torch.from_numpy(np.abs(mean.mean(axis=0)) > ACTIVE_VARIANCE),
        "The variance runs over the latents: it should run over the images, axis=0.": (
            torch.from_numpy(mean.var(axis=1) > ACTIVE_VARIANCE)
        ),
        "That is how many are active: return which, one truth value a latent.": right.sum(),
        "Those are the variances: compare them with 0.01.": torch.from_numpy(mean.var(axis=0)),
    }
    compare(attempt(active, posterior), right, mistakes, 1e-5)
    return "Right: active is what varies with the image."


@checker
def check_neighbour_accuracy(
    accuracy: Callable[[FloatArray, NDArray[np.int64], int], float],
) -> str:
    """Check features (N, D), labels (N,), k → the share named rightly by k neighbours' vote."""
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 3, 150)
    centres = np.array([[0, 0, 0], [1.6, 0, 0], [0, 1.6, 0]])
    features = (centres[labels] + generator.standard_normal((150, 3))).astype(np.float32)
    right = neighbour_accuracy(features, torch.from_numpy(labels), 5)
    distance = np.linalg.norm(features[:, None] - features[None], axis=2)  # (N, N)
    order = distance.argsort(axis=1)
    with_itself = _vote(labels[order[:, :5]], labels)
    mistakes = {
        "Every image votes for itself, since its nearest neighbour is itself: leave it out.": (
            with_itself
        ),
        "Only the nearest neighbour counts: take the vote of k.": _vote(
            labels[order[:, 1:2]], labels
        ),
        "The neighbours are the farthest ones: sort the distances upwards.": _vote(
            labels[order[:, -5:]], labels
        ),
        "That is the share of neighbours with the right class: take each image's vote first, then "
        "count the images.": (labels[order[:, 1:6]] == labels[:, None]).mean(),
        "That is the share of errors: one minus it is the accuracy.": 1 - right,
        "That is in percent: return a share between 0 and 1.": 100 * right,
    }
    compare(
        attempt(accuracy, features, labels, 5),
        torch.tensor(right),
        {hint: torch.tensor(value) for hint, value in mistakes.items()},
        1e-4,
    )
    return f"Right: {right:.1%} on a small example, each image left out of its own vote."


def _vote(votes: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Return how often the commonest class among the votes (N, K) is the label (N,)."""
    counts = (votes[:, :, None] == np.unique(labels)).sum(axis=1)
    return float((np.unique(labels)[counts.argmax(axis=1)] == labels).mean())


@checker
def check_alignment(align: Callable[[FloatArray, FloatArray], FloatArray]) -> str:
    """Check picture (N, 2), target (N, 2) → the picture moved, turned and mirrored onto it."""
    generator = np.random.default_rng(2)
    target = generator.standard_normal((80, 2)) * [3, 1] + [4, -2]
    for mirrored in (False, True):
        angle = 2.2
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if mirrored:
            turn = turn @ np.diag([1, -1])
        picture = (target @ turn + [7, 3] + 0.05 * generator.standard_normal((80, 2))).astype("f4")
        moved = as_tensor(attempt(align, picture, target.astype("f4"))).double().numpy()
        _judge_alignment(moved, picture.astype(float), target, mirrored)
    return "Right: moved, turned and mirrored, and no distance changed."


def _judge_alignment(
    moved: NDArray[np.float64],
    picture: NDArray[np.float64],
    target: NDArray[np.float64],
    mirrored: bool,
) -> None:
    if moved.shape != target.shape:
        raise Hint(f"The shape is {moved.shape}, and should be {target.shape}.")
    before, after = (np.linalg.norm(p[:, None] - p[None], axis=2) for p in (picture, moved))
    if not np.allclose(before, after, atol=1e-2):
        raise Hint(
            "The distances within the picture have changed: it was stretched or sheared. Only a "
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
