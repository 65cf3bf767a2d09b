"""Notebook 2's room: the networks, their objective, training, and checkpoints."""

from vaelib.vae.checkpoints import Checkpoint, CheckpointError, pretrained, train
from vaelib.vae.models import VAE, ConvVAE
from vaelib.vae.objective import (
    ElboTerms,
    bernoulli_log_likelihood,
    elbo,
    gaussian_kl,
    importance_weighted_bound,
    log_importance_weights,
    mean_elbo,
    sample_latent,
)
from vaelib.vae.training import CONV, MLP, Config, EpochRecord, TrainingError, train_epochs

__all__ = [
    "CONV",
    "MLP",
    "VAE",
    "Checkpoint",
    "CheckpointError",
    "Config",
    "ConvVAE",
    "ElboTerms",
    "EpochRecord",
    "TrainingError",
    "bernoulli_log_likelihood",
    "elbo",
    "gaussian_kl",
    "importance_weighted_bound",
    "log_importance_weights",
    "mean_elbo",
    "pretrained",
    "sample_latent",
    "train",
    "train_epochs",
]
