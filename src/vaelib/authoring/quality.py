"""Time to quality: how long until a VAE is as good as the usual recipes are in the end.

The original's way ends after 31 epochs of Pyro, PyTorch's example after ten. A network of the same
size gets there in fewer epochs that are faster as well: with a one-cycle schedule, and a decoder
that begins at the mean image (its last bias is the mean's logit).

Epochs, batch size and learning rate were chosen among some seventy schedules by the ELBO on
validation, which lies 0.8 nats below that on test. Ours trains on the 50,000 training images; the
baselines, whose sources know no validation, on all 60,000. Every ELBO here is on the test images.
"""

import statistics
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from vaelib._machine.files import data_folder
from vaelib.authoring.baselines import PyroTutorial, PyTorchExample, loader
from vaelib.authoring.timing import Numbers, say, seconds_of
from vaelib.data import Dataset
from vaelib.vae import VAE, Config, mean_elbo, train_epochs

Baseline = PyroTutorial | PyTorchExample

SEEDS = 3  # of ours and of the baselines
EPOCHS = {"original": 31, "recipe": 10}  # of the baselines, as their sources have them
SCHEDULES = {
    "original": Config("original", epochs=8, batch_size=200, learning_rate=1.5e-2),
    "recipe": Config("recipe", latent_size=20, epochs=5, batch_size=200, learning_rate=1.2e-2),
}


class Schedule:
    """Trains a new network when it is called, each time from another seed."""

    def __init__(self, config: Config, images: Tensor, dtype: torch.dtype) -> None:
        self.config, self.images, self.dtype = config, images, dtype
        self.models: list[VAE] = []

    def __call__(self) -> None:
        """Train, and keep the network: how good it is is measured later, and not timed."""
        config = replace(self.config, seed=len(self.models) % SEEDS)
        model = config.build()
        start_at_mean(model, self.images)
        list(train_epochs(model, self.images, self.images[:1], config, self.dtype))
        self.models.append(model)

    def elbo(self, images: Tensor) -> float:
        """Return the mean ELBO over the seeds' networks, in nats: uint8 (N, 28, 28)."""
        return statistics.mean(mean_elbo(m, images).elbo.item() for m in self.models[:SEEDS])


def start_at_mean(model: VAE, images: Tensor) -> None:
    """Set the decoder's last bias so that it begins at the mean of the images (N, 28, 28)."""
    mean = images.float().mean(dim=0).flatten() / 255  # (784,)
    with torch.no_grad():
        model.decoder.output.bias.copy_(torch.logit(mean, eps=1e-3))


def trained(make: Callable[[], Baseline], epochs: int, test: Tensor, n_seeds: int) -> float:
    """Train a baseline to its end from several seeds; return its mean ELBO on `test`, in nats."""
    elbos = []
    for seed in range(n_seeds):
        torch.manual_seed(seed)  # of its weights, its batches and its noise
        baseline = make()
        for _ in range(epochs):
            baseline()
        elbos.append(baseline.elbo(test))
        say(f"{type(baseline).__name__}, seed {seed}: ELBO {elbos[-1]:.2f} nats on test")
    return statistics.mean(elbos)


def measure(dataset: Dataset, dtypes: dict[str, torch.dtype], small: bool) -> Numbers:
    """Measure seconds and ELBO of both baselines, and of our schedules in every type.

    `dtypes`: label → type. One epoch of a baseline is timed, in turns with ours, and multiplied;
    then it is trained to its end, as often as ours. A ratio stands there only where ours is at
    least as good on the mean over seeds. If `small`, everything is tried on few images, and a
    ratio says nothing.
    """
    n, n_seeds = (2000, 1) if small else (60_000, SEEDS)
    images, test = dataset.train.images[:n], dataset.test.images
    by_256, by_128 = (loader(data_folder(), n, size) for size in (256, 128))
    baselines: dict[str, Callable[[], Baseline]] = {
        "original": lambda: PyroTutorial(by_256),
        "recipe": lambda: PyTorchExample(by_128),
    }
    epochs = dict.fromkeys(EPOCHS, 2) if small else EPOCHS
    ours = {
        (goal, label): Schedule(replace(config, epochs=2) if small else config, images, dtype)
        for goal, config in SCHEDULES.items()
        for label, dtype in dtypes.items()
    }
    timed = {goal: make() for goal, make in baselines.items()}
    took = seconds_of(timed | {" ".join(key): code for key, code in ours.items()}, n_seeds)
    numbers: Numbers = {}
    for goal, make in baselines.items():
        numbers[f"elbo_test_of_the_{goal}"] = trained(make, epochs[goal], test, n_seeds)
        numbers[f"seconds_{goal}_one_epoch_times_{epochs[goal]}"] = epochs[goal] * took[goal]
    for (goal, label), schedule in ours.items():
        seconds = numbers[f"seconds_to_{goal}_quality_{label}"] = took[f"{goal} {label}"]
        reached = numbers[f"elbo_test_at_{goal}_quality_{label}"] = schedule.elbo(test)
        if small or reached >= numbers[f"elbo_test_of_the_{goal}"]:
            numbers[f"time_to_{goal}_quality_{label}"] = epochs[goal] * took[goal] / seconds
    return numbers
