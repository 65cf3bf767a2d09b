"""Checkers for the notebooks' exercises: each looks at an attempt and says in words how it is.

An attempt that is still empty gets a calm "not yet", a usual mistake gets a hint of its own, and
no checker ever stops a notebook: `check_kl(my_kl)` returns a `Verdict`, which the cell shows.
"""

from vaelib.exercises.classifier import (
    check_features,
    check_half_width,
    check_threshold_dynamics,
)
from vaelib.exercises.data import check_baseline, check_log_likelihood, check_pixels, check_splits
from vaelib.exercises.latent import check_active_units, check_alignment, check_knn_accuracy
from vaelib.exercises.vae import check_kl, check_loss, check_sample, check_weighted_training
from vaelib.exercises.verdict import Verdict

__all__ = [
    "Verdict",
    "check_active_units",
    "check_alignment",
    "check_baseline",
    "check_features",
    "check_half_width",
    "check_kl",
    "check_knn_accuracy",
    "check_log_likelihood",
    "check_loss",
    "check_pixels",
    "check_sample",
    "check_splits",
    "check_threshold_dynamics",
    "check_weighted_training",
]
