"""Splits and balanced subsets: a label for each image, as many of each class."""

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from vaelib.data import Split, balanced_subset

LABELS = st.lists(st.integers(0, 4), max_size=40).map(lambda v: torch.tensor(v, dtype=torch.int64))


@given(LABELS, st.integers(-5, 45), st.integers(0, 2**63))
@example(torch.arange(40) % 4, 40, 0)
@example(torch.arange(40) % 4, 12, 0)
@example(torch.arange(40) % 4, 44, 0)
def test_a_subset_is_balanced_unique_and_repeatable_or_an_error(labels, n_labels, seed):
    counts = labels.unique(return_counts=True)[1]
    everything = 0 < n_labels == len(labels)
    even = len(labels) > 0 and n_labels > 0 and n_labels % len(counts) == 0
    if not everything and not (even and n_labels // len(counts) <= counts.min()):
        with pytest.raises(ValueError, match=r"shared evenly|Choose fewer|row of whole numbers"):
            balanced_subset(labels, n_labels, seed)
        return
    chosen = balanced_subset(labels, n_labels, seed)
    assert len(chosen) == len(chosen.unique()) == n_labels
    if not everything:
        drawn = labels[chosen].unique(return_counts=True)[1]
        assert drawn.tolist() == [n_labels // len(counts)] * len(counts)
    torch.manual_seed(99)
    assert torch.equal(chosen, balanced_subset(labels, n_labels, seed))


def test_another_seed_draws_other_images_in_random_order(mnist):
    first, second = (balanced_subset(mnist.train.labels, 50, seed) for seed in (0, 1))
    assert not torch.equal(first.sort().values, second.sort().values)
    assert not torch.equal(first, first.sort().values)
    assert mnist.train.labels[first].diff().ne(0).sum() > 20  # not class after class


@pytest.mark.parametrize("labels", [torch.zeros(4), torch.zeros(2, 2, dtype=torch.int64)])
def test_what_are_no_labels_is_refused(labels):
    with pytest.raises(ValueError, match="row of whole numbers"):
        balanced_subset(labels, 2, 0)


def test_a_split_has_a_label_for_each_image_and_can_be_cut():
    split = Split(torch.zeros(3, 28, 28, dtype=torch.uint8), torch.arange(3))
    assert len(split) == 3
    assert split[1:].labels.tolist() == split[torch.tensor([1, 2])].labels.tolist() == [1, 2]
    with pytest.raises(ValueError, match="3 images and 2 labels"):
        Split(split.images, split.labels[:2])
