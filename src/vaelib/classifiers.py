"""Features in, scores out: the linear classifier on the frozen encoder's latents."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vaelib.latent import FloatArray, Posterior, check_features
from vaelib.training import TrainingError

if TYPE_CHECKING:
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import LogisticRegression


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


@dataclass
class LinearClassifier:
    """Softmax of a linear layer, and its cross-entropy after each epoch of training.

    `weight` is (C, Z), `bias` (C,).
    `training_loss` and `validation_loss` are in nats an image, each measured on all its images
    with the weights as they are after the epoch.
    """

    weight: Tensor
    bias: Tensor
    training_loss: list[float]
    validation_loss: list[float]

    def predict(self, features: FloatArray) -> NDArray[np.int64]:
        """Return the most probable class of each row: (N, Z) → (N,)."""
        return self._logits(torch.from_numpy(features)).argmax(dim=1).numpy()

    def probabilities(self, features: FloatArray) -> FloatArray:
        """Return the class probabilities: (N, Z) → (N, C)."""
        return self._logits(torch.from_numpy(features)).softmax(dim=1).numpy()

    def cross_entropy(self, features: Tensor, labels: Tensor) -> float:
        """Return the mean of −log p(label | features), in nats: (N, Z), (N,)."""
        return F.cross_entropy(self._logits(features), labels).item()

    def _logits(self, features: Tensor) -> Tensor:
        if features.ndim != 2 or features.shape[1] != self.weight.shape[1]:
            raise ValueError(
                f"Expected features (N, {self.weight.shape[1]}), got {tuple(features.shape)}."
            )
        if features.dtype != torch.float32 or not features.isfinite().all():
            raise ValueError("The features must be finite numbers in float32.")
        return torch.addmm(self.bias, features, self.weight.T)  # (N, Z) → (N, C)


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
    generator = torch.Generator().manual_seed(settings.seed)
    weight, bias = _first_weights(train.mean.shape[1], n_classes, generator)
    classifier = LinearClassifier(weight, bias, [], [])
    for epoch in range(settings.epochs):
        features = _features(train, settings.sampled, generator)
        rate = settings.learning_rate
        rate *= 1 - epoch / settings.epochs if settings.decay else 1
        with one_thread():
            order = torch.randperm(len(labels), generator=generator)
            for batch in order.split(settings.batch_size):
                _descend_once(weight, bias, features[batch], labels[batch], rate)
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


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: for matrices this small, sharing the work costs more than the work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _descend_once(
    weight: Tensor, bias: Tensor, features: Tensor, labels: Tensor, rate: float
) -> None:
    """Take one step in place: the gradient of the cross-entropy is probabilities minus truth."""
    residual = torch.addmm(bias, features, weight.T).softmax(dim=1)  # (B, Z) → (B, C)
    residual[torch.arange(len(labels)), labels] -= 1
    weight.addmm_(residual.T, features, alpha=-rate / len(labels))
    bias.sub_(residual.mean(dim=0), alpha=rate)


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


def fit_logistic_regression(
    features: FloatArray, labels: Tensor, inverse_strength: float = 0.1
) -> "LogisticRegression":
    """Fit multinomial logistic regression to its optimum: (N, D) features, (N,) labels.

    `inverse_strength` is scikit-learn's C: the smaller, the stronger the ridge penalty; 0.1 is
    close to the best on validation for pixels and latents at every number of labels. The result
    has `predict` and `score`. Raises ValueError for features that do not fit the labels,
    or hold fewer than two classes.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    check_features(features, labels)
    model = LogisticRegression(C=inverse_strength, max_iter=1000, tol=1e-4)
    with threadpool_limits(1):  # its products are narrow: sharing them costs more than it saves
        return model.fit(features, np.asarray(labels))


def kernel_features(
    train: FloatArray, *others: FloatArray, components: int = 1000, width: float = 0.05
) -> list[FloatArray]:
    """Return features in which a straight line is a curve in the latent: (N, Z) → (N, M) each.

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


def _transform_in_parts(kernel: "Nystroem", features: FloatArray, size: int = 5000) -> FloatArray:
    """Fill the result part by part: in one go it would take several times the memory."""
    result = np.empty((len(features), kernel.n_components), dtype=np.float32)
    for start in range(0, len(features), size):
        result[start : start + size] = kernel.transform(features[start : start + size])
    return result


def interval_95(draws: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of the mean of a few draws (Student's t).

    Raises ValueError for fewer than two draws, which say nothing about their spread.
    """
    from scipy import stats

    if len(draws) < 2:
        raise ValueError("An interval needs at least two draws.")
    return float(stats.sem(draws) * stats.t.ppf(0.975, len(draws) - 1))
