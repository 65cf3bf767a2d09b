"""The objective: the KL divergence, the Bernoulli log-likelihood, the ELBO; all in nats.

Everything is summed over the pixels or the latent dimensions and returned as one value per
image. The mean over images is taken once, at the end: a mean over the 784 pixels would weigh
the KL 784 times too much.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vaelib._machine.devices import autocast
from vaelib._machine.progress import show_progress
from vaelib.data.images import check_pixels, to_pixels
from vaelib.vae.models import VAE

EVALUATION_SEED = 1234  # the same noise for every model that is measured
DECODED_AT_ONCE = 500  # latents: the logits of more than that take memory, and time


class ElboTerms(NamedTuple):
    """The two terms of the ELBO in nats: one value per image, (B,), or their means."""

    reconstruction: Tensor
    kl: Tensor

    @property
    def elbo(self) -> Tensor:
        """Reconstruction minus KL: (B,)."""
        return self.reconstruction - self.kl


def sample_latent(
    mean: Tensor, log_variance: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Sample z = μ + σ ε with ε ~ N(0, I): reparameterised, so differentiable in μ and σ.

    `mean`, `log_variance`: (B, Z) float. Returns (B, Z). Raises ValueError where the shapes
    differ. Kingma & Welling 2014, section 2.4.
    """
    _check_same_shape(mean, log_variance)
    noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    return mean + torch.exp(0.5 * log_variance) * noise


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(q(z|x) ‖ N(0, I)) in nats, one value per image: (B, Z), (B, Z) → (B,).

    Raises ValueError where the shapes differ. Kingma & Welling 2014, appendix B.
    """
    _check_same_shape(mean, log_variance)
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)


def bernoulli_log_likelihood(logits: Tensor, pixels: Tensor) -> Tensor:
    """Return log p(x|z) in nats under independent Bernoulli pixels, one value per image.

    `logits`: (B, 784) float. `pixels`: (B, 784) float in [0, 1]; a value between 0 and 1 counts
    as that share of ones, so the result is the expectation over binarised images. Taken from
    the logits, it is exact where a probability would round to 0 or 1. Returns (B,). Raises
    ValueError where the shapes differ or a pixel lies outside [0, 1] or is not a number.
    """
    _check_same_shape(logits, pixels)
    check_pixels(pixels)
    # x log p + (1 − x) log(1 − p) with log(1 − p) = log p − logit
    return (F.logsigmoid(logits) - (1 - pixels) * logits).sum(dim=1)


def elbo(model: VAE, pixels: Tensor, generator: torch.Generator | None = None) -> ElboTerms:
    """Return the ELBO's two terms, estimated with one latent sample per image.

    ELBO = E_q[log p_θ(x|z)] − KL(q_φ(z|x) ‖ p(z)) ≤ log p_θ(x). `pixels`: (B, 784) float in
    [0, 1]. Kingma & Welling 2014, equation 10 with L = 1.
    """
    mean, log_variance = model.encode(pixels)  # (B, 784) → (B, Z), (B, Z)
    latent = sample_latent(mean, log_variance, generator)
    return ElboTerms(
        reconstruction=bernoulli_log_likelihood(model.decode(latent), pixels),
        kl=gaussian_kl(mean, log_variance),
    )


@torch.inference_mode()
def elbo_per_image(model: VAE, images: Tensor, seed: int = EVALUATION_SEED) -> ElboTerms:
    """Return the ELBO's terms of many images in nats: uint8 (N, 28, 28) → (N,), (N,).

    The noise depends on `seed` alone. Raises ValueError where there are no images.
    """
    if len(images) == 0:
        raise ValueError("There are no images to measure the ELBO on.")
    device = next(model.parameters()).device
    model.eval()
    generator = torch.Generator(device).manual_seed(seed)
    batches = images.split(200)  # small enough for the processor's cache
    parts = [elbo(model, to_pixels(batch.to(device)), generator) for batch in batches]
    return ElboTerms(*(torch.cat(term).cpu() for term in zip(*parts, strict=True)))


def mean_elbo(model: VAE, images: Tensor, seed: int = EVALUATION_SEED) -> ElboTerms:
    """Return the ELBO's terms in nats, averaged over images: uint8 (N, 28, 28) → two numbers."""
    return ElboTerms(*(term.double().mean() for term in elbo_per_image(model, images, seed)))


@torch.inference_mode()
def log_importance_weights(
    model: VAE,
    pixels: Tensor,
    n_samples: int,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Sample z from q_φ(z|x) and return log p_θ(x|z) p(z) / q_φ(z|x) of each sample, in nats.

    The average of the weights themselves, not of their logarithms, is an unbiased estimate of
    p_θ(x). `pixels`: (B, 784), black or white, float 0 or 1. `dtype` is that of the decoder's
    matrix products, the fastest unless given. Returns (B, K) in float64. Raises ValueError where
    there is no sample, or a pixel is grey: the average over the black-and-white images that a
    grey one stands for is not what this estimates. Burda, Grosse & Salakhutdinov 2016.
    """
    if n_samples < 1:
        raise ValueError(f"At least one sample per image is needed, not {n_samples}.")
    if not ((pixels == 0) | (pixels == 1)).all():
        raise ValueError("Importance weights need black or white pixels: see vaelib.data.binarise.")
    weights = torch.empty(len(pixels), n_samples, dtype=torch.float64)
    at_once = max(1, DECODED_AT_ONCE // n_samples)  # images
    for start in range(0, len(pixels), at_once):
        images = pixels[start : start + at_once]  # (B, 784)
        mean, log_variance = (part[:, None] for part in model.encode(images))  # (B, 1, Z)
        size = (len(images), n_samples, mean.shape[2])
        noise = torch.randn(size, generator=generator, device=mean.device)
        latent = mean + torch.exp(0.5 * log_variance) * noise  # (B, K, Z)
        # log p(z) − log q(z|x): the constants of the two Gaussians cancel
        log_ratio = 0.5 * (noise.square() - latent.square() + log_variance).sum(dim=2)  # (B, K)
        log_likelihood = []
        for part in latent.split(DECODED_AT_ONCE, dim=1):
            with autocast(latent.device, dtype):
                logits = model.decode(part.flatten(0, 1)).unflatten(0, part.shape[:2])
            # log p_θ(x|z) as two sums of the logits
            ink = (logits @ images[:, :, None])[:, :, 0]  # (B, k, 784) @ (B, 784, 1)
            log_likelihood.append(ink - F.softplus(logits).sum(dim=2))
        # in float64 only once they are on the CPU: Apple's GPU has none
        total = torch.cat(log_likelihood, dim=1).cpu().double() + log_ratio.cpu().double()
        done = start + len(images)
        weights[start:done] = total
        if done % 20 == 0 or done == len(pixels):
            show_progress(done, len(pixels), "images")
    return weights


def importance_weighted_bound(log_weights: Tensor, k: int) -> Tensor:
    """Return the lower bound on log p_θ(x) from k samples at a time, in nats: (B, K) → (B,).

    The K samples are cut into groups of k, and the groups' bounds averaged, so that every k uses
    all samples that fill a group. k = 1 is the ELBO; the bound rises with k towards log p_θ(x).
    Raises ValueError unless 1 ≤ k ≤ K.
    """
    if log_weights.ndim != 2 or not 1 <= k <= log_weights.shape[1]:
        raise ValueError(
            f"k = {k} must lie between 1 and the number of samples K, with log-weights (B, K); "
            f"got {tuple(log_weights.shape)}."
        )
    n_samples = log_weights.shape[1]
    groups = log_weights[:, : n_samples // k * k].unflatten(1, (-1, k))  # (B, K / k, k)
    return (groups.logsumexp(dim=2) - math.log(k)).mean(dim=1)


def _check_same_shape(first: Tensor, second: Tensor) -> None:
    """Refuse what would be broadcast silently, to a wrong number."""
    floats = first.is_floating_point() and second.is_floating_point()
    if first.shape != second.shape or first.ndim != 2 or not floats:
        raise ValueError(
            f"Expected two float tensors of one shape (B, ·), got {first.dtype} of shape "
            f"{tuple(first.shape)} and {second.dtype} of shape {tuple(second.shape)}."
        )
