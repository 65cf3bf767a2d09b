"""The objective against independent truth: torch.distributions, enumeration, finite differences."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

import vaelib
from vaelib.vae import objective


@pytest.fixture
def posterior():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(7, 5, generator=generator), torch.randn(7, 5, generator=generator)


def test_kl_agrees_with_torch_distributions(posterior):
    mean, log_variance = posterior
    q = Normal(mean, torch.exp(0.5 * log_variance))
    expected = kl_divergence(q, Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(vaelib.gaussian_kl(mean, log_variance), expected)


def test_kl_agrees_with_monte_carlo(posterior):
    mean, log_variance = (part[:1] for part in posterior)
    q = Normal(mean, torch.exp(0.5 * log_variance))
    z = q.sample((200_000,))
    ratio = (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(dim=(1, 2))
    error = ratio.std().item() / len(ratio) ** 0.5
    exact = vaelib.gaussian_kl(mean, log_variance).item()
    assert abs(ratio.mean().item() - exact) < 4 * error


def test_kl_is_zero_at_the_prior_and_nowhere_below(posterior):
    zeros = torch.zeros(1, 5)
    assert vaelib.gaussian_kl(zeros, zeros).item() == 0
    assert (objective.gaussian_kl_per_latent(*posterior) > 0).all()


def test_likelihood_agrees_with_torch_distributions():
    logits = torch.randn(6, 784)
    black_or_white = torch.bernoulli(torch.full((6, 784), 0.3))
    expected = Bernoulli(logits=logits).log_prob(black_or_white).sum(dim=1)
    torch.testing.assert_close(vaelib.bernoulli_log_likelihood(logits, black_or_white), expected)


def test_grey_pixel_counts_as_its_share_of_ones():
    logits = torch.tensor([[0.7]])
    ink, paper = torch.ones(1, 1), torch.zeros(1, 1)
    likelihood = vaelib.bernoulli_log_likelihood
    expected = 0.3 * likelihood(logits, ink) + 0.7 * likelihood(logits, paper)
    torch.testing.assert_close(likelihood(logits, torch.full((1, 1), 0.3)), expected)


def test_likelihood_is_finite_for_extreme_logits():
    logits = torch.tensor([[200.0, -200.0]])
    assert vaelib.bernoulli_log_likelihood(logits, torch.tensor([[1.0, 0.0]])).item() == 0
    wrong = vaelib.bernoulli_log_likelihood(logits, torch.tensor([[0.0, 1.0]]))
    assert wrong.item() == pytest.approx(-400)


def test_sample_has_the_posterior_s_mean_and_deviation():
    mean, log_variance = torch.full((100_000, 1), 2.0), torch.full((100_000, 1), math.log(0.25))
    z = vaelib.sample_latent(mean, log_variance, torch.Generator().manual_seed(0))
    assert z.mean().item() == pytest.approx(2, abs=0.01)
    assert z.std().item() == pytest.approx(0.5, abs=0.01)


def test_gradient_of_the_sample_agrees_with_finite_differences():
    mean = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    log_variance = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)

    def sample(mean, log_variance):
        return vaelib.sample_latent(mean, log_variance, torch.Generator().manual_seed(0))

    assert torch.autograd.gradcheck(sample, (mean, log_variance))


def test_gradient_of_the_elbo_agrees_with_finite_differences(pixels):
    pixels = pixels[:3].double()

    def elbo(mean, log_variance, weight):
        class Model:
            encode = staticmethod(lambda _: (mean, log_variance))
            decode = staticmethod(lambda z: z @ weight)

        return objective.elbo_terms(Model, pixels, torch.Generator().manual_seed(0)).elbo

    generator = torch.Generator().manual_seed(1)
    parameters = [
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in [(3, 2), (3, 2), (2, 784)]
    ]
    assert torch.autograd.gradcheck(elbo, parameters)


def test_elbo_is_a_bound_that_is_tight_at_the_true_posterior():
    """A decoder that ignores z: log p(x) is known, and the ELBO reaches it where q is the prior."""
    logits = torch.linspace(-2, 2, 784)

    class Blind(torch.nn.Module):
        latent_size = 3

        def __init__(self, mean):
            super().__init__()
            self.mean = mean

        def encode(self, x):
            return torch.full((len(x), 3), self.mean), torch.zeros(len(x), 3)

        def decode(self, z):
            return logits.expand(len(z), -1)

    pixels = torch.bernoulli(torch.full((4, 784), 0.4))
    exact = Bernoulli(logits=logits).log_prob(pixels).sum(dim=1)
    torch.testing.assert_close(objective.elbo_terms(Blind(0.0), pixels).elbo, exact)
    assert (objective.elbo_terms(Blind(0.5), pixels).elbo < exact).all()


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf])
def test_pixels_outside_their_range_are_refused(value):
    pixels = torch.zeros(2, 784)
    pixels[1, 5] = value
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        vaelib.bernoulli_log_likelihood(torch.zeros(2, 784), pixels)


@pytest.mark.parametrize("function", [vaelib.gaussian_kl, vaelib.sample_latent])
@pytest.mark.parametrize("shapes", [((3, 4), (3, 5)), ((3, 4), (1, 4)), ((4,), (4,))])
def test_shapes_that_differ_are_refused(function, shapes):
    with pytest.raises(ValueError, match="shape"):
        function(*(torch.zeros(shape) for shape in shapes))


class OneLatent(torch.nn.Module):
    """One latent, six pixels, and a guess that is off: log p(x) can be had by quadrature."""

    latent_size = 1

    def __init__(self):
        super().__init__()
        self.slope = torch.tensor([[1.5, -2.0, 0.3, 0.0, 1.0, -0.7]])
        self.offset = torch.tensor([0.2, 0.0, -1.0, 0.5, 0.1, -0.3])

    def encode(self, x):
        return x.mean(dim=1, keepdim=True), torch.full((len(x), 1), 0.3)

    def decode(self, z):
        return z @ self.slope + self.offset

    def exact(self, pixels):
        z = torch.linspace(-12, 12, 20_001, dtype=torch.float64)[:, None]
        logits = z @ self.slope.double() + self.offset.double()
        log_joint = Bernoulli(logits=logits[:, None]).log_prob(pixels.double()).sum(dim=2) + Normal(
            0.0, 1.0
        ).log_prob(z)  # (20001, B)
        return log_joint.logsumexp(dim=0) + math.log(24 / 20_000)


@pytest.fixture
def six_pixels():
    return torch.tensor([[1.0, 0, 0, 1, 1, 0], [0, 1, 1, 0, 0, 1], [1, 1, 1, 1, 1, 1]])


def test_importance_weights_find_the_exact_likelihood(six_pixels):
    model = OneLatent()
    weights = objective.log_importance_weights(
        model, six_pixels, 50_000, torch.Generator().manual_seed(0)
    )
    assert weights.shape == (3, 50_000)
    assert weights.dtype == torch.float64
    estimate = objective.importance_weighted_bound(weights, 50_000)
    torch.testing.assert_close(estimate, model.exact(six_pixels), atol=0.01, rtol=0)


def test_importance_weights_are_the_ratio_of_the_densities(six_pixels):
    """In three latents, for the very draws that the generator makes."""
    slope = torch.randn(3, 6, generator=torch.Generator().manual_seed(2))

    class ThreeLatents:
        encode = staticmethod(lambda x: (x @ slope.T / 3, x @ slope.T - 1))
        decode = staticmethod(lambda z: z @ slope)

    weights = objective.log_importance_weights(
        ThreeLatents, six_pixels, 40, torch.Generator().manual_seed(0)
    )
    generator = torch.Generator().manual_seed(0)
    for image, found in zip(six_pixels, weights, strict=True):
        mean, log_variance = (part.double() for part in ThreeLatents.encode(image[None]))
        q = Normal(mean, log_variance.exp().sqrt())
        z = mean + q.stddev * torch.randn(40, 3, generator=generator)
        likelihood = Bernoulli(logits=z @ slope.double()).log_prob(image.double()).sum(dim=1)
        ratio = (Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)).sum(dim=1)
        torch.testing.assert_close(found, likelihood + ratio, rtol=1e-5, atol=1e-5)


def test_bound_rises_with_k_from_the_elbo_and_stays_below(six_pixels):
    model = OneLatent()
    weights = objective.log_importance_weights(
        model, six_pixels, 40_000, torch.Generator().manual_seed(0)
    )
    bounds = [objective.importance_weighted_bound(weights, k).mean() for k in (1, 5, 50, 500)]
    assert bounds == sorted(bounds)
    assert bounds[-1] < model.exact(six_pixels).mean() + 0.005
    many = six_pixels.repeat(20_000, 1)
    elbo = objective.elbo_terms(model, many, torch.Generator().manual_seed(1)).elbo.mean()
    assert bounds[0].item() == pytest.approx(elbo.item(), abs=0.02)


def test_weights_in_bfloat16_find_the_same_likelihood(pixels):
    model = vaelib.ConvVAE(latent_size=5, channels=4)
    black_or_white = (pixels[:4] > 0.5).float()
    exact, fast = (
        objective.importance_weighted_bound(
            objective.log_importance_weights(
                model, black_or_white, 500, torch.Generator().manual_seed(0), precision=precision
            ),
            500,
        )
        for precision in (torch.float32, torch.bfloat16)
    )
    assert not torch.equal(exact, fast)
    torch.testing.assert_close(fast, exact, atol=0.1, rtol=0)


def test_weights_do_not_depend_on_the_chunk(six_pixels):
    whole, parts = (
        objective.log_importance_weights(
            OneLatent(), six_pixels, 100, torch.Generator().manual_seed(0), chunk=chunk
        )
        for chunk in (100, 20)
    )
    torch.testing.assert_close(whole, parts, rtol=1e-6, atol=1e-5)


def test_progress_counts_the_images(six_pixels):
    seen = []
    objective.log_importance_weights(OneLatent(), six_pixels, 2, on_image=lambda *n: seen.append(n))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_noise_of_another_shape_is_refused():
    mean = torch.zeros(3, 4)
    with pytest.raises(ValueError, match="shape"):
        vaelib.sample_latent(mean, mean, noise=torch.zeros(1, 4))


def test_impossible_requests_for_weights_are_refused(six_pixels):
    with pytest.raises(ValueError, match="black or white"):
        objective.log_importance_weights(OneLatent(), six_pixels * 0.5, 10)
    with pytest.raises(ValueError, match="At least one"):
        objective.log_importance_weights(OneLatent(), six_pixels, 0)
    for k in (0, 11):
        with pytest.raises(ValueError, match="number of draws"):
            objective.importance_weighted_bound(torch.zeros(2, 10), k)


def test_draws_that_do_not_fill_a_group_are_left_out():
    weights = torch.randn(3, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(
        objective.importance_weighted_bound(weights, 3),
        objective.importance_weighted_bound(weights[:, :6], 3),
    )
