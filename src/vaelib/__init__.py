"""The library behind the tutorial series: a VAE as a feature extractor for few labels.

A room for each notebook: `vaelib.data`, `vaelib.vae`, `vaelib.latent`, `vaelib.classifier`.
"""

import os

# before torch is there: its threads wait for each other in short turns, or one busy program
# beside it would make an epoch take three times as long (GNU's OpenMP; others ignore it)
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from vaelib.data import load, load_folder, to_pixels
from vaelib.latent import encode
from vaelib.vae import CONV, MLP, VAE, ConvVAE, pretrained, train

__version__ = "0.1.0"

__all__ = [
    "CONV",
    "MLP",
    "VAE",
    "ConvVAE",
    "encode",
    "load",
    "load_folder",
    "pretrained",
    "to_pixels",
    "train",
]
