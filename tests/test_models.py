import pytest
import torch

from vaelib import VAE


def test_shapes(pixels):
    model = VAE(latent_size=7, hidden_size=11)
    mean, log_variance = model.encode(pixels)
    assert mean.shape == log_variance.shape == (64, 7)
    assert model.decode(mean).shape == (64, 784)


def test_default_is_the_original_network():
    expected = (784 * 400 + 400) + (400 * 60 + 60) + (30 * 400 + 400) + (400 * 784 + 784)
    assert sum(p.numel() for p in VAE().parameters()) == expected


@pytest.mark.parametrize(
    "pixels",
    [torch.zeros(2, 28, 28), torch.zeros(784), torch.zeros(2, 784, dtype=torch.uint8)],
)
def test_encoder_refuses_other_shapes_and_types(pixels):
    with pytest.raises(ValueError, match="to_pixels"):
        VAE().encode(pixels)


def test_decoder_refuses_another_latent_size():
    with pytest.raises(ValueError, match="30"):
        VAE().decode(torch.zeros(2, 29))


def test_empty_layers_are_refused():
    with pytest.raises(ValueError, match="at least one unit"):
        VAE(latent_size=0)
