"""The objective: the KL divergence, the Bernoulli log-likelihood, the ELBO; all in nats.

Everything is summed over the pixels or the latent dimensions and returned one value an image.
The mean over images is taken once, by the caller: a mean over the 784 pixels would weigh the KL
784 times too much.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from vaelib._machine.devices import multiplying_in
from vaelib.data.images import check_pixels


class LatentModel(Protocol):
    """What the objective asks of a model."""

    latent_size: int

    def encode(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 784) → mean (B, Z), log_variance (B, Z) of q_φ(z|x)."""

    def decode(self, latent: Tensor) -> Tensor:
        """(B, Z) → logits (B, 784) of p_θ(x|z)."""


class ElboTerms(NamedTuple):
    """The two terms of the ELBO in nats, each one value an image: (B,)."""

    reconstruction: Tensor
    kl: Tensor

    @property
    def elbo(self) -> Tensor:
        """Reconstruction minus KL: (B,)."""
        return self.reconstruction - self.kl


def sample_latent(
    mean: Tensor,
    log_variance: Tensor,
    generator: torch.Generator | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    """Draw z = μ + σ ε with ε ~ N(0, I): the reparameterised sample, differentiable in μ and σ.

    `mean`, `log_variance`: (B, Z) float. Returns (B, Z). `noise` is ε, (B, Z), where it has been
    drawn already. Raises ValueError where the shapes differ. Kingma & Welling 2014, section 2.4.
    """
    _check_same_shape(mean, log_variance)
    if noise is None:
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    _check_same_shape(mean, noise)
    return mean + torch.exp(0.5 * log_variance) * noise


def gaussian_kl_per_latent(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(q(z_j|x) ‖ N(0, 1)) in nats for each latent dimension: (B, Z), (B, Z) → (B, Z).

    Raises ValueError where the shapes differ. Kingma & Welling 2014, appendix B.
    """
    _check_same_shape(mean, log_variance)
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(q(z|x) ‖ N(0, I)) in nats, one value an image: (B, Z), (B, Z) → (B,)."""
    return gaussian_kl_per_latent(mean, log_variance).sum(dim=1)


def bernoulli_log_likelihood(logits: Tensor, pixels: Tensor) -> Tensor:
    """Return log p(x|z) in nats under independent Bernoulli pixels, one value an image.

    `logits`: (B, 784) float. `pixels`: (B, 784) float in [0, 1]; a value between 0 and 1 counts
    as that share of ones, so the result is the expectation over binarised images. Taken from
    the logits, it is exact where a probability would round to 0 or 1. Returns (B,). Raises
    ValueError where the shapes differ or a pixel lies outside [0, 1] or is not a number.
    """
    _check_same_shape(logits, pixels)
    check_pixels(pixels)
    # x log p + (1 − x) log(1 − p) with log(1 − p) = log p − logit
    return (F.logsigmoid(logits) - (1 - pixels) * logits).sum(dim=1)


def elbo_terms(
    model: LatentModel,
    pixels: Tensor,
    generator: torch.Generator | None = None,
    noise: Tensor | None = None,
) -> ElboTerms:
    """Return the ELBO's two terms, estimated with one latent sample an image.

    ELBO = E_q[log p_θ(x|z)] − KL(q_φ(z|x) ‖ p(z)) ≤ log p_θ(x). `pixels`: (B, 784) float in
    [0, 1]. `noise`: see `sample_latent`. Kingma & Welling 2014, equation 10 with L = 1.
    """
    mean, log_variance = model.encode(pixels)
    latent = sample_latent(mean, log_variance, generator, noise)
    return ElboTerms(
        reconstruction=bernoulli_log_likelihood(model.decode(latent), pixels),
        kl=gaussian_kl(mean, log_variance),
    )


@torch.inference_mode()
def log_importance_weights(
    model: LatentModel,
    pixels: Tensor,
    n_samples: int,
    generator: torch.Generator | None = None,
    on_image: Callable[[int, int], None] | None = None,
    chunk: int = 500,
    precision: torch.dtype = torch.float32,
) -> Tensor:
    """Draw z from q_φ(z|x) and return log p_θ(x|z) p(z) / q_φ(z|x) for each draw, in nats.

    The average of the weights themselves, not of their logarithms, is an unbiased estimate of
    p_θ(x). `pixels`: (B, 784), black or white, float 0 or 1. Returns (B, K) in float64; one
    image and `chunk` draws at a time are in memory. `on_image` is called with the number of
    images done and in all. `precision` is that of the decoder's matrix products; what comes
    after them is float32 or better. Raises ValueError where there is no draw, or a pixel is grey:
    the average over the black-and-white images that a grey one stands for is not what this
    estimates.
    Burda, Grosse & Salakhutdinov 2016.
    """
    if n_samples < 1 or chunk < 1:
        raise ValueError(
            f"At least one sample an image is needed, and one a chunk: n_samples is {n_samples}, "
            f"chunk is {chunk}."
        )
    if not ((pixels == 0) | (pixels == 1)).all():
        raise ValueError("Importance weights need black or white pixels: draw them with bernoulli.")
    weights = torch.empty(len(pixels), n_samples, dtype=torch.float64)
    means, log_variances = model.encode(pixels)
    for i, (image, mean, log_variance) in enumerate(zip(pixels, means, log_variances, strict=True)):
        noise = torch.randn(n_samples, len(mean), generator=generator, device=mean.device)
        latent = mean + torch.exp(0.5 * log_variance) * noise  # (K, Z)
        log_prior_ratio = 0.5 * (noise.square() - latent.square() + log_variance).sum(dim=1)
        log_likelihood = torch.cat(
            [_log_likelihood(model, part, image, precision) for part in latent.split(chunk)]
        )  # (K,)
        # in float64 only once they are on the CPU: Apple's GPU has none
        weights[i] = log_likelihood.cpu().double() + log_prior_ratio.cpu().double()
        if on_image:
            on_image(i + 1, len(pixels))
    return weights


def _log_likelihood(
    model: LatentModel, latent: Tensor, image: Tensor, precision: torch.dtype
) -> Tensor:
    """Return log p_θ(x|z) of one image under many latents, as two cheap sums: (K, Z) → (K,)."""
    with multiplying_in(precision, latent.device):
        logits = model.decode(latent)
    return logits @ image - F.softplus(logits).sum(dim=1)


def importance_weighted_bound(log_weights: Tensor, k: int) -> Tensor:
    """Return the lower bound on log p_θ(x) from k draws at a time, in nats: (B, K) → (B,).

    The K draws are cut into groups of k, and the groups' bounds averaged, so that every k uses
    all draws. k = 1 is the ELBO; the bound rises with k towards log p_θ(x). Raises ValueError
    unless 1 ≤ k ≤ K.
    """
    if log_weights.ndim != 2 or not log_weights.is_floating_point():
        raise ValueError(
            f"Expected float log-weights of shape (B, K), not {log_weights.dtype} of shape "
            f"{tuple(log_weights.shape)}."
        )
    n_samples = log_weights.shape[1]
    if not 1 <= k <= n_samples:
        raise ValueError(f"k = {k} must lie between 1 and the number of draws, {n_samples}.")
    groups = log_weights[:, : n_samples // k * k].unflatten(1, (-1, k))  # (B, K / k, k)
    return (groups.logsumexp(dim=2) - math.log(k)).mean(dim=1)


def _check_same_shape(first: Tensor, second: Tensor) -> None:
    if first.shape != second.shape or first.ndim != 2:
        raise ValueError(
            "Expected two tensors of one shape (B, ·), got "
            f"{tuple(first.shape)} and {tuple(second.shape)}."
        )
    if not (first.is_floating_point() and second.is_floating_point()):
        raise ValueError(f"Expected two tensors of floats, got {first.dtype} and {second.dtype}.")
