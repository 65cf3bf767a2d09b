"""The latent as features: encoding a whole split, active units, neighbours, t-SNE.

Features leave this module as float32 arrays: what comes after it is scikit-learn's.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vaelib._machine.memory import give_back
from vaelib.data.images import to_pixels

FloatArray = NDArray[np.float32]
HalfArray = NDArray[np.float16]

ACTIVE_VARIANCE = 0.01  # the usual threshold: Burda, Grosse & Salakhutdinov 2016, section 5.2


class Posterior(NamedTuple):
    """q_φ(z|x) of many images: mean and log-variance, float32 arrays (N, Z)."""

    mean: FloatArray
    log_variance: FloatArray

    def sample(self, seed: int) -> FloatArray:
        """Draw one latent an image: (N, Z). The same seed gives the same draw."""
        self.check()
        noise = np.random.default_rng(seed).standard_normal(self.mean.shape, dtype=np.float32)
        return self.mean + np.exp(0.5 * self.log_variance) * noise

    def kl_per_latent(self) -> FloatArray:
        """KL(q(z_j|x) ‖ N(0, 1)) in nats, averaged over the images: (Z,)."""
        self.check()
        kl = 0.5 * (self.mean**2 + np.exp(self.log_variance) - 1 - self.log_variance)
        return kl.mean(axis=0)

    def check(self) -> None:
        """Raise ValueError unless both are finite, of one shape (N, Z), and not empty."""
        shapes = self.mean.shape, self.log_variance.shape
        if shapes[0] != shapes[1] or self.mean.ndim != 2 or self.mean.size == 0:
            raise ValueError(f"Mean and log-variance must be (N, Z) each, not {shapes}.")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.log_variance).all()):
            raise ValueError("The posterior holds values that are not finite numbers.")


@torch.inference_mode()
def encode(model: nn.Module, images: Tensor, batch_size: int = 1000) -> Posterior:
    """Encode images once: uint8 (N, 28, 28) → mean and log-variance, each (N, Z).

    Raises ValueError where there are no images.
    """
    if len(images) == 0 or batch_size < 1:
        raise ValueError(
            f"There are no images to encode: {len(images)} images, batches of {batch_size}."
        )
    device = next(model.parameters()).device
    model.eval()
    batches = [model.encode(to_pixels(batch.to(device))) for batch in images.split(batch_size)]
    mean, log_variance = (torch.cat(part).cpu().numpy() for part in zip(*batches, strict=True))
    del batches
    give_back()
    return Posterior(mean, log_variance)


def variance_of_means(posterior: Posterior) -> FloatArray:
    """Return the variance over the images of each latent's posterior mean: (Z,)."""
    posterior.check()
    return posterior.mean.var(axis=0)


def active_units(posterior: Posterior) -> NDArray[np.bool_]:
    """Tell which latent dimensions carry anything about the image: (Z,) of bool.

    A unit is active where its posterior mean varies over the images by more than 0.01; in the
    others the posterior has collapsed onto the prior. Burda, Grosse & Salakhutdinov 2016.
    """
    return variance_of_means(posterior) > ACTIVE_VARIANCE


def neighbour_accuracy(features: FloatArray, labels: Tensor, neighbours: int = 5) -> float:
    """Return how often an image's nearest others, by vote, tell its class: a share in [0, 1].

    `features`: (N, D), `labels`: (N,). Each image is left out of its own vote. Raises
    ValueError where there are too few images or the lengths differ.
    """
    from sklearn.neighbors import NearestNeighbors

    check_features(features, labels)
    if not 1 <= neighbours < len(features):
        raise ValueError(
            f"{neighbours} neighbours need more than {neighbours} images; there are "
            f"{len(features)}."
        )
    search = NearestNeighbors(n_neighbors=neighbours).fit(features)
    indices = search.kneighbors(return_distance=False)  # (N, K), each point itself left out
    votes = np.asarray(labels)[indices]  # (N, K)
    counts = (votes[:, :, None] == np.unique(labels)).sum(axis=1)  # (N, K) → (N, C)
    return float((np.unique(labels)[counts.argmax(axis=1)] == np.asarray(labels)).mean())


def trustworthiness(features: FloatArray, picture: FloatArray, neighbours: int = 5) -> float:
    """Return how far neighbours in the picture are neighbours in the features: up to 1.

    `features`: (N, D), `picture`: (N, 2). Venna & Kaski 2001, as scikit-learn computes it.
    """
    from sklearn.manifold import trustworthiness

    if not all(np.isfinite(points).all() for points in (features, picture)):
        raise ValueError("The features or the picture hold values that are not finite numbers.")
    return float(trustworthiness(features, picture, n_neighbors=neighbours))


def first_positions(n_points: int, seed: int) -> FloatArray:
    """Return a small random cloud (N, 2) for t-SNE to start from.

    Pictures that are to be compared start from the same one.
    """
    generator = np.random.default_rng(seed)
    return 1e-4 * generator.standard_normal((n_points, 2), dtype=np.float32)


def tsne(
    features: FloatArray,
    start: FloatArray,
    perplexity: float = 30,
    iterations: int = 750,
    exaggeration: float = 12,
) -> FloatArray:
    """Lay features out in the plane with t-SNE: (N, D) → (N, 2).

    `start`: (N, 2), where each point begins. The first 250 iterations multiply the attraction by
    `exaggeration` (they form the clusters), so fewer than about 500 in all leave the picture
    unfinished, unless it starts from a finished one and exaggerates nothing.
    Raises ValueError where the perplexity does not fit the number of points.
    van der Maaten & Hinton 2008.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if start.shape != (len(features), 2):
        raise ValueError(
            f"t-SNE needs one start a point: {len(features)} points, start {start.shape}."
        )
    if not 1 <= perplexity < len(features):
        raise ValueError(
            f"Perplexity {perplexity} must lie between 1 and the number of points, {len(features)}."
        )
    if not np.isfinite(start).all():
        raise ValueError("The start holds values that are not finite numbers.")
    method = TSNE(
        perplexity=perplexity,
        init=start,
        max_iter=iterations,
        early_exaggeration=exaggeration,
        method="barnes_hut",
    )
    # with two threads the sums do not depend on which one ends first, with more they do
    with threadpool_limits(2):
        return method.fit_transform(features)


def key_pictures(
    latents: Mapping[int, FloatArray], start: FloatArray, iterations: int = 250
) -> dict[int, FloatArray]:
    """Lay the latents of the same images at several epochs out, each from the one before.

    `latents`: epoch → (N, Z), in the order of the epochs; `start`: (N, 2), the picture to begin
    from, on t-SNE's own scale. Returns epoch → (N, 2), each turned onto the one before it.
    """
    pictures: dict[int, FloatArray] = {}
    for epoch, latent in latents.items():
        # no exaggeration: the groups are to come from the latent, not from the layout's first phase
        picture = tsne(latent, start, iterations=iterations, exaggeration=1)
        start = pictures[epoch] = aligned(picture, start)
    return pictures


def aligned(picture: FloatArray, target: FloatArray) -> FloatArray:
    """Move, turn and mirror a picture (N, 2) onto a target (N, 2); no distance in it changes.

    The orthogonal Procrustes problem: Schönemann 1966. Raises ValueError where the shapes differ.
    """
    if picture.shape != target.shape:
        raise ValueError(f"Two pictures of the same points: {picture.shape}, {target.shape}.")
    centred = picture - picture.mean(axis=0)
    left, _, right = np.linalg.svd(centred.T @ (target - target.mean(axis=0)))
    return centred @ (left @ right) + target.mean(axis=0)


def check_features(features: FloatArray | HalfArray, labels: Tensor) -> None:
    """Raise ValueError unless features are finite numbers (N, D) and labels (N,) fit them."""
    if features.ndim != 2 or labels.shape != features.shape[:1] or features.size == 0:
        raise ValueError(
            f"Expected features (N, D) and labels (N,), got {features.shape} and "
            f"{tuple(labels.shape)}."
        )
    ends = torch.as_tensor(features).aminmax()  # a number that is none is both
    if not all(end.isfinite() for end in ends):
        raise ValueError("The features hold values that are not finite numbers.")
