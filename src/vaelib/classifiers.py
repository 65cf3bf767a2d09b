"""Features in, scores out: the linear classifier on the frozen encoder's latents."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from vaelib.latent import FloatArray, Posterior, check_features

if TYPE_CHECKING:
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


@dataclass
class LinearClassifier:
    """Softmax of a linear layer, and its cross-entropy after each epoch of training.

    `training_loss` and `validation_loss` are in nats an image, each measured on all its images
    with the weights as they are after the epoch.
    """

    layer: nn.Linear
    training_loss: list[float]
    validation_loss: list[float]

    @torch.inference_mode()
    def predict(self, features: FloatArray) -> NDArray[np.int64]:
        """Return the most probable class of each row: (N, Z) → (N,)."""
        return self.layer(torch.from_numpy(features)).argmax(dim=1).numpy()

    @torch.inference_mode()
    def probabilities(self, features: FloatArray) -> FloatArray:
        """Return the class probabilities: (N, Z) → (N, C)."""
        return self.layer(torch.from_numpy(features)).softmax(dim=1).numpy()


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

    Raises ValueError where the lengths differ or there is only one class.
    """
    if len(train.mean) != len(labels) or len(validation.mean) != len(validation_labels):
        raise ValueError("Every encoded image needs one label.")
    n_classes = int(labels.max()) + 1
    if len(labels.unique()) < 2:
        raise ValueError("A classifier needs images of at least two classes.")
    generator = torch.Generator().manual_seed(settings.seed)
    layer = _linear_layer(train.mean.shape[1], n_classes, generator)
    optimizer = torch.optim.SGD(layer.parameters(), lr=settings.learning_rate, fused=True)
    scheduler = torch.optim.lr_scheduler.LinearLR(
        optimizer, 1, 0 if settings.decay else 1, total_iters=settings.epochs
    )
    classifier = LinearClassifier(layer, [], [])
    for _ in range(settings.epochs):
        features = _features(train, settings.sampled, generator)
        for batch in torch.randperm(len(labels), generator=generator).split(settings.batch_size):
            loss = F.cross_entropy(layer(features[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scheduler.step()
        held_out = _features(validation, settings.sampled, generator)
        classifier.training_loss.append(_cross_entropy(layer, features, labels))
        classifier.validation_loss.append(_cross_entropy(layer, held_out, validation_labels))
    return classifier


def _linear_layer(n_features: int, n_classes: int, generator: torch.Generator) -> nn.Linear:
    """Return a linear layer with torch's usual first weights, drawn from `generator`."""
    layer = nn.Linear(n_features, n_classes)
    bound = n_features**-0.5
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-bound, bound, generator=generator)
    return layer


def _features(posterior: Posterior, sampled: bool, generator: torch.Generator) -> Tensor:
    mean = torch.from_numpy(posterior.mean)
    if not sampled:
        return mean
    deviation = torch.from_numpy(posterior.log_variance).mul(0.5).exp()
    return mean + deviation * torch.randn(mean.shape, generator=generator)


@torch.inference_mode()
def _cross_entropy(layer: nn.Linear, features: Tensor, labels: Tensor) -> float:
    return F.cross_entropy(layer(features), labels).item()


def fit_logistic_regression(
    features: FloatArray, labels: Tensor, inverse_strength: float = 1.0
) -> "LogisticRegression":
    """Fit multinomial logistic regression to its optimum: (N, D) features, (N,) labels.

    `inverse_strength` is scikit-learn's C: the smaller, the stronger the ridge penalty. The
    result has `predict` and `score`. Raises ValueError for features that do not fit the labels,
    or hold fewer than two classes.
    """
    from sklearn.linear_model import LogisticRegression

    check_features(features, labels)
    model = LogisticRegression(C=inverse_strength, max_iter=1000, tol=1e-3)
    return model.fit(features, np.asarray(labels))


def interval_95(draws: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of the mean of a few draws (Student's t).

    Raises ValueError for fewer than two draws, which say nothing about their spread.
    """
    from scipy import stats

    if len(draws) < 2:
        raise ValueError("An interval needs at least two draws.")
    return float(stats.sem(draws) * stats.t.ppf(0.975, len(draws) - 1))
