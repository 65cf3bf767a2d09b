"""The networks: a Gaussian encoder q_φ(z|x) and a Bernoulli decoder p_θ(x|z).

Under autocast the matrices are multiplied in bfloat16; what leaves a model is float32 again.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from vaelib.data.images import IMAGE_SHAPE, N_PIXELS, check_pixels


class Encoder(nn.Module):
    """q_φ(z|x): pixels to the mean and log-variance of a diagonal Gaussian over the latent."""

    def __init__(self, latent_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(N_PIXELS, hidden_size)
        self.output = nn.Linear(hidden_size, 2 * latent_size)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 784) → mean (B, Z), log_variance (B, Z)."""
        hidden = F.softplus(self.hidden(pixels))  # (B, 784) → (B, H)
        mean, log_variance = self.output(hidden).chunk(2, dim=1)  # (B, H) → 2 × (B, Z)
        return mean, log_variance


class Decoder(nn.Module):
    """p_θ(x|z): a latent to the logits of 784 independent Bernoulli pixels."""

    def __init__(self, latent_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(latent_size, hidden_size)
        self.output = nn.Linear(hidden_size, N_PIXELS)

    def forward(self, latent: Tensor) -> Tensor:
        """(B, Z) → logits (B, 784)."""
        return self.output(F.softplus(self.hidden(latent)))


class ConvEncoder(nn.Module):
    """q_φ(z|x) with convolutions before the hidden layer."""

    def __init__(self, latent_size: int, channels: int, hidden_size: int) -> None:
        super().__init__()
        self.convolutions = convolutions(channels)
        self.hidden = nn.Linear(2 * channels * 49, hidden_size)
        self.output = nn.Linear(hidden_size, 2 * latent_size)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 784) → mean (B, Z), log_variance (B, Z)."""
        places = self.convolutions(pixels.view(-1, 1, *IMAGE_SHAPE))  # (B, 784) → (B, 2C · 49)
        hidden = F.silu(self.hidden(places))  # (B, 2C · 49) → (B, H)
        mean, log_variance = self.output(hidden).chunk(2, dim=1)  # (B, H) → 2 × (B, Z)
        return mean, log_variance


class ConvDecoder(nn.Module):
    """p_θ(x|z) with two convolutions on 7 × 7 places, each of which stands for 4 × 4 pixels.

    The last one computes the sixteen pixels of a place as sixteen channels, which are then dealt
    out (Shi et al. 2016). Enlarging the picture step by step is no better here, and slower.
    """

    def __init__(self, latent_size: int, channels: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(latent_size, hidden_size)
        self.places = nn.Linear(hidden_size, channels * 49)
        self.output = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(2 * channels, 16, 3, padding=1),
            nn.PixelShuffle(4),
            nn.Flatten(),  # (B, 16, 7, 7) → (B, 1, 28, 28) → (B, 784)
        )

    def forward(self, latent: Tensor) -> Tensor:
        """(B, Z) → logits (B, 784)."""
        hidden = F.silu(self.hidden(latent))  # (B, Z) → (B, H)
        places = F.silu(self.places(hidden)).view(len(latent), 7, 7, -1)  # (B, 7, 7, C)
        return self.output(places.permute(0, 3, 1, 2))  # (B, C, 7, 7) → (B, 784)


def convolutions(channels: int) -> nn.Sequential:
    """Return three convolutions, of which two halve the sides: (B, 1, 28, 28) → (B, 2C · 49)."""
    return nn.Sequential(
        nn.Conv2d(1, channels, 4, stride=2, padding=1),
        nn.SiLU(),  # (B, C, 14, 14)
        nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1),
        nn.SiLU(),  # (B, 2C, 7, 7)
        nn.Conv2d(2 * channels, 2 * channels, 3, padding=1),
        nn.SiLU(),
        nn.Flatten(),
    )


class VAE(nn.Module):
    """A variational auto-encoder with one hidden layer on each side.

    784–400 (softplus)–30 and back by default: the network of the original VAE-Classifier and,
    but for the latent's size, of Pyro's VAE tutorial. To try other networks, subclass it and put
    them in the place of `encoder` and `decoder`; name the class in `vaelib.vae.training.MODELS`,
    and a `Config` can train it.

    Parameters
    ----------
    latent_size : Z, the number of latent dimensions.
    hidden_size : H, the width of the hidden layers.
    """

    def __init__(self, latent_size: int = 30, hidden_size: int = 400) -> None:
        super().__init__()
        self.latent_size = latent_size
        self.encoder = Encoder(latent_size, hidden_size)
        self.decoder = Decoder(latent_size, hidden_size)

    def encode(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of q_φ(z|x): (B, 784) → (B, Z), (B, Z).

        `pixels` are floats in [0, 1] (`vaelib.to_pixels`). Raises ValueError for another shape,
        type or range.
        """
        if pixels.ndim != 2 or pixels.shape[1] != N_PIXELS:
            raise ValueError(
                f"The encoder takes float pixels of shape (B, {N_PIXELS}), not {pixels.dtype} of "
                f"shape {tuple(pixels.shape)}. Convert images with vaelib.to_pixels."
            )
        check_pixels(pixels)
        mean, log_variance = self.encoder(pixels)
        return mean.float(), log_variance.float()

    def decode(self, latent: Tensor) -> Tensor:
        """Return the logits of the pixels' Bernoulli probabilities: (B, Z) → (B, 784).

        `logits.sigmoid()` is the decoded image. Raises ValueError for another latent size.
        """
        if latent.ndim != 2 or latent.shape[1] != self.latent_size:
            raise ValueError(
                f"The decoder takes latents of shape (B, {self.latent_size}), "
                f"not {tuple(latent.shape)}."
            )
        return self.decoder(latent).float()


class ConvVAE(VAE):
    """A convolutional variational auto-encoder: 28 × 28 – 14 × 14 – 7 × 7 – H – Z, and back.

    Parameters
    ----------
    latent_size : Z, the number of latent dimensions.
    channels : C after the first convolution; the second has twice as many.
    hidden_size : H, the width of the layer between the 7 × 7 places and the latent.
    """

    def __init__(self, latent_size: int = 50, channels: int = 16, hidden_size: int = 256) -> None:
        nn.Module.__init__(self)  # not VAE's, which would build the other two networks
        self.latent_size = latent_size
        self.encoder = ConvEncoder(latent_size, channels, hidden_size)
        self.decoder = ConvDecoder(latent_size, channels, hidden_size)
