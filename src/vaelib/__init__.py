"""The library behind the tutorial series: a VAE as a feature extractor for few labels.

A room for each notebook: `vaelib.data`, `vaelib.vae`, `vaelib.latent`, `vaelib.classifier`.
"""

import os

# before torch is there: how long its threads spin before they sleep (GNU's OpenMP). By default one
# busy program beside them makes an epoch take twenty times as long or longer, with this four times.
# Less of it would cost them a fifth where they are alone, since waking takes long.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

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
