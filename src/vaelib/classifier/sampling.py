"""Does sampling the latent regularise? The same classifier, trained and scored in several ways.

Training on fresh draws z = μ + σ ε adds to the cross-entropy, to second order in σ, the penalty
½ Σ_j σ_j² (w_jᵀ (diag p − p pᵀ) w_j): a ridge that grows where the encoder is unsure (σ) and
where the classifier is undecided (p). Bishop 1995; Wager, Wang & Liang 2013.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vaelib.classifier.few_labels import INVERSE_STRENGTHS
from vaelib.classifier.logistic import LinearClassifier, fit_logistic_regression
from vaelib.data.splits import balanced_subset
from vaelib.latent import FloatArray, Posterior

TRAINED_ON = ("mean", "one frozen sample", "fresh samples")
SCORED_ON = ("mean", "one sample", "average of samples")


class Views:
    """Images as a classifier may be scored on them: their means, and many samples each.

    `mean`: (N, Z). `samples`: (S · N, Z), the first N rows being one draw an image. The draws
    are made once, so that every classifier is scored on the same ones.
    """

    def __init__(self, posterior: Posterior, labels: Tensor, n_samples: int = 100) -> None:
        if len(posterior.mean) != len(labels):
            raise ValueError("Every encoded image needs one label.")
        self.mean = posterior.mean
        self.labels = labels
        self.samples = draw_samples(posterior, n_samples, seed=1)

    def score(self, classifier: LinearClassifier, way: str) -> float:
        """Return the accuracy on the mean, on one sample, or by the samples' mean probability."""
        n = len(self.labels)
        if way == "mean":
            return classifier.score(self.mean, self.labels)
        if way == "one sample":
            return classifier.score(self.samples[:n], self.labels)
        p = classifier.probabilities(self.samples).T  # (C, S · N)
        average = p.reshape(len(p), -1, n).mean(axis=1)  # (C, N)
        return float((average.argmax(axis=0) == self.labels.numpy()).mean())


def draw_samples(posterior: Posterior, n_samples: int, seed: int) -> FloatArray:
    """Draw from q_φ(z|x) of every image, S times: (S · N, Z). Raises ValueError for S < 1."""
    if n_samples < 1:
        raise ValueError(f"At least one sample an image is needed, not {n_samples}.")
    return np.concatenate([posterior.sample(seed + 1000 * s) for s in range(n_samples)])


def fit(
    posterior: Posterior, labels: Tensor, trained_on: str, strength: float, n_samples: int
) -> LinearClassifier:
    """Fit logistic regression on the means, on one frozen sample an image, or on fresh samples.

    "Fresh samples" minimises the average over `n_samples` draws an image, which stands for
    drawing anew in every epoch. C is shared among the draws, so that the ridge weighs the same.
    """
    if trained_on not in TRAINED_ON:
        raise ValueError(f"trained_on is {trained_on!r}: choose one of {', '.join(TRAINED_ON)}.")
    if trained_on == "mean":
        return fit_logistic_regression(posterior.mean, labels, strength)
    copies = 1 if trained_on == "one frozen sample" else n_samples
    rows = draw_samples(posterior, copies, seed=0)  # (S · B, Z)
    return fit_logistic_regression(rows, labels.repeat(copies), strength / copies)


def compare(
    train: Posterior,
    labels: Tensor,
    validation: Views,
    test: Views,
    budget: int,
    draws: int,
    n_samples: int,
) -> dict[tuple[str, str], list[float]]:
    """Return test accuracies for every way to train × way to score, one a draw of the budget.

    C is chosen on the validation images for each pair of ways by itself, with the first draw.
    """
    if draws < 1:
        raise ValueError(f"At least one draw of the labels is needed, not {draws}.")
    strengths = _choose_strengths(train, labels, validation, budget, n_samples)
    results: dict[tuple[str, str], list[float]] = {pair: [] for pair in strengths}
    for draw in range(draws):
        rows = balanced_subset(labels, budget, seed=draw)
        part = Posterior(train.mean[rows], train.log_variance[rows])
        fitted = {  # the same ridge often serves several ways to score
            (way, strength): fit(part, labels[rows], way, strength, n_samples)
            for way, strength in {(pair[0], strength) for pair, strength in strengths.items()}
        }
        for (trained_on, scored_on), strength in strengths.items():
            accuracy = test.score(fitted[trained_on, strength], scored_on)
            results[trained_on, scored_on].append(accuracy)
    return results


def _choose_strengths(
    train: Posterior, labels: Tensor, validation: Views, budget: int, n_samples: int
) -> dict[tuple[str, str], float]:
    rows = balanced_subset(labels, budget, seed=0)
    part = Posterior(train.mean[rows], train.log_variance[rows])
    chosen = {}
    for trained_on in TRAINED_ON:
        fitted = [fit(part, labels[rows], trained_on, c, n_samples) for c in INVERSE_STRENGTHS]
        for scored_on in SCORED_ON:
            best = int(np.argmax([validation.score(model, scored_on) for model in fitted]))
            chosen[trained_on, scored_on] = INVERSE_STRENGTHS[best]
    return chosen


def noise_penalty(classifier: LinearClassifier, posterior: Posterior) -> float:
    """Return what sampling adds to the cross-entropy, to second order in σ; nats an image.

    ½ Σ_j σ_j² (Σ_c p_c w_cj² − (Σ_c p_c w_cj)²), averaged over the images.
    """
    p = torch.from_numpy(classifier.probabilities(posterior.mean))  # (N, C)
    variance = torch.from_numpy(posterior.log_variance).exp()  # (N, Z)
    spread = p @ classifier.weight.square() - (p @ classifier.weight).square()  # (N, Z)
    return float(0.5 * (variance * spread).sum(dim=1).mean())


def noise_cost(
    classifier: LinearClassifier, posterior: Posterior, labels: Tensor, seeds: Sequence[int]
) -> float:
    """Return what sampling adds to the cross-entropy, measured with one draw a seed; nats."""
    at_mean = classifier.cross_entropy(posterior.mean, labels)
    drawn = [classifier.cross_entropy(posterior.sample(seed), labels) for seed in seeds]
    return float(np.mean(drawn)) - at_mean
