"""Out-of-distribution detection: images unlike those that the model was trained on.

A network answers for any image, also for one that says nothing to it. The ELBO's two terms tell:
such an image is decoded worse than any from the distribution, or takes more nats to encode, or
far fewer. Far too good a likelihood counts as well, since an empty page is likelier than any
digit under a model of digits: Nalisnick et al. 2019, "Do deep generative models know what they
don't know?".
"""

import torch
from torch import Tensor

from vaelib.vae.models import VAE
from vaelib.vae.objective import elbo_per_image

TAIL = 0.001  # of the images in distribution that lie beyond each of the four limits


class Detector:
    """Tells which images are out of distribution, by the range of the ELBO's terms within it.

    `in_distribution` are images of the kind that the model was trained on and that it has not
    seen, such as the validation images: uint8 (N, 28, 28). A few in a thousand of their kind are
    flagged as well. `limits` are the lowest and highest value, in nats, of the reconstruction and
    of the KL. Raises ValueError for fewer than 1,000 images, whose tails would say too little.
    """

    def __init__(self, model: VAE, in_distribution: Tensor) -> None:
        if len(in_distribution) < 1 / TAIL:
            raise ValueError(
                f"At least {1 / TAIL:,.0f} images in distribution are needed to know their range; "
                f"there are {len(in_distribution):,}."
            )
        self.model = model
        tails = torch.tensor([TAIL, 1 - TAIL])
        self.limits = tuple(
            tuple(values.quantile(tails).tolist())
            for values in elbo_per_image(model, in_distribution)
        )

    def __call__(self, images: Tensor) -> Tensor:
        """Tell which images not to trust the model on: uint8 (N, 28, 28) → bool (N,)."""
        within = torch.ones(len(images), dtype=torch.bool)
        terms = elbo_per_image(self.model, images)
        for values, (low, high) in zip(terms, self.limits, strict=True):
            within &= (values >= low) & (values <= high)  # false for NaN
        return ~within
