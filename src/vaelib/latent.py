"""Notebook 3's room: the latent of many images, and its embedding in the plane."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.distributions import Normal

from vaelib.data.images import to_pixels
from vaelib.vae.models import VAE

FloatArray = NDArray[np.float32]

ACTIVE_VARIANCE = 0.01  # the usual threshold: Burda, Grosse & Salakhutdinov 2016, section 5.2


@torch.inference_mode()
def encode(model: VAE, images: Tensor, batch_size: int = 200) -> Normal:
    """Return the approximate posterior q_φ(z|x) of images: uint8 (N, 28, 28) → Normal (N, Z).

    Its `mean` and `stddev` are float32 tensors on the CPU. Raises ValueError where there are no
    images.
    """
    if len(images) == 0:
        raise ValueError("There are no images to encode.")
    device = next(model.parameters()).device
    model.eval()
    batches = [model.encode(to_pixels(batch.to(device))) for batch in images.split(batch_size)]
    mean, log_variance = (torch.cat(part).cpu() for part in zip(*batches, strict=True))
    return Normal(mean, torch.exp(0.5 * log_variance))


def active_units(posterior: Normal) -> Tensor:
    """Tell which latent dimensions carry anything about the image: (Z,) of bool.

    A unit is active where its posterior mean has a variance over the images above 0.01; in the
    others the posterior has collapsed onto the prior. Burda, Grosse & Salakhutdinov 2016.
    """
    return posterior.mean.var(dim=0) > ACTIVE_VARIANCE


def epoch_embeddings(
    latents: Mapping[int, ArrayLike], init: FloatArray, max_iter: int = 250
) -> dict[int, FloatArray]:
    """Embed the latents of the same images at several epochs, each from the embedding before.

    `latents`: epoch → (N, Z), in the order of the epochs; `init`: (N, 2), an embedding to begin
    from. Returns epoch → (N, 2), each Procrustes-aligned to the one before it.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    embeddings: dict[int, FloatArray] = {}
    for epoch, latent in latents.items():
        # no exaggeration: the clusters are to come from the latent, not from t-SNE's first phase
        method = TSNE(init=init, max_iter=max_iter, early_exaggeration=1, random_state=0)
        # with two threads the sums do not depend on which one ends first, with more they do
        with threadpool_limits(2):
            embedding = method.fit_transform(np.asarray(latent))
        init = embeddings[epoch] = procrustes(embedding, init)
    return embeddings


def procrustes(embedding: FloatArray, target: FloatArray) -> FloatArray:
    """Move, turn and mirror an embedding (N, 2) onto a target (N, 2); no distance in it changes.

    The orthogonal Procrustes problem: Schönemann 1966.
    """
    from scipy.linalg import orthogonal_procrustes

    centred = embedding - embedding.mean(axis=0)
    rotation, _ = orthogonal_procrustes(centred, target - target.mean(axis=0))
    return (centred @ rotation + target.mean(axis=0)).astype(np.float32)
