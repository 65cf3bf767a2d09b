"""Training: the hyperparameters, and the loop that maximises the ELBO.

`vaelib.train`, which runs the loop and saves what it has learned, is in `vaelib.vae.checkpoints`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from vaelib._machine.devices import autocast
from vaelib.data.images import to_pixels
from vaelib.vae.models import VAE, ConvVAE
from vaelib.vae.objective import elbo, mean_elbo

MODELS: dict[str, type[VAE]] = {"VAE": VAE, "ConvVAE": ConvVAE}


class TrainingError(RuntimeError):
    """Training went wrong in a way that more of it cannot mend."""


@dataclass(frozen=True)
class Config:
    """Every hyperparameter: all that decides the weights but the images.

    Attributes
    ----------
    name : of the checkpoint's file.
    model : a name in `MODELS`.
    latent_size, hidden_size, channels : the network's sizes; `channels` of a convolutional one.
    epochs : how many times every image is seen.
    batch_size : images per step.
    learning_rate : Adam's, at the top of the one-cycle schedule (Smith & Topin 2017).
    binarise_from : from this epoch on, sample black or white pixels with the grey levels as
        probabilities, anew each time; None keeps the grey ones throughout.
    keep : the epochs after which the weights are kept; the last one always is.
    seed : of the first weights, the order of the images and the noise.
    version : to be raised when a change in a network's code makes the same hyperparameters end
        elsewhere. A checkpoint knows its model by name, and could not tell otherwise.
    """

    name: str
    model: str = "VAE"
    latent_size: int = 30
    hidden_size: int = 400
    channels: int | None = None
    epochs: int = 31
    batch_size: int = 256
    learning_rate: float = 3e-3
    binarise_from: int | None = None
    keep: tuple[int, ...] = ()
    seed: int = 0
    version: int = 2

    def __post_init__(self) -> None:
        if not self.name or Path(self.name).name != self.name:
            raise ValueError(f"A config's name becomes a file's, which {self.name!r} cannot be.")
        if self.model not in MODELS:
            raise ValueError(
                f"There is no model named {self.model!r}. Choose one of {', '.join(MODELS)}."
            )
        counts = {"epochs": self.epochs, "batch_size": self.batch_size, **self._sizes()}
        for count, value in counts.items():
            if not (isinstance(value, int) and value >= 1):
                raise ValueError(f"{count} is {value}, and must be a whole number from 1 on.")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate is {self.learning_rate}: choose a positive number.")
        binarise_from = () if self.binarise_from is None else (self.binarise_from,)
        for epoch in (*self.keep, *binarise_from):
            if epoch not in range(1, self.epochs + 1):
                raise ValueError(
                    f"keep and binarise_from name epochs, in 1 to {self.epochs}; got {epoch}."
                )

    def _sizes(self) -> dict[str, int]:
        """Return the network's sizes that were given: the arguments of its class."""
        sizes = {"latent_size": self.latent_size, "hidden_size": self.hidden_size}
        return sizes if self.channels is None else sizes | {"channels": self.channels}

    def build(self) -> VAE:
        """Return the untrained network; the same first weights every time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return MODELS[self.model](**self._sizes())


# the weights kept are the key frames of notebook 3's animation
MLP = Config(name="mlp", keep=(1, 2, 3, 5, 8, 16, 31))

CONV = Config(
    name="conv",
    model="ConvVAE",
    latent_size=50,
    hidden_size=256,
    channels=16,
    epochs=9,
    batch_size=128,
    learning_rate=8e-3,
    binarise_from=4,
)


class EpochRecord(NamedTuple):
    """Means over the images in nats, for one epoch.

    The training terms are averaged while the weights move; the validation terms are measured
    after the epoch.
    """

    epoch: int
    reconstruction: float
    kl: float
    validation_reconstruction: float
    validation_kl: float

    @property
    def elbo(self) -> float:
        """The ELBO on the training images."""
        return self.reconstruction - self.kl

    @property
    def validation_elbo(self) -> float:
        """The ELBO on the validation images."""
        return self.validation_reconstruction - self.validation_kl


def train_epochs(
    model: VAE,
    images: Tensor,
    validation_images: Tensor,
    config: Config,
    dtype: torch.dtype | None = None,
) -> Iterator[EpochRecord]:
    """Maximise the ELBO of `model` with Adam, in place; yield a record after every epoch.

    Parameters
    ----------
    model : a VAE, on the device to train on.
    images, validation_images : uint8 (N, 28, 28). They are moved to the device once, and turned
        into pixels a batch at a time.
    config : see `Config`.
    dtype : of the matrix products; the fastest that the device has unless given.

    Raises
    ------
    ValueError
        Where there are no images, or they are not what is asked for.
    TrainingError
        As soon as the ELBO is no longer a finite number.
    """
    for split in (images, validation_images):
        if len(split) == 0:
            raise ValueError("There are no images to train or to validate on.")
        to_pixels(split[:1])  # complains now rather than after an epoch
    device = next(model.parameters()).device
    images = images.to(device)
    generator = torch.Generator(device).manual_seed(config.seed)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        config.learning_rate,
        total_steps=math.ceil(len(images) / config.batch_size) * config.epochs,
    )
    for epoch in range(1, config.epochs + 1):
        binarise = config.binarise_from is not None and epoch >= config.binarise_from
        sums = torch.zeros(2, dtype=torch.float64)  # of the two terms
        model.train()
        order = torch.randperm(len(images), generator=generator, device=device)
        for step, rows in enumerate(order.split(config.batch_size), start=1):
            pixels = to_pixels(images[rows])  # (B, 28, 28) → (B, 784)
            if binarise:
                pixels = torch.bernoulli(pixels, generator=generator)
            with autocast(device, dtype):
                terms = elbo(model, pixels, generator)
            loss = -terms.elbo.mean()
            optimizer.zero_grad()
            loss.backward()
            _check_finite(-loss.item(), f"at step {step} of epoch {epoch}", config)
            optimizer.step()
            scheduler.step()
            sums += torch.stack([term.detach().sum() for term in terms]).cpu()
        training = (sums / len(images)).tolist()
        validation = [term.item() for term in mean_elbo(model, validation_images)]
        record = EpochRecord(epoch, *training, *validation)
        _check_finite(record.validation_elbo, f"on validation after epoch {epoch}", config)
        yield record


def _check_finite(value: float, where: str, config: Config) -> None:
    if not math.isfinite(value):
        raise TrainingError(
            f"The ELBO became {value} {where}. Likely causes: a learning rate that is too high "
            f"(its peak is {config.learning_rate}), or a log-variance that grew without bound."
        )
