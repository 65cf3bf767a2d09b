import pytest
import torch

from vaelib import VAE, ConvVAE
from vaelib.classifier.networks import ConvClassifier


@pytest.mark.parametrize("model", [VAE(7, 11), ConvVAE(7, 3)], ids=["VAE", "ConvVAE"])
def test_shapes(model, pixels):
    mean, log_variance = model.encode(pixels)
    assert mean.shape == log_variance.shape == (64, 7)
    assert model.decode(mean).shape == (64, 784)


@pytest.mark.parametrize("model", [VAE(7, 11), ConvVAE(7, 3)], ids=["VAE", "ConvVAE"])
def test_what_leaves_a_network_is_float32_also_under_autocast(model, pixels):
    with torch.autocast("cpu", torch.bfloat16):
        mean, log_variance = model.encode(pixels)
        logits = model.decode(mean)
    assert {mean.dtype, log_variance.dtype, logits.dtype} == {torch.float32}


def test_default_is_the_original_network():
    expected = (784 * 400 + 400) + (400 * 60 + 60) + (30 * 400 + 400) + (400 * 784 + 784)
    assert sum(p.numel() for p in VAE().parameters()) == expected


def test_the_convolutional_encoder_sees_pictures(pixels):
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


def test_the_supervised_rival_has_the_same_convolutions(pixels):
    rival = ConvClassifier(n_classes=10, channels=16)
    assert str(rival.convolutions) == str(ConvVAE().encoder.convolutions)
    assert rival(pixels).shape == (64, 10)


@pytest.mark.parametrize("build", [VAE, ConvVAE])
@pytest.mark.parametrize(
    "pixels",
    [torch.zeros(2, 28, 28), torch.zeros(784), torch.zeros(2, 784, dtype=torch.uint8)],
)
def test_encoder_refuses_other_shapes_and_types(build, pixels):
    with pytest.raises(ValueError, match="to_pixels"):
        build().encode(pixels)


@pytest.mark.parametrize("build", [VAE, ConvVAE])
def test_decoder_refuses_another_latent_size(build):
    with pytest.raises(ValueError, match="30"):
        build(latent_size=30).decode(torch.zeros(2, 29))


@pytest.mark.parametrize(
    "build",
    [
        lambda: VAE(latent_size=0),
        lambda: ConvVAE(channels=0),
        lambda: ConvVAE(hidden_size=0),
        lambda: ConvClassifier(0),
    ],
)
def test_empty_layers_are_refused(build):
    with pytest.raises(ValueError, match="at least one unit"):
        build()
