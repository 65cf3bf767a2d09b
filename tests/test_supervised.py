import pytest
import torch

from vaelib import balanced_subset
from vaelib.classifier.networks import (
    SupervisedMethod,
    SupervisedSettings,
    supervised_accuracy,
    train_supervised,
)

QUICK = SupervisedSettings(least_steps=40)


def test_steps_grow_with_the_images_but_never_fall_below_the_least():
    settings = SupervisedSettings(least_steps=120, steps_per_root=8)
    assert settings.steps(10) == 120
    assert settings.steps(2500) == 8 * 50


def test_it_learns_from_a_hundred_labels(mnist, small):
    chosen = balanced_subset(mnist.train.labels, 100, seed=0)
    accuracy = SupervisedMethod(mnist.train, small.test, QUICK)(chosen, 0)
    assert accuracy > 0.6
    assert accuracy == SupervisedMethod(mnist.train, small.test, QUICK)(chosen, 0)


def test_labels_are_what_it_learns_from(small):
    generator = torch.Generator().manual_seed(0)
    shuffled = small.train.labels[torch.randperm(1000, generator=generator)]
    model = train_supervised(small.train.images, shuffled, 10, QUICK, seed=0)
    assert supervised_accuracy(model, small.test) < 0.3


def test_first_weights_leave_torch_s_own_generator_alone(small):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    train_supervised(small.train.images[:10], small.train.labels[:10], 10, QUICK, seed=5)
    torch.testing.assert_close(torch.rand(2), expected)


def test_images_without_labels_are_refused(small):
    with pytest.raises(ValueError, match="one label"):
        train_supervised(small.train.images[:5], small.train.labels[:4], 10, QUICK, seed=0)
