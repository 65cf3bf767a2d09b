"""The networks: shapes, types, and how convolutions lie on a picture."""

import pytest
import torch
import torch.nn.functional as F
from arguments import DTYPES, SHAPES, outcome, tensors
from hypothesis import example, given
from hypothesis import strategies as st

from vaelib import VAE, ConvVAE
from vaelib.vae import elbo


@pytest.mark.parametrize("model", [VAE(7, 11), ConvVAE(7, 3)], ids=["VAE", "ConvVAE"])
def test_shapes_and_float32_also_under_autocast(model, pixels):
    with torch.autocast("cpu", torch.bfloat16):
        mean, log_variance = model.encode(pixels)
        logits = model.decode(mean)
    assert mean.shape == log_variance.shape == (64, model.latent_size) == (64, 7)
    assert logits.shape == (64, 784)
    assert {mean.dtype, log_variance.dtype, logits.dtype} == {torch.float32}


def test_the_network_is_the_original_s(pixels):
    """784–400 (softplus)–30 and back, by hand."""
    model = VAE()
    weights = [part for pair in model.state_dict().items() for part in pair[1:]]
    w1, b1, w2, b2, w3, b3, w4, b4 = weights
    both = F.softplus(pixels @ w1.T + b1) @ w2.T + b2
    mean, log_variance = model.encode(pixels)
    torch.testing.assert_close(torch.cat([mean, log_variance], dim=1), both)
    torch.testing.assert_close(model.decode(mean), F.softplus(mean @ w3.T + b3) @ w4.T + b4)
    assert sum(w.numel() for w in weights) == 784 * 400 + 400 + 401 * 60 + 31 * 400 + 401 * 784


def test_the_convolutional_encoder_sees_pictures():
    """Moving a picture by a whole 4 × 4 step moves what the convolutions make of it."""
    convolutions = ConvVAE(5, 4).encoder.convolutions[:-1]
    picture = torch.zeros(1, 1, 28, 28)
    picture[..., 8:16, 8:16] = 1
    here, there = convolutions(picture), convolutions(picture.roll(4, dims=3))
    torch.testing.assert_close(there[..., 3:5], here[..., 2:4])


def test_pixel_order_of_the_convolutional_decoder_is_the_picture_s():
    decoder = ConvVAE(5, 4).decoder
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.zero_()
        decoder.output[2].bias[6] = 1.0  # of each 4 × 4 square the pixel in row 1, column 2
    picture = decoder(torch.zeros(1, 5)).view(28, 28)
    assert torch.equal(picture[1::4, 2::4], torch.ones(7, 7))
    assert picture.sum() == 7 * 7


@given(tensors(st.one_of(SHAPES, st.sampled_from([(0, 784), (2, 784), (784,)])), DTYPES))
@example(torch.zeros(2, 28, 28))
@example(torch.zeros(2, 784, dtype=torch.uint8))
@example(torch.full((1, 784), 255.0))
@example(torch.full((1, 784), -0.1))
@example(torch.full((1, 784), torch.nan))
def test_the_encoder_takes_pixels_and_nothing_else(pixels):
    pixels = pixels.float() if pixels.dtype == torch.float64 else pixels
    inside = bool(((pixels >= 0) & (pixels <= 1)).all()) and pixels.is_floating_point()
    valid = inside and pixels.ndim == 2 and pixels.shape[1] == 784
    for function in (VAE(2, 3).encode, ConvVAE(2, 3, 4).encode, lambda p: elbo(VAE(2, 3), p)):
        result, error = outcome(function, pixels)
        assert (error is None) == valid
        assert error or all(part.isfinite().all() for part in result)


@pytest.mark.parametrize("build", [VAE, ConvVAE])
@pytest.mark.parametrize("shape", [(2, 29), (30,), (1, 2, 30)])
def test_the_decoder_refuses_another_latent_size(build, shape):
    with pytest.raises(ValueError, match=r"\(B, 30\)"):
        build(latent_size=30).decode(torch.zeros(shape))
