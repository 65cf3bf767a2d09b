"""Images with their labels: the three splits of a data set, and balanced subsets of the labels."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Split:
    """Images and their labels.

    Attributes
    ----------
    images : uint8 tensor (N, 28, 28), grey levels 0 to 255.
    labels : int64 tensor (N,), class numbers from 0.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise ValueError(
                "Every image needs one label, but there are "
                f"{len(self.images)} images and {len(self.labels)} labels."
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor | slice) -> "Split":
        return Split(self.images[index], self.labels[index])


@dataclass(frozen=True)
class Dataset:
    """A data set in three splits, with the names of its classes.

    `checksum` identifies the archives' contents: a model trained on other data is told by it.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    checksum: str


def balanced_subset(labels: Tensor, n_labels: int, seed: int) -> Tensor:
    """Return the indices of `n_labels` images, as many of each class.

    Parameters
    ----------
    labels : int64 tensor (N,).
    n_labels : a multiple of the number of classes; or N, which means every label there is.
    seed : another seed draws other images.

    Returns
    -------
    int64 tensor (n_labels,), in random order.

    Raises
    ------
    ValueError
        Where the number is not positive, does not divide evenly, or a class is too small.
    """
    if labels.ndim != 1 or labels.is_floating_point() or len(labels) == 0:
        raise ValueError(
            f"Labels must be a row of whole numbers, not {labels.dtype} {tuple(labels.shape)}."
        )
    if n_labels == len(labels):
        return torch.arange(len(labels))
    classes, counts = labels.unique(return_counts=True)
    if n_labels <= 0 or n_labels % len(classes):
        raise ValueError(
            f"{n_labels} labels cannot be shared evenly by {len(classes)} classes: "
            f"choose a positive multiple of {len(classes)}, or all {len(labels)}."
        )
    per_class = n_labels // len(classes)
    if per_class > counts.min():
        raise ValueError(
            f"{n_labels} labels take {per_class} images of each class, but class "
            f"{classes[counts.argmin()].item()} has {counts.min().item()}. Choose fewer."
        )
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    shuffled = labels.cpu()[order]
    chosen = [order[shuffled == c][:per_class] for c in classes.cpu()]
    return torch.cat(chosen)[torch.randperm(n_labels, generator=generator)]
