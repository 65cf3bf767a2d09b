"""Multinomial logistic regression, fitted to its optimum: features in, a linear classifier out.

The objective is scikit-learn's, and so is the optimum (a test compares them); the sums are
torch's, a block of rows at a time: 50,000 rows of 784 pixels are fitted in seconds, uncopied.
Features may be kept in half precision: a block becomes float32 when its turn comes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vaelib._machine.threads import one_thread
from vaelib.latent import FloatArray, HalfArray, check_features

GRADIENT_TOLERANCE = 1e-4  # the largest entry of the slope, in even coordinates
MAX_ITERATIONS = 1000
SPREAD = 0.05  # p (1 − p): 0.09 at the start with ten classes, about 0.02 at the end
BLOCK = 800_000  # numbers at a time: they stay in the processor's cache for both products


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

    def logits(self, features: FloatArray | HalfArray | Tensor) -> Tensor:
        """Return the scores before the softmax: (N, D) → (N, C).

        Raises ValueError where the features have another size or are not finite numbers.
        """
        return self._scores(features).T

    def predict(self, features: FloatArray | HalfArray | Tensor) -> NDArray[np.int64]:
        """Return the most probable class of each row: (N, D) → (N,)."""
        return self._scores(features).argmax(dim=0).numpy()

    def probabilities(self, features: FloatArray | HalfArray | Tensor) -> FloatArray:
        """Return the class probabilities: (N, D) → (N, C)."""
        return self._scores(features).softmax(dim=0).T.numpy()

    def cross_entropy(self, features: FloatArray | HalfArray | Tensor, labels: Tensor) -> float:
        """Return the mean of −log p(label | features), in nats: (N, D), (N,)."""
        if labels.shape != (len(features),):
            raise ValueError(f"{len(features)} rows need as many labels, not {len(labels)}.")
        log_p = self._scores(features).log_softmax(dim=0)  # (C, N)
        return -log_p.gather(0, labels[None]).mean().item()

    def score(self, features: FloatArray | HalfArray | Tensor, labels: Tensor) -> float:
        """Return the share of rows whose class is predicted: (N, D), (N,)."""
        if labels.shape != (len(features),):
            raise ValueError(f"{len(features)} rows need as many labels, not {len(labels)}.")
        return float((self.predict(features) == np.asarray(labels)).mean())

    def _scores(self, features: FloatArray | HalfArray | Tensor) -> Tensor:
        """(N, D) → (C, N): in this layout, sums over ten classes run side by side."""
        rows = torch.as_tensor(features)
        if rows.ndim != 2 or rows.shape[1] != self.weight.shape[1]:
            raise ValueError(
                f"Expected features (N, {self.weight.shape[1]}), got {tuple(rows.shape)}."
            )
        if rows.numel() and not all(end.isfinite() for end in rows.aminmax()):
            raise ValueError("The features hold values that are not finite numbers.")
        bias = self.bias[:, None]
        return torch.cat(
            [torch.addmm(bias, self.weight, some.float().T) for some in _blocks(rows)], dim=1
        )


def fit_logistic_regression(
    features: FloatArray | HalfArray, labels: Tensor, inverse_strength: float = 0.1
) -> LinearClassifier:
    """Fit multinomial logistic regression to its optimum: (N, D) features, (N,) labels.

    Minimises Σ −log p(label | features) + ‖weight‖² / (2 C) with L-BFGS (scipy's), from zero,
    in coordinates that are curved about evenly (`_even_scale`): a third of the steps.
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
    rows = torch.as_tensor(features)
    truth = F.one_hot(labels).float().T.contiguous()  # (N,) → (C, N)
    blocks = _blocks(rows)
    truths = truth.split([len(some) for some in blocks], dim=1)
    ridge = 1 / (inverse_strength * len(labels))
    shape = (truth.shape[0], rows.shape[1] + 1)  # each class's weights and, last, its bias

    def parameters(even: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        """Return weight (C, D) and bias (C, 1)."""
        return (torch.from_numpy(even).float().view(shape) @ scale).split([shape[1] - 1, 1], 1)

    def loss_and_slope(even: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weight, bias = parameters(even)
        loss = 0.5 * ridge * weight.square().sum(dtype=torch.float64)
        slope = torch.cat([ridge * weight, torch.zeros_like(bias)], dim=1)
        for half, true in zip(blocks, truths, strict=True):
            some = half.float()
            log_p = torch.addmm(bias, weight, some.T).log_softmax(dim=0)  # (C, D) × (D, B)
            loss -= (log_p * true).sum(dtype=torch.float64) / len(rows)
            residual = log_p.exp_().sub_(true).div_(len(rows))  # (C, B)
            slope[:, :-1].addmm_(residual, some)
            slope[:, -1] += residual.sum(dim=1)
        return loss.item(), (slope @ scale.T).double().numpy().ravel()

    with one_thread():  # sharing sums this narrow does not pay
        scale = _even_scale(blocks, ridge)
        solution = minimize(
            loss_and_slope,
            np.zeros(shape).ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"gtol": GRADIENT_TOLERANCE, "ftol": 0, "maxiter": MAX_ITERATIONS},
        )
    weight, bias = parameters(solution.x)
    return LinearClassifier(weight.contiguous(), bias.flatten())


def _blocks(rows: Tensor) -> tuple[Tensor, ...]:
    """Cut rows (N, D) into blocks of about `BLOCK` numbers, without copying them."""
    return rows.split(max(1, BLOCK // max(1, rows.shape[1])))


def _even_scale(blocks: Sequence[Tensor], ridge: float) -> Tensor:
    """Return the coordinates in which the objective is about evenly curved: (D + 1, D + 1).

    Its curvature in each class's weights and bias is H = p (1 − p) · the mean of x xᵀ, plus the
    ridge, with a 1 put after the features x and `SPREAD` for the p (1 − p) that differs from row
    to row. With H = L Lᵀ (Cholesky), parameters u L⁻¹ are curved about evenly in u; L⁻¹ is what
    is returned. Nocedal & Wright 2006, section 5.1, on preconditioning.
    """
    n_rows, size = sum(map(len, blocks)), blocks[0].shape[1] + 1
    squares, sums = torch.zeros(size - 1, size - 1), torch.zeros(size - 1)
    for half in blocks:
        some = half.float()
        squares.addmm_(some.T, some)
        sums += some.sum(dim=0)
    curvature = torch.full((size, size), n_rows, dtype=torch.float64)
    curvature[:-1, :-1] = squares
    curvature[-1, :-1] = curvature[:-1, -1] = sums
    curvature *= SPREAD / n_rows
    # and a little more for what rounding takes from H, which could leave it without a root
    curvature.diagonal().add_(1e-6 * curvature.trace())
    curvature.diagonal()[:-1] += ridge
    root = torch.linalg.cholesky(curvature)
    del curvature, squares  # with 1,000 features 12 MB, in each of the threads that fit
    identity = torch.eye(size, dtype=torch.float64)
    return torch.linalg.solve_triangular(root, identity, upper=False).float()
