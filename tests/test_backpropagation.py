"""The gradient that is written out, against autograd's."""

import pytest
import torch
from torch import nn

import vaelib
from vaelib.vae import objective
from vaelib.vae.backpropagation import Autograd, WrittenOut, gradient_of


class Exact(vaelib.VAE):
    """`VAE` without its rounding to float32 on the way out."""

    def encode(self, pixels):
        return self.encoder(pixels)

    def decode(self, latent):
        return self.decoder(latent)


def gradients(make, pixels, dtype, precision, network=Exact):
    """Return the ELBO's terms and the gradient in each parameter, in the model's own order."""
    torch.manual_seed(0)
    model = network(latent_size=7, hidden_size=13).to(dtype)
    gradient = make(model, precision)
    terms = gradient(pixels.to(dtype), torch.Generator().manual_seed(1))
    if isinstance(gradient, WrittenOut):
        return terms, gradient.slopes()
    return terms, [parameter.grad for parameter in model.parameters()]


def test_written_out_is_autograd_to_the_last_digits(pixels):
    """In double precision, where rounding hides nothing."""
    terms, ours = gradients(WrittenOut, pixels, torch.float64, torch.float64)
    expected, theirs = gradients(Autograd, pixels, torch.float64, torch.float32)
    assert len(ours) == len(theirs) == 8
    for slope, reference in zip(ours, theirs, strict=True):
        assert slope.abs().max() > 1e-4
        torch.testing.assert_close(slope, reference, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(terms.elbo, expected.elbo.detach(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("precision", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)]
)
def test_written_out_is_autograd_as_far_as_the_precision_goes(pixels, precision, tolerance):
    _, ours = gradients(WrittenOut, pixels, torch.float32, precision)
    _, theirs = gradients(Autograd, pixels, torch.float32, torch.float32)
    for slope, reference in zip(ours, theirs, strict=True):
        assert slope.dtype == torch.float32
        assert (slope - reference).norm() < tolerance * reference.norm()


def test_in_bfloat16_both_round_at_the_same_places(pixels):
    """What leaves the networks is float32 again, and so is everything that is summed."""
    terms, ours = gradients(WrittenOut, pixels, torch.float32, torch.bfloat16, vaelib.VAE)
    expected, theirs = gradients(Autograd, pixels, torch.float32, torch.bfloat16, vaelib.VAE)
    for term, reference in zip(terms, expected, strict=True):
        assert term.dtype == torch.float32
        torch.testing.assert_close(term, reference.detach(), rtol=1e-5, atol=1e-5)
    for slope, reference in zip(ours, theirs, strict=True):
        assert (slope - reference).norm() < 0.004 * reference.norm()  # two roundings


@pytest.mark.parametrize("make", [WrittenOut, Autograd])
def test_a_gradient_is_of_the_last_batch_alone(pixels, make):
    gradient = make(vaelib.VAE(latent_size=3, hidden_size=5), torch.float32)
    found = []
    for _ in range(2):
        gradient(pixels, torch.Generator().manual_seed(1))
        found.append([parameter.grad.clone() for parameter in gradient.parameters])
    assert len(found[0]) == len(gradient.parameters) > 0
    for first, again in zip(*found, strict=True):
        assert torch.equal(first, again)


def test_the_slope_agrees_with_a_small_step(pixels):
    """No autograd at all: the loss before and after a step against its gradient."""
    model = Exact(latent_size=3, hidden_size=5).double()
    pixels = pixels.double()
    gradient = WrittenOut(model, torch.float64)
    (vector,) = gradient.parameters

    def loss():
        with torch.no_grad():
            generator = torch.Generator().manual_seed(2)
            return -objective.elbo_terms(model, pixels, generator).elbo.mean()

    gradient(pixels, torch.Generator().manual_seed(2))
    direction, step = torch.randn_like(vector), 1e-6
    middle = vector.clone()
    vector.copy_(middle + step * direction)
    above = loss()
    vector.copy_(middle - step * direction)
    slope = (above - loss()) / (2 * step)
    torch.testing.assert_close(slope, vector.grad @ direction, rtol=1e-6, atol=1e-8)


def test_the_model_moves_with_the_vector_and_keeps_its_weights(pixels):
    model = vaelib.VAE(latent_size=3, hidden_size=5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    gradient = WrittenOut(model, torch.float32)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    torch.optim.Adam(gradient.parameters)  # which takes no result of a computation
    gradient.parameters[0].add_(1)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name] + 1)


def test_a_model_that_is_not_as_built_is_left_to_autograd():
    def model(change=lambda model: None):
        model = vaelib.VAE(latent_size=3, hidden_size=5)
        change(model)
        return model

    class Other(vaelib.VAE):
        pass

    assert isinstance(gradient_of(model(), torch.float32), WrittenOut)
    for other in (
        vaelib.ConvVAE(),
        Other(),
        model(lambda m: m.encoder.requires_grad_(False)),
        model(lambda m: m.decoder.register_forward_hook(lambda *_: None)),
        model(lambda m: m.encoder.hidden.register_forward_pre_hook(lambda *_: None)),
        model(lambda m: setattr(m.decoder, "output", nn.Linear(5, 784, bias=False))),
        model(lambda m: setattr(m.encoder, "hidden", nn.Sequential(nn.Linear(784, 5), nn.ReLU()))),
    ):
        assert isinstance(gradient_of(other, torch.float32), Autograd)


def test_a_layer_of_ones_own_is_trained(small):
    """And a frozen one stays as it is."""
    model = vaelib.VAE(latent_size=3, hidden_size=5)
    model.decoder.output = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 784))
    model.encoder.requires_grad_(False)
    before = [parameter.clone() for parameter in model.parameters()]
    settings = vaelib.TrainingSettings(epochs=1)
    vaelib.train(model, small.train.images, small.validation.images, settings)
    moved = [not torch.equal(a, b) for a, b in zip(model.parameters(), before, strict=True)]
    assert moved == [parameter.requires_grad for parameter in model.parameters()]
