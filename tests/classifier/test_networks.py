"""The baseline without a VAE: a convolutional network on the labelled images alone."""

import pytest
import torch

from vaelib import ConvVAE
from vaelib.classifier import cnn, networks, train_classifier
from vaelib.data import balanced_subset


@pytest.fixture(scope="module")
def model(small):
    return train_classifier(small.train.images[:300], small.train.labels[:300], 10, seed=0)


def test_it_has_the_encoder_s_convolutions(model, pixels):
    assert str(model.convolutions) == str(ConvVAE().encoder.convolutions)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(pixels)
    assert logits.shape == (64, 10)
    assert logits.dtype == torch.float32


def test_first_weights_come_from_the_seed(small, monkeypatch):
    monkeypatch.setattr(torch.optim.Adam, "step", lambda *_: None)
    split = small.train[:10]
    first, second = (
        train_classifier(split.images, split.labels, 10, seed, least_steps=1) for seed in (0, 1)
    )
    assert not torch.equal(first.output.bias, second.output.bias)


def test_it_learns_from_labels_and_the_same_every_time(small, model):
    assert networks.accuracy(model, small.test) > 0.8
    images, labels = small.train.images[:300], small.train.labels[:300]
    again = train_classifier(images, labels, 10, seed=0)
    assert torch.equal(again.output.weight, model.output.weight)
    shuffled = labels[torch.randperm(300, generator=torch.Generator().manual_seed(0))]
    fooled = train_classifier(images, shuffled, 10, seed=0)
    assert networks.accuracy(fooled, small.test) < 0.3


def test_accuracy_is_the_share_named_correctly(small, model):
    split = small.test[:250]  # a batch and a rest
    named = model(split.images.view(250, 784) / 255).argmax(dim=1)
    expected = (named == split.labels).float().mean().item()
    assert networks.accuracy(model, split) == pytest.approx(expected)


def test_the_method_uses_the_labelled_images_and_its_seed(small, monkeypatch):
    seen = []

    def spy(images, labels, n_classes, seed):
        seen.append((images, labels, n_classes, seed))
        return networks.ConvClassifier(n_classes)

    monkeypatch.setattr(networks, "train_classifier", spy)
    rows = balanced_subset(small.train.labels, 20, seed=3)
    assert 0 <= cnn(small.train, small.test)(rows, 3) <= 1
    [(images, labels, n_classes, seed)] = seen
    assert torch.equal(images, small.train.images[rows])
    assert torch.equal(labels, small.train.labels[rows])
    assert (n_classes, seed) == (10, 3)


@pytest.mark.parametrize(("n_labels", "expected"), [(10, 5), (400, 10)])
def test_steps_grow_with_the_labels_but_never_fall_below_the_least(
    small, monkeypatch, n_labels, expected
):
    steps = []
    monkeypatch.setattr(torch.optim.Adam, "step", lambda *_: steps.append(1))
    images, labels = small.train.images[:n_labels], small.train.labels[:n_labels]
    torch.manual_seed(3)
    before = torch.rand(2)
    torch.manual_seed(3)
    train_classifier(images, labels, 10, seed=0, least_steps=5, steps_per_root=0.5)
    assert len(steps) == expected
    assert torch.equal(torch.rand(2), before)  # the reader's own random numbers stay


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x, y: (x, y[:-1]), "one label"),
        (lambda x, y: (x[:0], y[:0]), "one label"),
        (lambda x, y: (x, y + 5), "0 to 9"),
        (lambda x, y: (x, y - 1), "0 to 9"),
        (lambda x, y: (x / 255, y), "uint8"),
    ],
)
def test_images_and_labels_that_do_not_fit_are_refused(small, change, said):
    with pytest.raises(ValueError, match=said):
        train_classifier(*change(small.train.images[:20], small.train.labels[:20]), 10, seed=0)
