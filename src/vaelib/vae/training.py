"""The training loop, what it remembers, and the measure of a trained model."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vaelib._machine.devices import training_precision
from vaelib._machine.memory import give_back
from vaelib.data.images import to_pixels
from vaelib.vae.backpropagation import gradient_of
from vaelib.vae.objective import ElboTerms, elbo_terms

EVALUATION_SEED = 1234  # the same noise for every model that is measured


class TrainingError(RuntimeError):
    """Training went wrong in a way that more of it cannot mend."""


@dataclass(frozen=True)
class TrainingSettings:
    """What a training run depends on, besides the network and the images.

    Attributes
    ----------
    epochs : how many times every image is seen.
    batch_size : images a step.
    peak_learning_rate : Adam's, at the top of the one-cycle schedule (Smith & Topin 2017).
    binarise_from : from this epoch on, draw black-or-white pixels with the grey levels as
        probabilities, anew each time; None keeps the grey ones throughout.
    seed : of the first weights, the order of the images and the noise.
    snapshots : the epochs after which the weights are kept; the last one always is.
    """

    epochs: int = 31
    batch_size: int = 256
    peak_learning_rate: float = 3e-3
    binarise_from: int | None = None
    seed: int = 0
    snapshots: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        counts = (self.epochs, self.batch_size)
        whole = all(isinstance(count, int) and count >= 1 for count in counts)
        if not whole or not 0 < self.peak_learning_rate < math.inf:
            raise ValueError(
                "Training needs at least one epoch, one image a batch and a positive learning "
                f"rate: epochs={self.epochs}, batch_size={self.batch_size}, "
                f"peak_learning_rate={self.peak_learning_rate}."
            )
        if any(not 1 <= epoch <= self.epochs for epoch in self.snapshots):
            raise ValueError(f"Snapshots {self.snapshots} must lie in 1 to {self.epochs}.")
        if self.binarise_from is not None and not 1 <= self.binarise_from <= self.epochs:
            raise ValueError(
                f"binarise_from is {self.binarise_from}: it must lie in 1 to {self.epochs}, or be "
                "None for grey pixels throughout."
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


@dataclass
class TrainingResult:
    """What training leaves behind: the curves, and the weights at each snapshot.

    `snapshots` maps an epoch to a state dict on the CPU. `interrupted` is true where the reader
    stopped the training: the curves then end early, and there is no last snapshot.
    """

    history: list[EpochRecord] = field(default_factory=list)
    snapshots: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    interrupted: bool = False


def train(
    model: nn.Module,
    images: Tensor,
    validation_images: Tensor,
    settings: TrainingSettings,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    precision: torch.dtype | None = None,
) -> TrainingResult:
    """Maximise the ELBO of `model` on `images` with Adam; changes the model in place.

    Parameters
    ----------
    model : a VAE, on the device to train on.
    images, validation_images : uint8 (N, 28, 28). They are moved to the device once, and
        turned into pixels a batch at a time.
    settings : see `TrainingSettings`.
    on_epoch : called with each epoch's record, for progress.
    precision : of the matrix products; the fastest that the device has unless given.

    Raises
    ------
    ValueError
        Where there are no images, or they are not what is asked for.
    TrainingError
        As soon as the objective is no longer a finite number.
    """
    for split in (images, validation_images):
        if len(split) == 0:
            raise ValueError("There are no images to train or to validate on.")
        to_pixels(split[:1])  # complains now rather than after an epoch
    device = next(model.parameters()).device
    images = images.to(device)
    generator = torch.Generator(device).manual_seed(settings.seed)
    step = _Step(model, settings, len(images), precision or training_precision(device), generator)
    result = TrainingResult()
    try:
        for epoch in range(1, settings.epochs + 1):
            terms = _train_epoch(step, images, settings, generator, epoch)
            validation = mean_elbo_terms(model, validation_images)
            record = EpochRecord(
                epoch,
                *(term.item() for term in terms),
                *(term.item() for term in validation),
            )
            if not math.isfinite(record.validation_elbo):
                raise TrainingError(
                    f"The validation ELBO became {record.validation_elbo} after epoch {epoch}. "
                    + _likely_causes(settings)
                )
            result.history.append(record)
            if epoch in settings.snapshots or epoch == settings.epochs:
                result.snapshots[epoch] = {
                    name: value.detach().cpu().clone() for name, value in model.state_dict().items()
                }
            if on_epoch:
                on_epoch(record)
    except KeyboardInterrupt:
        result.interrupted = True
    give_back()
    return result


class _Step:
    """One step uphill on the ELBO: its gradient, Adam, and the learning rate's schedule."""

    def __init__(
        self,
        model: nn.Module,
        settings: TrainingSettings,
        n_images: int,
        precision: torch.dtype,
        generator: torch.Generator,
    ) -> None:
        self.model = model
        self.settings = settings
        self.generator = generator
        self.gradient = gradient_of(model, precision)
        self.optimizer = torch.optim.Adam(self.gradient.parameters, fused=True)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            settings.peak_learning_rate,
            total_steps=math.ceil(n_images / settings.batch_size) * settings.epochs,
        )

    def __call__(self, pixels: Tensor, where: str) -> ElboTerms:
        """Move the weights; return the terms before the move, each (B,).

        Raises TrainingError, which says `where`, and leaves the weights as they are where the
        objective is no number.
        """
        terms = self.gradient(pixels, self.generator)
        elbo = terms.elbo.mean()
        if not torch.isfinite(elbo):
            raise TrainingError(
                f"The ELBO became {elbo.item()} at {where}. {_likely_causes(self.settings)}"
            )
        self.optimizer.step()
        self.scheduler.step()
        return terms


def _train_epoch(
    step: _Step,
    images: Tensor,
    settings: TrainingSettings,
    generator: torch.Generator,
    epoch: int,
) -> ElboTerms:
    """Take one pass over the images and return the terms' means on the way."""
    step.model.train()
    binarise = settings.binarise_from is not None and epoch >= settings.binarise_from
    sums = torch.zeros(2, dtype=torch.float64)
    order = torch.randperm(len(images), generator=generator, device=images.device)
    for number, batch in enumerate(order.split(settings.batch_size), start=1):
        pixels = to_pixels(images.index_select(0, batch))  # (B, 28, 28) → (B, 784)
        if binarise:
            pixels = torch.bernoulli(pixels, generator=generator)
        terms = step(pixels, f"step {number} of epoch {epoch}")
        sums += torch.stack([term.detach().sum() for term in terms]).cpu()
    return ElboTerms(*(sums / len(images)))


def _likely_causes(settings: TrainingSettings) -> str:
    return (
        "Likely causes: a learning rate that is too high (its peak is "
        f"{settings.peak_learning_rate}), or a log-variance that grew without bound."
    )


@torch.inference_mode()
def mean_elbo_terms(
    model: nn.Module, images: Tensor, seed: int = EVALUATION_SEED, batch_size: int = 1000
) -> ElboTerms:
    """Return the ELBO's terms in nats, averaged over `images`: uint8 (N, 28, 28).

    One latent sample an image, from noise that depends on `seed` alone and not on the batch
    size. Raises ValueError where there are no images.
    """
    if len(images) == 0:
        raise ValueError("There are no images to measure the ELBO on.")
    if batch_size < 1:
        raise ValueError(f"A batch needs at least one image, not {batch_size}.")
    device = next(model.parameters()).device
    model.eval()
    generator = torch.Generator(device).manual_seed(seed)
    noise = torch.randn(len(images), model.latent_size, generator=generator, device=device)
    sums = torch.zeros(2, dtype=torch.float64)
    for batch, part in zip(images.split(batch_size), noise.split(batch_size), strict=True):
        terms = elbo_terms(model, to_pixels(batch.to(device)), noise=part)
        sums += torch.stack([term.sum() for term in terms]).cpu()
    return ElboTerms(*(sums / len(images)))
