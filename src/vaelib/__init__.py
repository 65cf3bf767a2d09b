"""The library behind the tutorial series: a VAE as a feature extractor for few labels."""

import os

# before torch is there: its threads wait for each other in short turns, or one busy program
# beside it would make an epoch take three times as long (GNU's OpenMP; others ignore it)
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from vaelib._machine.archives import DataError
from vaelib.data.folders import load_folder
from vaelib.data.images import binarise, to_pixels
from vaelib.data.mnist import load
from vaelib.data.splits import Dataset, Split, balanced_subset
from vaelib.vae.checkpoints import (
    CONV,
    MLP,
    MLP_SHORT,
    Recipe,
    Run,
    RunError,
    find_or_train,
    train_and_save,
)
from vaelib.vae.models import VAE, ConvVAE
from vaelib.vae.objective import bernoulli_log_likelihood, elbo_terms, gaussian_kl, sample_latent
from vaelib.vae.training import TrainingError, TrainingSettings, train

__version__ = "0.1.0"

__all__ = [
    "CONV",
    "MLP",
    "MLP_SHORT",
    "VAE",
    "ConvVAE",
    "DataError",
    "Dataset",
    "Recipe",
    "Run",
    "RunError",
    "Split",
    "TrainingError",
    "TrainingSettings",
    "bernoulli_log_likelihood",
    "binarise",
    "elbo_terms",
    "find_or_train",
    "gaussian_kl",
    "balanced_subset",
    "load",
    "load_folder",
    "sample_latent",
    "to_pixels",
    "train",
    "train_and_save",
]
