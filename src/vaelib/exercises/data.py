"""Exercises of notebook 1: pixels, splits, the Bernoulli log-likelihood, a better baseline."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vaelib.data.images import to_pixels
from vaelib.data.splits import Dataset, Split, balanced_subset
from vaelib.exercises.verdict import Hint, as_tensor, attempt, checker, compare

N_OFFICIAL_TRAINING = 60_000
N_ALL = 70_000
# logistic regression on raw pixels reaches about 75 % with 100 labels
BASELINE_BAR = 0.80


@checker
def check_pixels(to_pixels_: Callable[[Tensor], Tensor]) -> str:
    """Check bytes (B, 28, 28) → pixels in [0, 1], (B, 784)."""
    images = torch.randint(0, 256, (5, 28, 28), generator=torch.Generator().manual_seed(0))
    images = images.to(torch.uint8)
    right = to_pixels(images)
    mistakes = {
        "The pixels still run from 0 to 255: divide them.": 255 * right,
        "White is 255, not 256: dividing by 256 never reaches 1.": right * 255 / 256,
        "Everything became 0 or 1: // is the division of whole numbers, use /.": right.floor(),
        "The values are right; make one row of 784 pixels of each image.": right.view(5, 28, 28),
        "That is one long row for all images: keep the first dimension.": right.flatten(),
    }
    compare(attempt(to_pixels_, images), right, mistakes, 1e-5)
    return "Right: pixels in [0, 1], one row per image."


@checker
def check_splits(splits: Callable[[], tuple[object, object, object]]) -> str:
    """Check three sets of indices into 70,000 images of which the last 10,000 are the test."""
    answer = attempt(splits)
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        raise Hint("Return three sets of indices: training, validation, test.")
    if any(part is None or part is Ellipsis for part in answer):
        raise Hint("One of the three parts is still empty.")
    train, validation, test = (set(as_tensor(list(part)).tolist()) for part in answer)
    in_training = sum(index >= N_OFFICIAL_TRAINING for index in train)
    if in_training:
        raise Hint(
            f"{in_training:,} test images are in the training set: images 60,000 and up are for "
            "the last report only. Shuffle, if at all, among the first 60,000."
        )
    if any(index >= N_OFFICIAL_TRAINING for index in validation):
        raise Hint("Test images are in the validation set: choosing on them spoils the report.")
    if train & validation:
        raise Hint(
            f"{len(train & validation):,} images are in training and in validation: what the model "
            "has learned by heart cannot tell how well it does on new images."
        )
    if test != set(range(N_OFFICIAL_TRAINING, N_ALL)):
        raise Hint("The test set should be images 60,000 to 69,999, all of them and no other.")
    sizes = len(train), len(validation)
    if sizes != (50_000, 10_000):
        raise Hint(f"Training and validation hold {sizes}, and should hold (50000, 10000).")
    return "Right: learn on 50,000, choose on 10,000, report on 10,000, and no image twice."


@checker
def check_log_likelihood(log_likelihood: Callable[[Tensor, Tensor], Tensor]) -> str:
    """Check logits (B, 784), pixels (B, 784) → log p(x|z) in nats, (B,)."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(4, 784, generator=generator)
    logits = torch.randn(4, 784, generator=generator)
    terms = -F.binary_cross_entropy_with_logits(logits, pixels, reduction="none")  # (4, 784)
    right = terms.sum(dim=1)
    probabilities = logits.sigmoid()
    mistakes = {
        "The sign is turned: the log-likelihood of Bernoulli pixels is negative; the loss is its "
        "negative.": -right,
        "That is the mean over the 784 pixels: independent pixels multiply, so their logarithms "
        "add up. Use the sum.": terms.mean(dim=1),
        "The mean over pixels, and the sign is turned as well.": -terms.mean(dim=1),
        "That is one number for the whole batch: sum over the pixels only, dim=1.": terms.sum(),
        "That is one value per pixel: sum over the pixels, dim=1.": terms,
        "Ink is counted and paper is not: add (1 − x) log(1 − p).": (
            pixels * probabilities.log()
        ).sum(dim=1),
        "The logits were taken for probabilities: p is their sigmoid.": (
            pixels * logits.log() + (1 - pixels) * (1 - logits).log()
        ).sum(dim=1),
    }
    compare(attempt(log_likelihood, logits, pixels), right, mistakes, 1e-3)
    sure = torch.full((1, 784), 120.0)
    extreme = as_tensor(attempt(log_likelihood, sure, torch.zeros(1, 784)))
    if not torch.allclose(extreme, torch.tensor([-120.0 * 784]), rtol=1e-3):
        raise Hint(
            "Right for moderate logits, but at a logit of 120 the probability rounds to 1 and "
            "log(1 − p) is lost. Stay with logits: F.softplus, or F's loss named _with_logits."
        )
    return "Right, and exact where a probability would round to 0 or 1."


@checker
def check_baseline(
    classify: Callable[[Tensor, Tensor, Tensor], object], dataset: Dataset, n_label_sets: int = 3
) -> str:
    """Check a classifier (images, their labels, new images) → classes: ten labels of each class."""
    scores, n_labels = [], 10 * len(dataset.classes)
    for seed in range(n_label_sets):
        labelled = dataset.train[balanced_subset(dataset.train.labels, n_labels, seed=100 + seed)]
        generator = torch.Generator().manual_seed(seed)
        new = dataset.test[torch.randperm(len(dataset.test), generator=generator)[:2000]]
        scores.append(_accuracy(classify, labelled, new))
    if max(scores) < 0.15:
        raise Hint(
            f"{np.mean(scores):.1%} is what guessing gives. Either nothing was learned, or the "
            "answers belong to the images in another order than they were handed in."
        )
    if np.mean(scores) < BASELINE_BAR:
        raise Hint(
            f"{np.mean(scores):.1%} over {n_label_sets} random label sets; the bar is "
            f"{BASELINE_BAR:.0%}. What do you know of handwriting that {n_labels} images cannot "
            "teach? Look into vaelib.data.deskew."
        )
    return (
        f"{np.mean(scores):.1%} over {n_label_sets} random sets of {n_labels} labels: well above "
        "the baseline."
    )


def _accuracy(classify: Callable[..., object], labelled: Split, new: Split) -> float:
    """Return the accuracy. Raises Hint where an answer depends on the other new images."""
    answer = as_tensor(attempt(classify, labelled.images, labelled.labels, new.images))
    if answer.shape != new.labels.shape:
        raise Hint(
            f"Return one class for each new image, ({len(new)},), not {tuple(answer.shape)}."
        )
    quarter = len(new) // 4
    first = as_tensor(attempt(classify, labelled.images, labelled.labels, new.images[:quarter]))
    if (first != answer[:quarter]).float().mean() > 0.02:
        raise Hint(
            "An image is named differently when other new images stand beside it: something is "
            "fitted on the images to be named. Fit on the labelled ones alone."
        )
    return (answer == new.labels).float().mean().item()
