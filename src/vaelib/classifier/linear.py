"""Features in, scores out: the linear classifier on the frozen encoder's latents."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vaelib._machine.threads import one_thread
from vaelib.classifier.logistic import LinearClassifier
from vaelib.latent import FloatArray, HalfArray, Posterior
from vaelib.vae.training import TrainingError

if TYPE_CHECKING:
    from sklearn.kernel_approximation import Nystroem


@dataclass(frozen=True)
class DescentSettings:
    """How a linear layer is trained by stochastic gradient descent on features.

    Attributes
    ----------
    epochs, batch_size, learning_rate : as usual.
    decay : lower the learning rate in a straight line to zero, so that the descent ends at the
        optimum and does not circle around it.
    sampled : draw the latents from q_φ(z|x) anew each epoch; otherwise use the posterior mean.
    seed : of the order of the images and of the draws.
    """

    epochs: int
    learning_rate: float
    batch_size: int = 256
    decay: bool = False
    sampled: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size) < 1 or not 0 < self.learning_rate < math.inf:
            raise ValueError(
                "A descent needs at least one epoch, one image a batch and a positive learning "
                f"rate: {self}."
            )


def descend(
    train: Posterior,
    labels: Tensor,
    validation: Posterior,
    validation_labels: Tensor,
    settings: DescentSettings,
) -> LinearClassifier:
    """Train a linear classifier on encoded images by stochastic gradient descent.

    The images are encoded once, before: the encoder is frozen, so only the draw from q_φ(z|x)
    changes from epoch to epoch, and that takes a multiplication.

    Raises ValueError where the lengths differ or there is only one class, and TrainingError as
    soon as the loss is no longer a finite number.
    """
    for posterior, its_labels in [(train, labels), (validation, validation_labels)]:
        posterior.check()
        if its_labels.shape != posterior.mean.shape[:1]:
            raise ValueError("Every encoded image needs one label.")
    if len(labels.unique()) < 2:
        raise ValueError("A classifier needs images of at least two classes.")
    n_classes = int(labels.max()) + 1
    both = torch.cat([labels, validation_labels])
    if both.is_floating_point() or not 0 <= both.min() <= both.max() < n_classes:
        raise ValueError(f"Labels must be whole numbers from 0 to {n_classes - 1}, here and there.")
    if train.mean.shape[1] != validation.mean.shape[1]:
        raise ValueError("Training and validation latents differ in size.")
    truth = F.one_hot(labels).float()  # (N,) → (N, C)
    generator = torch.Generator().manual_seed(settings.seed)
    weight, bias = _first_weights(train.mean.shape[1], truth.shape[1], generator)
    classifier = LinearClassifier(weight, bias)
    for epoch in range(settings.epochs):
        features = _features(train, settings.sampled, generator)
        rate = settings.learning_rate
        rate *= 1 - epoch / settings.epochs if settings.decay else 1
        order = torch.randperm(len(labels), generator=generator)
        batches = (rows[order].split(settings.batch_size) for rows in (features, truth))
        with one_thread():
            for batch, batch_truth in zip(*batches, strict=True):
                _descend_once(weight, bias, batch, batch_truth, rate)
        held_out = _features(validation, settings.sampled, generator)
        classifier.training_loss.append(classifier.cross_entropy(features, labels))
        classifier.validation_loss.append(classifier.cross_entropy(held_out, validation_labels))
        losses = classifier.training_loss[-1], classifier.validation_loss[-1]
        if not all(map(math.isfinite, losses)):
            raise TrainingError(
                f"The cross-entropy became {losses[0]}, on validation {losses[1]}, in epoch "
                f"{epoch + 1}. The likely cause is the learning rate, {settings.learning_rate}."
            )
    return classifier


def _descend_once(
    weight: Tensor, bias: Tensor, features: Tensor, truth: Tensor, rate: float
) -> None:
    """Take one step in place: the gradient of the cross-entropy is probabilities minus truth."""
    logits = torch.addmm(bias[:, None], weight, features.T)  # (B, Z) → (C, B)
    residual = logits.softmax(dim=0).sub_(truth.T)
    weight.addmm_(residual, features, alpha=-rate / len(truth))
    bias.sub_(residual.mean(dim=1), alpha=rate)


def _first_weights(
    n_features: int, n_classes: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return the first weights of a linear layer, drawn as torch.nn.Linear draws them."""
    bound = n_features**-0.5
    weight = torch.empty(n_classes, n_features).uniform_(-bound, bound, generator=generator)
    bias = torch.empty(n_classes).uniform_(-bound, bound, generator=generator)
    return weight, bias


def _features(posterior: Posterior, sampled: bool, generator: torch.Generator) -> Tensor:
    mean = torch.from_numpy(posterior.mean)
    if not sampled:
        return mean
    deviation = torch.from_numpy(posterior.log_variance).mul(0.5).exp()
    return mean + deviation * torch.randn(mean.shape, generator=generator)


def kernel_features(
    train: FloatArray, *others: FloatArray, components: int = 1000, width: float = 0.05
) -> list[HalfArray]:
    """Return features in which a straight line is a curve in the latent: (N, Z) → (N, M) each.

    They are in half precision: a thousand numbers an image would fill a laptop otherwise.

    Each feature tells how near an image is to one of M training images, by the Gaussian kernel
    exp(−width · distance²), made orthogonal (Nyström; Williams & Seeger 2001). `width` and
    `components` were chosen on validation. Raises ValueError where there are fewer training
    images than components.
    """
    from sklearn.kernel_approximation import Nystroem

    if len(train) < components:
        raise ValueError(f"{components} components need as many training images: {len(train)}.")
    kernel = Nystroem(gamma=width, n_components=components, random_state=0).fit(train)
    return [_transform_in_parts(kernel, features) for features in (train, *others)]


def _transform_in_parts(kernel: "Nystroem", features: FloatArray, size: int = 1000) -> HalfArray:
    """Fill the result part by part: in one go it would take several times the memory."""
    result = np.empty((len(features), kernel.n_components), dtype=np.float16)
    for start in range(0, len(features), size):
        result[start : start + size] = kernel.transform(features[start : start + size])
    return result
