"""Exercises of notebook 2: the sample, the KL, the loss, a weighted objective."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from vaelib.exercises.verdict import Hint, attempt, checker, compare
from vaelib.vae.models import VAE
from vaelib.vae.objective import bernoulli_log_likelihood, gaussian_kl, mean_elbo, sample_latent


def _posterior(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(6, 30, generator=generator)
    return mean, torch.randn(6, 30, generator=generator) - 1


@checker
def check_sample(sample: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """Check mean, log-variance and noise, each (B, Z) → the sample z, (B, Z)."""
    mean, log_variance = (part.requires_grad_() for part in _posterior())
    noise = torch.randn(6, 30, generator=torch.Generator().manual_seed(1))
    answer = attempt(sample, mean, log_variance, noise)
    mistakes = {
        "That is μ + exp(log σ²) ε, which scales by the variance: σ is its square root, "
        "exp(½ log σ²).": mean + log_variance.exp() * noise,
        "log σ² was taken for σ, so that the noise is scaled by a number that may be negative.": (
            mean + log_variance * noise
        ),
        "ε is added as it is: scale it by σ first.": mean + noise,
        "The noise is missing: this is the mean, not a sample.": mean,
        "μ is missing: the sample lies around 0.": torch.exp(0.5 * log_variance) * noise,
        "The spread is inverted, 1/σ in place of σ: the sign of the exponent.": (
            mean + torch.exp(-0.5 * log_variance) * noise
        ),
    }
    compare(answer, mean + torch.exp(0.5 * log_variance) * noise, mistakes, 1e-5)
    if not answer.requires_grad:
        raise Hint("The numbers are right, but no gradient passes: there is a detach or no_grad.")
    gradients = torch.autograd.grad(answer.sum(), (mean, log_variance), allow_unused=True)
    for gradient, name in zip(gradients, ("μ", "log σ²"), strict=True):
        if gradient is None or not gradient.any():
            raise Hint(
                f"The numbers are right, but no gradient reaches {name}: nothing would learn it."
            )
    return "Right: a sample whose gradient reaches μ and log σ²."


@checker
def check_kl(kl: Callable[[Tensor, Tensor], Tensor]) -> str:
    """Check mean, log-variance (B, Z) → KL to the standard Gaussian in nats, (B,)."""
    mean, log_variance = _posterior()
    posterior = Normal(mean, torch.exp(0.5 * log_variance))
    terms = kl_divergence(posterior, Normal(0.0, 1.0))  # (B, Z)
    right = terms.sum(dim=1)
    with_deviation = 0.5 * (mean**2 + torch.exp(0.5 * log_variance) - 1 - log_variance).sum(dim=1)
    deviation_given = 0.5 * (mean**2 + torch.exp(2 * log_variance) - 1 - log_variance).sum(dim=1)
    without_square = 0.5 * (mean + log_variance.exp() - 1 - log_variance).sum(dim=1)
    mistakes = {
        "That is the mean over the latents: KLs of independent dimensions add up. Use the sum.": (
            terms.mean(dim=1)
        ),
        "The sign is turned: a KL is never negative, and this one is.": -right,
        "Twice too much: the factor ½ is missing.": 2 * right,
        "The term σ² is exp(log σ²); exp(½ log σ²) is σ.": with_deviation,
        "You are given log σ², not log σ: its exponential is σ² already.": deviation_given,
        "μ enters squared: a mean of −1 is as far from 0 as a mean of 1.": without_square,
        "That is one number for the whole batch: sum over the latents only, dim=1.": terms.sum(),
        "That is the mean over the batch: keep one value per image.": right.mean(),
        "That is one value per latent: sum over them, dim=1.": terms,
    }
    compare(attempt(kl, mean, log_variance), right, mistakes, 1e-4)
    return (
        "Right: zero where the approximate posterior is the prior, and more nats the more it says."
    )


@checker
def check_loss(loss: Callable[[nn.Module, Tensor, torch.Generator], Tensor]) -> str:
    """Check model, pixels (B, 784), generator → the number that Adam should make smaller."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = VAE(latent_size=5, hidden_size=16)
    pixels = torch.rand(8, 784, generator=torch.Generator().manual_seed(1))
    mean, log_variance = model.encode(pixels)
    z = sample_latent(mean, log_variance, torch.Generator().manual_seed(2))
    reconstruction = bernoulli_log_likelihood(model.decode(z), pixels)  # (B,)
    kl = gaussian_kl(mean, log_variance)  # (B,)
    of_mean = bernoulli_log_likelihood(model.decode(mean), pixels)  # (B,)
    mistakes = {
        "That is the ELBO itself. Adam makes its number smaller: turn the sign.": (
            reconstruction - kl
        ).mean(),
        "The reconstruction is a mean over the 784 pixels and the KL a sum: the KL weighs 784 "
        "times too much, and the latent will collapse. Sum over pixels.": (
            kl - reconstruction / pixels.shape[1]
        ).mean(),
        "The KL is subtracted from the loss: the model would be paid for saying more than it "
        "knows. The ELBO is reconstruction − KL, the loss is its negative.": (
            -reconstruction - kl
        ).mean(),
        "The KL is missing: that is an auto-encoder with noise, and nothing ties its latent to "
        "the prior.": -reconstruction.mean(),
        "That is the sum over the batch: the step would grow with the batch. Mean over images.": (
            kl - reconstruction
        ).sum(),
        "That is one value per image: Adam needs one number, their mean.": kl - reconstruction,
        "The mean was decoded in place of a sample: the encoder would never learn what its "
        "variance is for.": (kl - of_mean).mean(),
    }
    answer = attempt(loss, model, pixels, torch.Generator().manual_seed(2))
    compare(answer, (kl - reconstruction).mean(), mistakes, 1e-5)
    if not isinstance(answer, Tensor) or not answer.requires_grad:
        raise Hint("The number is right, but it carries no gradient: do not call .item() on it.")
    return "Right: minus the ELBO, summed over pixels and latents, averaged over images."


@checker
def check_weighted_training(
    train: Callable[[Tensor, float], nn.Module], images: Tensor, heavy: float = 8.0
) -> str:
    """Check images (N, 28, 28), β → a model trained on reconstruction − β KL."""
    light_model = attempt(train, images, 1.0)
    heavy_model = attempt(train, images, heavy)
    if light_model is heavy_model:
        raise Hint("Both trainings return the same model: build a new one inside the function.")
    light, weighted = (mean_elbo(model, images) for model in (light_model, heavy_model))
    if light.reconstruction < -784 * math.log(2) * 0.6:
        raise Hint(
            f"With β = 1 the reconstruction is {light.reconstruction:.0f} nats: the model has "
            "hardly learned. Is optimizer.step() there, and the sign of the loss right?"
        )
    if abs(light.kl - weighted.kl) < 0.02 * light.kl:
        raise Hint("β makes no difference: is it in the loss?")
    if weighted.kl > light.kl:
        raise Hint(
            f"With β = {heavy:g} the KL grew from {light.kl:.1f} to {weighted.kl:.1f} nats: β "
            "weighs the reconstruction, or divides the KL. It should multiply the KL."
        )
    if weighted.kl < 0.05:
        raise Hint("With the larger β the latent has collapsed: do the pixels enter as a mean?")
    return (
        f"Right: with β = {heavy:g} the encoder spends {weighted.kl:.1f} nats in place of "
        f"{light.kl:.1f}, and the reconstruction falls from {light.reconstruction:.0f} to "
        f"{weighted.reconstruction:.0f}."
    )
