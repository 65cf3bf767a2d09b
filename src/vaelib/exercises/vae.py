"""Exercises of notebook 2: the draw, the KL, the loss, a weighted objective."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from vaelib.exercises.verdict import Hint, attempt, checker, compare
from vaelib.vae.models import VAE
from vaelib.vae.objective import bernoulli_log_likelihood, gaussian_kl_per_latent, sample_latent
from vaelib.vae.training import mean_elbo_terms


def _posterior(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(6, 30, generator=generator)
    return mean, torch.randn(6, 30, generator=generator) - 1


@checker
def check_sample(sample: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """Check mean, log-variance and noise, each (B, Z) → the draw z, (B, Z)."""
    mean, log_variance = (part.requires_grad_() for part in _posterior())
    noise = torch.randn(6, 30, generator=torch.Generator().manual_seed(1))
    answer = attempt(sample, mean, log_variance, noise)
    mistakes = {
        "That is μ + exp(log σ²) ε, which scales by the variance: σ is its square root, "
        "exp(½ log σ²).": mean + log_variance.exp() * noise,
        "log σ² was taken for σ, so that the draw is scaled by a number that may be negative.": (
            mean + log_variance * noise
        ),
        "ε is added as it is: scale it by σ first.": mean + noise,
        "The noise is missing: this is the mean, not a draw.": mean,
        "μ is missing: the draw lies around 0.": torch.exp(0.5 * log_variance) * noise,
        "The spread is inverted, 1/σ in place of σ: the sign of the exponent.": (
            mean + torch.exp(-0.5 * log_variance) * noise
        ),
    }
    right = mean + torch.exp(0.5 * log_variance) * noise
    compare(
        answer, right.detach(), {hint: wrong.detach() for hint, wrong in mistakes.items()}, 1e-5
    )
    if not answer.requires_grad:
        raise Hint("The numbers are right, but no gradient passes: there is a detach or no_grad.")
    slopes = torch.autograd.grad(answer.sum(), (mean, log_variance), allow_unused=True)
    for slope, name in zip(slopes, ("μ", "log σ²"), strict=True):
        if slope is None or not slope.any():
            raise Hint(
                f"The numbers are right, but no gradient reaches {name}: nothing would learn it."
            )
    return "Right: a draw whose gradient reaches μ and log σ²."


@checker
def check_kl(kl: Callable[[Tensor, Tensor], Tensor]) -> str:
    """Check mean, log-variance (B, Z) → KL to the standard Gaussian in nats, (B,)."""
    mean, log_variance = _posterior()
    terms = gaussian_kl_per_latent(mean, log_variance)  # (B, Z)
    right = terms.sum(dim=1)
    with_deviation = 0.5 * (mean**2 + torch.exp(0.5 * log_variance) - 1 - log_variance).sum(dim=1)
    without_square = 0.5 * (mean + log_variance.exp() - 1 - log_variance).sum(dim=1)
    mistakes = {
        "That is the mean over the latents: KLs of independent dimensions add up. Use the sum.": (
            terms.mean(dim=1)
        ),
        "The sign is turned: a KL is never negative, and this one is.": -right,
        "Twice too much: the factor ½ is missing.": 2 * right,
        "The term σ² is exp(log σ²); exp(½ log σ²) is σ.": with_deviation,
        "μ enters squared: a mean of −1 is as far from 0 as a mean of 1.": without_square,
        "That is one number for the whole batch: sum over the latents only, dim=1.": terms.sum(),
        "That is the mean over the batch: keep one value an image.": right.mean(),
        "That is one value a latent: sum over them, dim=1.": terms,
    }
    compare(attempt(kl, mean, log_variance), right, mistakes, 1e-4)
    return "Right: zero where the guess is the prior, and more nats the more it says."


@checker
def check_loss(loss: Callable[[nn.Module, Tensor, torch.Generator], Tensor]) -> str:
    """Check model, pixels (B, 784), generator → the number that Adam should make smaller."""
    torch_state = torch.random.get_rng_state()
    torch.manual_seed(0)
    model = VAE(latent_size=5, hidden_size=16)
    torch.random.set_rng_state(torch_state)
    pixels = torch.rand(8, 784, generator=torch.Generator().manual_seed(1))
    mean, log_variance = model.encode(pixels)
    z = sample_latent(mean, log_variance, torch.Generator().manual_seed(2))
    reconstruction = bernoulli_log_likelihood(model.decode(z), pixels).detach()  # (B,)
    kl = gaussian_kl_per_latent(mean, log_variance).sum(dim=1).detach()  # (B,)
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
        "That is one value an image: Adam needs one number, their mean.": kl - reconstruction,
    }
    answer = attempt(loss, model, pixels, torch.Generator().manual_seed(2))
    on_mean = (kl - bernoulli_log_likelihood(model.decode(mean), pixels).detach()).mean()
    mistakes["The mean was decoded in place of a draw: the encoder would never learn what its "
             "variance is for."] = on_mean  # fmt: skip
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
    light, weighted = (mean_elbo_terms(model, images) for model in (light_model, heavy_model))
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
