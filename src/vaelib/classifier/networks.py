"""The rival without a VAE: the same convolutions, trained on the labelled images alone."""

import math
import threading
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaelib._machine.devices import multiplying_in, training_precision
from vaelib.data.images import IMAGE_SHAPE, to_pixels
from vaelib.data.splits import Split
from vaelib.vae.models import check_sizes, convolutions

_BUILDING = threading.Lock()  # first weights come from torch's one global generator


class ConvClassifier(nn.Module):
    """The convolutional encoder's convolutions with class scores upon them: supervised."""

    def __init__(self, n_classes: int, channels: int = 16) -> None:
        check_sizes(n_classes=n_classes, channels=channels)
        super().__init__()
        self.convolutions = convolutions(channels)
        self.output = nn.Linear(2 * channels * 49, n_classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 784) → logits of the classes (B, K)."""
        return self.output(self.convolutions(pixels.view(-1, 1, *IMAGE_SHAPE))).float()


@dataclass(frozen=True)
class SupervisedSettings:
    """How the network is trained with Adam and a one-cycle schedule.

    Attributes
    ----------
    batch_size : images a step, or all the labelled ones where they are fewer.
    least_steps, steps_per_root : `steps_per_root` · √N steps for N labels, but at least that many:
        more labels are worth more steps, though fewer passes over each.
    peak_learning_rate : Adam's, at the top of the schedule.
    """

    batch_size: int = 64
    least_steps: int = 120
    steps_per_root: float = 8.0
    peak_learning_rate: float = 4e-3

    def __post_init__(self) -> None:
        if min(self.batch_size, self.least_steps) < 1 or not 0 <= self.steps_per_root < math.inf:
            raise ValueError(f"Training needs at least one image a batch, and one step: {self}.")
        if not 0 < self.peak_learning_rate < float("inf"):
            raise ValueError(f"The learning rate must be a positive number: {self}.")

    def steps(self, n_images: int) -> int:
        """Return how many steps are taken on `n_images` labelled images."""
        return max(self.least_steps, round(self.steps_per_root * n_images**0.5))


def train_supervised(
    images: Tensor, labels: Tensor, n_classes: int, settings: SupervisedSettings, seed: int
) -> ConvClassifier:
    """Train a convolutional network on labelled images: uint8 (N, 28, 28), (N,).

    Raises ValueError where images and labels do not fit.
    """
    if len(images) != len(labels) or len(labels) == 0:
        raise ValueError(f"Every image needs one label: {len(images)} images, {len(labels)}.")
    if not 0 <= labels.min() <= labels.max() < n_classes:
        raise ValueError(f"Labels must lie in 0 to {n_classes - 1}.")
    with _BUILDING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ConvClassifier(n_classes)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    precision = training_precision("cpu")
    left = settings.steps(len(labels))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.peak_learning_rate, total_steps=left
    )
    while left > 0:
        order = torch.randperm(len(labels), generator=generator)
        for batch in order.split(settings.batch_size)[:left]:
            with multiplying_in(precision, "cpu"):
                logits = model(to_pixels(images[batch]))
            loss = F.cross_entropy(logits, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            left -= 1
    return model.eval()


@torch.inference_mode()
def supervised_accuracy(model: ConvClassifier, split: Split) -> float:
    """Return the share of a split's images that the network names correctly."""
    if len(split) == 0:
        raise ValueError("There are no images to score.")
    predicted = [model(to_pixels(batch)).argmax(dim=1) for batch in split.images.split(200)]
    return (torch.cat(predicted) == split.labels).float().mean().item()


@dataclass(frozen=True)
class SupervisedMethod:
    """A convolutional network trained on the labelled images alone; `scored_on` are the others."""

    train: Split
    scored_on: Split
    settings: SupervisedSettings = SupervisedSettings()

    def __call__(self, chosen: Tensor, draw: int) -> float:
        """Train on the chosen rows and return the accuracy; the first weights depend on `draw`."""
        labelled = self.train[chosen]
        n_classes = int(self.train.labels.max()) + 1
        model = train_supervised(
            labelled.images, labelled.labels, n_classes, self.settings, seed=draw
        )
        return supervised_accuracy(model, self.scored_on)
