"""The gradient of the ELBO: by autograd for any model, and written out for the small one.

A step of the fully connected VAE is so short that recording it for autograd is a good part of it.
By hand, its gradient is a dozen lines of the chain rule; a test compares both to the last digits.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from vaelib._machine.devices import multiplying_in
from vaelib.vae.models import VAE, Decoder, Encoder
from vaelib.vae.objective import ElboTerms, bernoulli_log_likelihood, elbo_terms, gaussian_kl

Layer = tuple[Tensor, Tensor]  # weight (O, I), bias (O,)


class Autograd:
    """The gradient of any model, as torch derives it; matrix products in `precision`.

    `parameters` are what an optimiser is to move; their `grad` holds the gradient.
    """

    def __init__(self, model: nn.Module, precision: torch.dtype) -> None:
        self.model = model
        self.precision = precision
        self.parameters = list(model.parameters())

    def __call__(self, pixels: Tensor, generator: torch.Generator | None = None) -> ElboTerms:
        """Put the gradient of the mean of −ELBO in place: (B, 784) → the terms, each (B,)."""
        with multiplying_in(self.precision, pixels.device):
            terms = elbo_terms(self.model, pixels, generator)
        self.model.zero_grad()
        (-terms.elbo.mean()).backward()
        return terms


class WrittenOut:
    """The gradient of `VAE` by the chain rule; the same interface as `Autograd`'s.

    With x the pixels, B their number and δy the slope of the loss, the mean of −ELBO, in y:

        forward                  backward
        a₁ = W₁ x + b₁           δlogits = (sigmoid(logits) − x) / B
        h₁ = softplus(a₁)        δh = Wᵀ δ of what the layer after it puts out
        μ, log σ² = W₂ h₁ + b₂   δa = δh · sigmoid(a)
        z = μ + σ ε              δμ = δz + μ / B
        a₂ = W₃ z + b₃           δ(log σ²) = ½ (δz · σ ε + (σ² − 1) / B)
        h₂ = softplus(a₂)        δW = δ of what the layer puts out · (what it takes in)ᵀ
        logits = W₄ h₂ + b₄      δb = δ of what the layer puts out; both summed over images

    The weights become views of one vector, `parameters[0]`, which is rounded to `precision`, and
    moved by an optimiser, in one go.
    """

    def __init__(self, model: VAE, precision: torch.dtype) -> None:
        self.precision = precision
        # all weights before all biases, so that every matrix begins on a whole cache line
        ordered = sorted(model.parameters(), key=lambda parameter: -parameter.ndim)
        self.shapes = [parameter.shape for parameter in ordered]
        vector = parameters_to_vector(ordered).detach()
        vector_to_parameters(vector, ordered)
        vector.grad = torch.zeros_like(vector)
        self.parameters = [vector]

    def _layers(self, vector: Tensor) -> Iterator[Layer]:
        """Take a vector as the four layers' weights and biases, without copying it."""
        parts = vector.split([shape.numel() for shape in self.shapes])
        views = [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        return zip(views[:4], views[4:], strict=True)

    def slopes(self) -> list[Tensor]:
        """Return the gradient in each of the model's parameters, in their order."""
        (vector,) = self.parameters
        return [slope for layer in self._layers(vector.grad) for slope in layer]

    @torch.no_grad()
    def __call__(self, pixels: Tensor, generator: torch.Generator | None = None) -> ElboTerms:
        """Put the gradient of the mean of −ELBO in place: (B, 784) → the terms, each (B,)."""
        (vector,) = self.parameters
        layer_1, layer_2, layer_3, layer_4 = self._layers(vector.to(self.precision))
        slope_1, slope_2, slope_3, slope_4 = self._layers(vector.grad)
        exact, size = vector.dtype, len(pixels)

        inputs = pixels.to(self.precision)
        a_1 = F.linear(inputs, *layer_1)  # (B, 784) → (B, H)
        h_1 = F.softplus(a_1)
        mean, log_variance = F.linear(h_1, *layer_2).to(exact).chunk(2, dim=1)  # 2 × (B, Z)
        deviation = torch.exp(0.5 * log_variance)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=exact)
        shift = deviation * noise
        latent = (mean + shift).to(self.precision)  # (B, Z)
        a_2 = F.linear(latent, *layer_3)  # (B, Z) → (B, H)
        h_2 = F.softplus(a_2)
        logits = F.linear(h_2, *layer_4).to(exact)  # (B, H) → (B, 784)
        terms = ElboTerms(
            reconstruction=bernoulli_log_likelihood(logits, pixels),
            kl=gaussian_kl(mean, log_variance),
        )

        d_logits = logits.sigmoid_().sub_(pixels).div_(size).to(self.precision)
        _write_slope(slope_4, d_logits, h_2)
        d_a_2 = (d_logits @ layer_4[0]).mul_(a_2.sigmoid_())
        _write_slope(slope_3, d_a_2, latent)
        d_latent = d_a_2 @ layer_3[0]
        d_mean = d_latent + mean / size
        d_log_variance = 0.5 * (d_latent * shift + (deviation.square() - 1) / size)
        d_posterior = torch.cat([d_mean, d_log_variance], dim=1).to(self.precision)
        _write_slope(slope_2, d_posterior, h_1)
        d_a_1 = (d_posterior @ layer_2[0]).mul_(a_1.sigmoid_())
        _write_slope(slope_1, d_a_1, inputs)
        return terms


def gradient_of(model: nn.Module, precision: torch.dtype) -> Autograd | WrittenOut:
    """Return what computes a model's gradient: written out for `VAE` as it is built here.

    Where a reader has put in a layer of another kind, frozen one or hooked on to one, it is
    autograd, which sees that.
    """
    parts = list(model.modules())
    as_built = (
        {type(part) for part in parts} == {VAE, Encoder, Decoder, nn.Linear}
        and [parameter.requires_grad for parameter in model.parameters()] == 8 * [True]
        and not any(part._forward_hooks or part._forward_pre_hooks for part in parts)
    )
    return WrittenOut(model, precision) if as_built else Autograd(model, precision)


def _write_slope(slope: Layer, d_outputs: Tensor, inputs: Tensor) -> None:
    """Write a layer's slope from what it put out, (B, O), and what it took in, (B, I)."""
    weight, bias = slope
    if weight.dtype == inputs.dtype:
        torch.mm(d_outputs.T, inputs, out=weight)
    else:
        weight.copy_(d_outputs.T @ inputs)
    torch.sum(d_outputs, dim=0, dtype=bias.dtype, out=bias)
