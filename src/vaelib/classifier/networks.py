"""A supervised network with the encoder's convolutions: without a VAE, and after it.

Trained on the labelled images alone it is the baseline. Trained on all images with the
pseudo-labels that a few labels became, it is self-training (Lee 2013). Smooth as it is, it passes
over errors that are scattered among the pseudo-labels; those that have a system it learns too.
"""

import math
import threading
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaelib._machine.devices import autocast
from vaelib._machine.progress import show_progress
from vaelib.classifier.few_labels import Method
from vaelib.data.images import IMAGE_SHAPE, N_PIXELS, check_pixels, to_pixels
from vaelib.data.splits import Split
from vaelib.vae.models import convolutions

Distortion = Callable[[Tensor, torch.Generator], Tensor]  # pixels (B, 784) → pixels (B, 784)

# the most that a random distortion does, to either side
TURN = math.radians(12)
SHEAR = 0.15  # columns per row
SCALE = 0.1  # of the width and of the height, as a logarithm
SHIFT = 2.5  # pixels, across and down

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
    *,
    epochs: int | None = None,
    distort: Distortion | None = None,
    label_smoothing: float = 0.0,
    progress: bool = False,
) -> ConvClassifier:
    """Train a convolutional network on labelled images: uint8 (N, 28, 28), (N,).

    Adam with a one-cycle schedule takes `steps_per_root` · √N steps for N labels, at least
    `least_steps`: more labels are worth more steps, though fewer passes over each.

    Parameters
    ----------
    epochs : how many times every image is seen, in place of that rule.
    distort : changes the pixels of every batch at random, each time anew: `random_distortions`,
        or a function of one's own of (pixels, generator).
    label_smoothing : the share of the target that goes to all classes alike, in [0, 1): labels
        that may be wrong are not to be learned by heart. Szegedy et al. 2016.
    progress : whether to show how far the training is.

    Raises
    ------
    ValueError
        Where images and labels do not fit, or epochs or the smoothing lie outside their range.
    """
    if len(images) != len(labels) or len(labels) == 0:
        raise ValueError(f"Every image needs one label: {len(images)} images, {len(labels)}.")
    if not 0 <= labels.min() <= labels.max() < n_classes:
        raise ValueError(f"Labels must lie in 0 to {n_classes - 1}.")
    if epochs is not None and not (isinstance(epochs, int) and epochs >= 1):
        raise ValueError(f"epochs is {epochs}: give a whole number from 1 on, or None.")
    if not 0 <= label_smoothing < 1:  # also false for NaN
        raise ValueError(f"label_smoothing is {label_smoothing}, and must lie in [0, 1).")
    with _BUILDING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ConvClassifier(n_classes)
    generator = torch.Generator().manual_seed(seed)
    n_steps = max(least_steps, round(steps_per_root * len(labels) ** 0.5))
    if epochs is not None:
        n_steps = epochs * math.ceil(len(labels) / batch_size)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=n_steps)
    batches: list[Tensor] = []
    for step in range(1, n_steps + 1):
        if not batches:  # every image once, in a new order
            batches = list(torch.randperm(len(labels), generator=generator).split(batch_size))
        rows = batches.pop()
        pixels = to_pixels(images[rows])
        if distort is not None:  # outside of autocast: bfloat16 has too few digits for a place
            pixels = distort(pixels, generator)
        with autocast("cpu"):
            logits = model(pixels)
        loss = F.cross_entropy(logits, labels[rows], label_smoothing=label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if progress and (step % 50 == 0 or step == n_steps):
            show_progress(step, n_steps, "steps")
    return model.eval()


def random_distortions(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Turn, shear, stretch and shift each image a little, at random: (B, 784), same out, [0, 1].

    Up to 12 degrees, 0.15 columns per row, a tenth of width and height, 2.5 pixels across and
    down, each uniform in its range. This is knowledge about handwriting, not learning: it says
    that a digit so distorted is still the same digit, which a 6 turned upside down is not. A
    result that uses it says so. All randomness comes from the generator. Raises ValueError for
    anything but pixels.
    """
    check_pixels(pixels)
    if pixels.shape[1:] != (N_PIXELS,):
        raise ValueError(f"Pixels must have the shape (B, 784), not {tuple(pixels.shape)}.")
    amounts = torch.rand(6, len(pixels), generator=generator) * 2 - 1  # (6, B) in [-1, 1)
    turn, shear = TURN * amounts[0], SHEAR * amounts[1]
    width, height = torch.exp(SCALE * amounts[2:4])
    across, down = SHIFT * amounts[4:] / (IMAGE_SHAPE[0] / 2)  # half the image is 1
    cos, sin = turn.cos(), turn.sin()
    # where in the old image each point of the new one comes from: stretch, shear, turn, shift
    first = torch.stack([cos * width, (cos * shear - sin) * height, across], dim=1)
    second = torch.stack([sin * width, (sin * shear + cos) * height, down], dim=1)
    transform = torch.stack([first, second], dim=1)  # (B, 2, 3)
    images = pixels.view(-1, 1, *IMAGE_SHAPE)
    points = F.affine_grid(transform, list(images.shape), align_corners=False)
    return F.grid_sample(images, points, align_corners=False).clamp_(0, 1).view(pixels.shape)


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
