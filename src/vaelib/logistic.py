"""Multinomial logistic regression, fitted to its optimum: features in, a linear classifier out.

The objective is scikit-learn's, and so is the optimum (a test compares them); the sums are
torch's, which reads 50,000 rows of 784 pixels several times faster and never copies them.
"""

from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vaelib.latent import FloatArray, check_features
from vaelib.threads import one_thread

GRADIENT_TOLERANCE = 3e-5  # of the mean cross-entropy's gradient, its largest entry
MAX_ITERATIONS = 1000
LARGE = 5_000_000  # numbers in the features, from where on sharing the sums pays


@dataclass
class LinearClassifier:
    """Softmax of a linear layer: `weight` (C, D), `bias` (C,).

    `training_loss` and `validation_loss` hold the cross-entropy after each epoch where the
    classifier was trained in epochs (nats an image, each measured on all its images).
    """

    weight: Tensor
    bias: Tensor
    training_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)

    def logits(self, features: FloatArray | Tensor) -> Tensor:
        """Return the scores before the softmax: (N, D) → (N, C).

        Raises ValueError where the features have another size or are not finite numbers.
        """
        return self._scores(features).T

    def predict(self, features: FloatArray | Tensor) -> NDArray[np.int64]:
        """Return the most probable class of each row: (N, D) → (N,)."""
        return self._scores(features).argmax(dim=0).numpy()

    def probabilities(self, features: FloatArray | Tensor) -> FloatArray:
        """Return the class probabilities: (N, D) → (N, C)."""
        return self._scores(features).softmax(dim=0).T.numpy()

    def cross_entropy(self, features: FloatArray | Tensor, labels: Tensor) -> float:
        """Return the mean of −log p(label | features), in nats: (N, D), (N,)."""
        if labels.shape != (len(features),):
            raise ValueError(f"{len(features)} rows need as many labels, not {len(labels)}.")
        log_p = self._scores(features).log_softmax(dim=0)  # (C, N)
        return -log_p.gather(0, labels[None]).mean().item()

    def score(self, features: FloatArray | Tensor, labels: Tensor) -> float:
        """Return the share of rows whose class is predicted: (N, D), (N,)."""
        if labels.shape != (len(features),):
            raise ValueError(f"{len(features)} rows need as many labels, not {len(labels)}.")
        return float((self.predict(features) == np.asarray(labels)).mean())

    def _scores(self, features: FloatArray | Tensor) -> Tensor:
        """(N, D) → (C, N): in this layout, sums over ten classes run side by side."""
        rows = torch.as_tensor(features, dtype=torch.float32)
        if rows.ndim != 2 or rows.shape[1] != self.weight.shape[1]:
            raise ValueError(
                f"Expected features (N, {self.weight.shape[1]}), got {tuple(rows.shape)}."
            )
        if rows.numel() and not all(end.isfinite() for end in rows.aminmax()):
            raise ValueError("The features hold values that are not finite numbers.")
        return torch.addmm(self.bias[:, None], self.weight, rows.T)


def fit_logistic_regression(
    features: FloatArray, labels: Tensor, inverse_strength: float = 0.1
) -> LinearClassifier:
    """Fit multinomial logistic regression to its optimum: (N, D) features, (N,) labels.

    Minimises Σ −log p(label | features) + ‖weight‖² / (2 C) with L-BFGS (scipy's), from zero.
    `inverse_strength` is C, as in scikit-learn: the smaller, the stronger the ridge penalty; 0.1
    is close to the best on validation for pixels and latents at every number of labels. Raises
    ValueError for features that do not fit the labels, or hold fewer than two classes.
    """
    from scipy.optimize import minimize

    check_features(features, labels)
    if labels.is_floating_point() or labels.min() < 0:
        raise ValueError("Labels must be whole numbers from 0.")
    if len(labels.unique()) < 2:
        raise ValueError("A classifier needs images of at least two classes.")
    if not inverse_strength > 0:
        raise ValueError(f"The ridge's inverse strength must be positive, not {inverse_strength}.")
    rows = torch.from_numpy(np.asarray(features, dtype=np.float32))
    truth = F.one_hot(labels).float().T.contiguous()  # (N,) → (C, N)
    ridge = 1 / (inverse_strength * len(labels))
    shape = (truth.shape[0], rows.shape[1] + 1)  # each class's weights and, last, its bias

    def loss_and_slope(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weight, bias = torch.from_numpy(parameters).float().view(shape).split([shape[1] - 1, 1], 1)
        log_p = torch.addmm(bias, weight, rows.T).log_softmax(dim=0)  # (C, D) × (D, N) → (C, N)
        loss = -(log_p * truth).sum(dtype=torch.float64) / len(labels)
        loss += 0.5 * ridge * weight.square().sum(dtype=torch.float64)
        residual = log_p.exp_().sub_(truth).div_(len(labels))  # (C, N)
        slope = torch.cat([residual @ rows + ridge * weight, residual.sum(dim=1, keepdim=True)], 1)
        return loss.item(), slope.double().numpy().ravel()

    with one_thread() if features.size < LARGE else nullcontext():
        solution = minimize(
            loss_and_slope,
            np.zeros(shape).ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"gtol": GRADIENT_TOLERANCE, "ftol": 0, "maxiter": MAX_ITERATIONS},
        )
    parameters = torch.from_numpy(solution.x).float().view(shape)
    return LinearClassifier(parameters[:, :-1].contiguous(), parameters[:, -1].contiguous())
