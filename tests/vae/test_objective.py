"""The objective against independent truth: torch.distributions, quadrature, finite differences."""

import math
from itertools import pairwise

import pytest
import torch
from arguments import matrices, outcome, pairs, tensors
from hypothesis import example, given
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Normal, kl_divergence

import vaelib
from vaelib.vae import (
    bernoulli_log_likelihood,
    elbo,
    gaussian_kl,
    importance_weighted_bound,
    log_importance_weights,
    mean_elbo,
    sample_latent,
)
from vaelib.vae.objective import elbo_per_image


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# --- the terms -----------------------------------------------------------------------------------


@given(pairs())
@example((torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.int64)))
@example((torch.zeros(3, 4), torch.zeros(1, 4)))
def test_kl_is_that_of_torch_distributions_or_an_error(pair):
    mean, log_variance = pair
    result, error = outcome(gaussian_kl, mean, log_variance)
    assert (error is None) == matrices(mean, log_variance)
    if error:
        return
    assert result.shape == mean.shape[:1]
    fine = (mean.isfinite() & log_variance.isfinite()).all(dim=1)
    assert not result[~fine].isfinite().any()
    q = Normal(mean[fine].double(), log_variance[fine].double().mul(0.5).exp())
    expected = kl_divergence(q, Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(result[fine].double(), expected, rtol=1e-4, atol=1e-4)


def test_kl_by_hand():
    """½ Σ (μ² + σ² − 1 − ln σ²), of one latent that is off by one and another of variance four."""
    mean, log_variance = (
        torch.tensor([[1.0, 0.0], [0, 0]]),
        torch.tensor([[0, math.log(4)], [0, 0]]),
    )
    expected = [0.5 * 1 + 0.5 * (4 - 1 - math.log(4)), 0]
    assert gaussian_kl(mean, log_variance).tolist() == pytest.approx(expected)


@given(pairs(st.floats(0, 1, width=32)))
@example((torch.zeros(1, 3), torch.tensor([[0.0, 1.0, 0.3]])))
@example((torch.tensor([[200.0, -200.0]]), torch.tensor([[1.0, 0.0]])))
@example((torch.tensor([[200.0, -200.0]]), torch.tensor([[0.0, 1.0]])))
@example((torch.zeros(1, 1), torch.tensor([[math.nan]])))
@example((torch.zeros(1, 1), torch.tensor([[1.1]])))
@example((torch.zeros(1, 1), torch.tensor([[-0.1]])))
@example((torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 1)))
def test_likelihood_is_that_of_torch_distributions_or_an_error(pair):
    """A grey pixel counts as its share of ones."""
    logits, pixels = pair
    inside = pixels.is_floating_point() and bool(((pixels >= 0) & (pixels <= 1)).all())
    result, error = outcome(bernoulli_log_likelihood, logits, pixels)
    assert (error is None) == (matrices(logits, pixels) and inside)
    if error:
        return
    fine = logits.isfinite().all(dim=1)
    assert not (result[~fine] > 0).any()
    ink, grey = Bernoulli(logits=logits[fine].double()), pixels[fine].double()
    expected = grey * ink.log_prob(torch.ones_like(grey))
    expected += (1 - grey) * ink.log_prob(torch.zeros_like(grey))
    torch.testing.assert_close(result[fine].double(), expected.sum(dim=1), rtol=1e-4, atol=1e-4)


@given(pairs())
@example((torch.ones(4, 9, dtype=torch.float64), torch.ones(4, 9, dtype=torch.float64)))
def test_a_sample_is_the_mean_plus_the_scaled_noise_or_an_error(pair):
    mean, log_variance = pair
    result, error = outcome(sample_latent, mean, log_variance, seeded())
    assert (error is None) == matrices(mean, log_variance)
    if error is None:
        noise = torch.randn(mean.shape, generator=seeded(), dtype=mean.dtype).double()
        expected = mean.double() + log_variance.double().exp().sqrt() * noise
        torch.testing.assert_close(result.double(), expected, rtol=1e-4, atol=1e-4, equal_nan=True)


# --- the ELBO ------------------------------------------------------------------------------------


def test_gradient_of_the_elbo_agrees_with_finite_differences(pixels):
    pixels = pixels[:3].double()

    def terms(mean, log_variance, weight):
        class Model:
            encode = staticmethod(lambda _: (mean, log_variance))
            decode = staticmethod(lambda z: z @ weight)

        return elbo(Model, pixels, seeded()).elbo

    generator = seeded(1)
    parameters = [
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in [(3, 2), (3, 2), (2, 784)]
    ]
    assert torch.autograd.gradcheck(terms, parameters)


def test_many_images_are_measured_as_one_batch_after_the_other(mnist):
    model, images = vaelib.VAE(2, 3), mnist.test.images[:1500]
    terms, generator = elbo_per_image(model, images), seeded(1234)
    parts = [elbo(model, vaelib.to_pixels(part), generator) for part in images.split(200)]
    assert torch.equal(terms.elbo, torch.cat([part.elbo for part in parts]).detach())
    assert torch.equal(terms.kl, torch.cat([part.kl for part in parts]).detach())
    means, other = mean_elbo(model, images), mean_elbo(model, images, seed=1)
    torch.testing.assert_close(means.elbo.float(), terms.elbo.mean())
    assert (means.kl, means.elbo) == (other.kl, means.reconstruction - means.kl)
    assert means.reconstruction != other.reconstruction
    for wrong in (images[:0], images / 255):
        with pytest.raises(ValueError, match=r"no images|uint8"):
            mean_elbo(model, wrong)


# --- importance weights --------------------------------------------------------------------------


class OneLatent:
    """One latent, six pixels, and a posterior that is off: log p(x) can be had by quadrature."""

    weight = torch.tensor([[1.5, -2.0, 0.3, 0.0, 1.0, -0.7]])
    bias = torch.tensor([0.2, 0.0, -1.0, 0.5, 0.1, -0.3])

    def encode(self, x):
        return x.mean(dim=1, keepdim=True), torch.full((len(x), 1), 0.3)

    def decode(self, z):
        return z @ self.weight + self.bias

    def exact(self, pixels):
        z = torch.linspace(-12, 12, 20_001, dtype=torch.float64)[:, None]
        logits = z @ self.weight.double() + self.bias.double()
        likelihood = Bernoulli(logits=logits[:, None]).log_prob(pixels.double()).sum(dim=2)
        log_joint = likelihood + Normal(0.0, 1.0).log_prob(z)  # (20001, B)
        return log_joint.logsumexp(dim=0) + math.log(24 / 20_000)


@pytest.fixture
def six_pixels():
    return torch.tensor([[1.0, 0, 0, 1, 1, 0], [0, 1, 1, 0, 0, 1], [1, 1, 1, 1, 1, 1]])


def test_the_bound_rises_with_k_from_the_elbo_to_the_exact_likelihood(six_pixels):
    model = OneLatent()
    weights = log_importance_weights(model, six_pixels, 50_000, seeded(), torch.float32)
    bounds = [importance_weighted_bound(weights, k) for k in (1, 5, 50, 50_000)]
    assert all((low < high).all() for low, high in pairwise(bounds))
    torch.testing.assert_close(bounds[-1], model.exact(six_pixels), atol=0.01, rtol=0)
    estimate = elbo(model, six_pixels.repeat(20_000, 1), seeded(1)).elbo.mean()
    assert bounds[0].mean().item() == pytest.approx(estimate.item(), abs=0.02)


@pytest.mark.parametrize(
    ("n_samples", "at_once", "progress"),
    [(600, 1, ["20/21", "21/21"]), (125, 4, ["20/21", "21/21"]), (7, 21, ["21/21"])],
)
def test_importance_weights_are_the_ratio_of_the_densities(
    six_pixels, capsys, n_samples, at_once, progress
):
    """In three latents, for the very samples that the generator makes, block by block."""
    weight = torch.randn(3, 6, generator=seeded(2))

    class ThreeLatents:
        encode = staticmethod(lambda x: (x @ weight.T / 3, x @ weight.T - 1))
        decode = staticmethod(lambda z: z @ weight)

    images = six_pixels.repeat(7, 1)
    found = log_importance_weights(ThreeLatents, images, n_samples, seeded(), torch.float32)
    assert found.shape == (21, n_samples)
    assert found.dtype == torch.float64
    lines = capsys.readouterr().out.split("\r")[1:]
    assert [line.split()[1] for line in lines] == progress
    generator = seeded()
    for block, weights in zip(images.split(at_once), found.split(at_once), strict=True):
        mean, log_variance = (part[:, None].double() for part in ThreeLatents.encode(block))
        q = Normal(mean, log_variance.exp().sqrt())
        z = mean + q.stddev * torch.randn(len(block), n_samples, 3, generator=generator)
        ink = Bernoulli(logits=z @ weight.double())
        likelihood = ink.log_prob(block[:, None].double()).sum(dim=2)
        ratio = (Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)).sum(dim=2)
        torch.testing.assert_close(weights, likelihood + ratio, rtol=1e-5, atol=1e-5)


def test_weights_in_bfloat16_find_the_same_likelihood(pixels):
    model = vaelib.ConvVAE(latent_size=5, channels=4)
    black_or_white = (pixels[:4] > 0.5).float()
    exact, fast = (
        importance_weighted_bound(
            log_importance_weights(model, black_or_white, 300, seeded(), dtype), 300
        )
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert not torch.equal(exact, fast)
    torch.testing.assert_close(fast, exact, atol=0.1, rtol=0)


@pytest.mark.parametrize("pixel", [0.5, 2.0, -1.0, math.nan])
def test_importance_weights_need_a_sample_and_black_or_white_pixels(six_pixels, pixel):
    with pytest.raises(ValueError, match="At least one"):
        log_importance_weights(OneLatent(), six_pixels, 0)
    six_pixels[1, 2] = pixel
    with pytest.raises(ValueError, match="black or white"):
        log_importance_weights(OneLatent(), six_pixels, 10)


@given(tensors(), st.integers(-2, 6))
@example(torch.randn(3, 8, generator=seeded()), 3)
@example(torch.zeros(2, 3), 3)
@example(torch.zeros(2, 3), 4)
@example(torch.zeros(3), 1)
def test_the_bound_lies_between_the_elbo_and_the_best_sample_or_is_an_error(weights, k):
    """Samples that do not fill a group are left out."""
    weights = weights if weights.is_floating_point() else weights.float()
    result, error = outcome(importance_weighted_bound, weights, k)
    assert (error is None) == (weights.ndim == 2 and 1 <= k <= weights.shape[-1])
    if error or not (weights.abs() < 700).all():  # where exp is a finite number
        return
    used = weights[:, : weights.shape[1] // k * k]
    groups = [part.double().exp().mean(dim=1).log() for part in used.split(k, dim=1)]
    torch.testing.assert_close(
        result.double(), torch.stack(groups).mean(dim=0), rtol=1e-4, atol=1e-4
    )
