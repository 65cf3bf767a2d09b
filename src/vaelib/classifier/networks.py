"""The baseline without a VAE: the same convolutions, trained on the labelled images alone."""

import threading

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaelib._machine.devices import autocast
from vaelib.classifier.few_labels import Method
from vaelib.data.images import IMAGE_SHAPE, to_pixels
from vaelib.data.splits import Split
from vaelib.vae.models import convolutions

_BUILDING = threading.Lock()  # first weights come from torch's one global generator


class ConvClassifier(nn.Module):
    """The convolutional encoder's convolutions with class scores upon them: supervised."""

    def __init__(self, n_classes: int, channels: int = 16) -> None:
        super().__init__()
        self.convolutions = convolutions(channels)
        self.output = nn.Linear(2 * channels * 49, n_classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 784) → logits of the classes (B, K)."""
        return self.output(self.convolutions(pixels.view(-1, 1, *IMAGE_SHAPE))).float()


def train_classifier(
    images: Tensor,
    labels: Tensor,
    n_classes: int,
    seed: int,
    batch_size: int = 64,
    least_steps: int = 120,
    steps_per_root: float = 8.0,
    learning_rate: float = 4e-3,
) -> ConvClassifier:
    """Train a convolutional network on labelled images: uint8 (N, 28, 28), (N,).

    Adam with a one-cycle schedule takes `steps_per_root` · √N steps for N labels, at least
    `least_steps`: more labels are worth more steps, though fewer passes over each. Raises
    ValueError where images and labels do not fit.
    """
    if len(images) != len(labels) or len(labels) == 0:
        raise ValueError(f"Every image needs one label: {len(images)} images, {len(labels)}.")
    if not 0 <= labels.min() <= labels.max() < n_classes:
        raise ValueError(f"Labels must lie in 0 to {n_classes - 1}.")
    with _BUILDING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ConvClassifier(n_classes)
    generator = torch.Generator().manual_seed(seed)
    n_steps = max(least_steps, round(steps_per_root * len(labels) ** 0.5))
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=n_steps)
    batches: list[Tensor] = []
    for _ in range(n_steps):
        if not batches:  # every image once, in a new order
            batches = list(torch.randperm(len(labels), generator=generator).split(batch_size))
        rows = batches.pop()
        with autocast("cpu"):
            logits = model(to_pixels(images[rows]))
        loss = F.cross_entropy(logits, labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    return model.eval()


@torch.inference_mode()
def accuracy(model: ConvClassifier, split: Split) -> float:
    """Return the share of a split's images that the network names correctly."""
    predicted = [model(to_pixels(batch)).argmax(dim=1) for batch in split.images.split(200)]
    return (torch.cat(predicted) == split.labels).float().mean().item()


def cnn(train: Split, test: Split) -> Method:
    """Return the method that trains a network on the labelled images alone, from scratch."""
    n_classes = int(train.labels.max()) + 1

    def method(rows: Tensor, seed: int) -> float:
        labelled = train[rows]
        model = train_classifier(labelled.images, labelled.labels, n_classes, seed)
        return accuracy(model, test)

    return method
