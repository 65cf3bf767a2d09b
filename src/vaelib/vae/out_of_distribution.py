"""Where a result is not to be trusted: images unlike those that the model was trained on.

A network answers for any image, also for one that says nothing to it. The ELBO's two terms tell:
a foreign image is decoded worse than any known one, or takes more nats to encode, or far fewer.
Far too good a likelihood counts as well, since an empty page is likelier than any digit under a
model of digits: Nalisnick et al. 2019, "Do deep generative models know what they don't know?".
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vaelib.data.images import to_pixels
from vaelib.vae.objective import ElboTerms, elbo_terms
from vaelib.vae.training import EVALUATION_SEED

SHARE = 0.001  # of the known images that lie beyond each of the four limits


@dataclass(frozen=True)
class Trust:
    """How new images compare with known ones.

    Attributes
    ----------
    outside : (N,) bool, the images that lie beyond the limits: not to be trusted.
    terms : the ELBO's terms of each image, in nats: (N,), (N,).
    limits : the known images' range of each term, in nats: the reconstruction's, the KL's.
    """

    outside: Tensor
    terms: ElboTerms
    limits: tuple[tuple[float, float], tuple[float, float]]

    def __str__(self) -> str:
        (low, high), (least, most) = self.limits
        n, n_outside = len(self.outside), int(self.outside.sum())
        if n_outside == 0:
            return f"All {n:,} images are within the range of the known ones."
        return (
            f"{n_outside:,} of {n:,} images are unlike those the model knows: their reconstruction "
            f"lies outside {low:.0f} to {high:.0f} nats, or their KL outside {least:.0f} to "
            f"{most:.0f}. Do not trust what is computed from them: latents, classes, likelihoods."
        )


def compare_with_known(model: nn.Module, known: Tensor, images: Tensor) -> Trust:
    """Tell which images are unlike known ones: both uint8 (·, 28, 28).

    `known` are images of the kind that the model was trained on and that it has not seen, such
    as the validation images; a few in a thousand of their kind are taken for foreign.
    Raises ValueError where there are no images, or fewer than 1,000 known ones, whose tails
    would say too little.
    """
    if len(known) < 1 / SHARE or len(images) == 0:
        raise ValueError(
            f"At least {1 / SHARE:,.0f} known images and one other are needed to compare; there "
            f"are {len(known):,} and {len(images):,}."
        )
    outside = torch.zeros(len(images), dtype=torch.bool)
    limits = []
    terms = _terms(model, images)
    for values, new in zip(_terms(model, known), terms, strict=True):
        low, high = values.quantile(torch.tensor([SHARE, 1 - SHARE])).tolist()
        outside |= ~((new >= low) & (new <= high))  # also true for NaN
        limits.append((low, high))
    return Trust(outside, terms, tuple(limits))


@torch.inference_mode()
def _terms(model: nn.Module, images: Tensor, batch_size: int = 1000) -> ElboTerms:
    device = next(model.parameters()).device
    model.eval()
    generator = torch.Generator(device).manual_seed(EVALUATION_SEED)
    parts = [
        elbo_terms(model, to_pixels(batch.to(device)), generator)
        for batch in images.split(batch_size)
    ]
    return ElboTerms(*(torch.cat(term).cpu() for term in zip(*parts, strict=True)))
