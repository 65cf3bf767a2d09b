"""The networks: a Gaussian encoder q_φ(z|x) and a Bernoulli decoder p_θ(x|z).

A model is anything with `latent_size`, `encode` and `decode`; what is trained on it is the
objective's business, and how it is trained is the training's.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from vaelib.data import N_PIXELS, check_pixels


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


class VAE(nn.Module):
    """A variational auto-encoder with one hidden layer on each side.

    784–400 (softplus)–30 and back by default: the network of the original VAE-Classifier and,
    but for the latent's size, of Pyro's VAE tutorial.

    Parameters
    ----------
    latent_size : Z, the number of latent dimensions.
    hidden_size : H, the width of the hidden layers.
    """

    def __init__(self, latent_size: int = 30, hidden_size: int = 400) -> None:
        super().__init__()
        if latent_size < 1 or hidden_size < 1:
            raise ValueError(
                f"Layers need at least one unit: latent_size is {latent_size}, "
                f"hidden_size is {hidden_size}."
            )
        self.latent_size = latent_size
        self.encoder = Encoder(latent_size, hidden_size)
        self.decoder = Decoder(latent_size, hidden_size)

    def encode(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of q_φ(z|x): (B, 784) → (B, Z), (B, Z).

        `pixels` are floats in [0, 1] (`vaelib.data.to_pixels`). Raises ValueError for another
        shape, type or range.
        """
        if pixels.ndim != 2 or pixels.shape[1] != N_PIXELS or not pixels.is_floating_point():
            raise ValueError(
                f"The encoder takes float pixels of shape (B, {N_PIXELS}), not {pixels.dtype} of "
                f"shape {tuple(pixels.shape)}. Convert images with vaelib.data.to_pixels."
            )
        check_pixels(pixels)
        return self.encoder(pixels)

    def decode(self, latent: Tensor) -> Tensor:
        """Return the logits of the pixels' Bernoulli probabilities: (B, Z) → (B, 784).

        `logits.sigmoid()` is the decoded picture. Raises ValueError for another latent size.
        """
        if latent.ndim != 2 or latent.shape[1] != self.latent_size:
            raise ValueError(
                f"The decoder takes latents of shape (B, {self.latent_size}), "
                f"not {tuple(latent.shape)}."
            )
        return self.decoder(latent)
