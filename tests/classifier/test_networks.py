"""A supervised network: on the labelled images alone, and on pseudo-labels with distortions."""

import re

import pytest
import torch
import torch.nn.functional as F

from vaelib import ConvVAE
from vaelib._machine.devices import autocast
from vaelib.classifier import cnn, networks, train_classifier
from vaelib.classifier.networks import random_distortions
from vaelib.data import balanced_subset, to_pixels


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


def by_hand(split, n_steps, batch_size, distort=None, **loss_settings):
    """Train the plain way, with nothing but what is given; return the weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = networks.ConvClassifier(10)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=n_steps)
    batches = []
    for _ in range(n_steps):
        batches = batches or list(torch.randperm(len(split), generator=generator).split(batch_size))
        rows = batches.pop()
        pixels = to_pixels(split.images[rows])
        pixels = distort(pixels, generator) if distort else pixels
        with autocast("cpu"):
            logits = model(pixels)
        optimizer.zero_grad()
        F.cross_entropy(logits, split.labels[rows], **loss_settings).backward()
        optimizer.step()
        schedule.step()
    return model.state_dict()


def same_weights(model, weights):
    return all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_the_defaults_are_the_plain_training_bit_for_bit(small, model):
    assert same_weights(model, by_hand(small.train[:300], 139, batch_size=64))  # 8 · √300 steps


@pytest.mark.parametrize(
    "settings", [{}, {"distort": random_distortions}, {"label_smoothing": 0.3}]
)
def test_it_trains_for_whole_epochs_with_what_it_is_told(small, settings):
    split = small.train[:100]  # 3 batches an epoch, the last one short
    told = {"batch_size": 40, "epochs": 2} | settings
    found = train_classifier(split.images, split.labels, 10, seed=0, **told)
    assert same_weights(found, by_hand(split, 6, batch_size=40, **settings))
    assert not settings or not same_weights(found, by_hand(split, 6, batch_size=40))


def test_smoothed_labels_are_not_learned_by_heart(small):
    split = small.train[:60]
    settings = {"batch_size": 20, "epochs": 30, "label_smoothing": 0.3}
    network = train_classifier(split.images, split.labels, 10, seed=0, **settings)
    # 0.3 of the target are shared by ten classes: the named one is left with 0.73
    confidence = network(to_pixels(split.images)).softmax(dim=1).amax(dim=1)
    assert confidence.mean().item() == pytest.approx(0.73, abs=0.05)


def test_progress_is_shown_when_asked_for(small, capsys):
    split = small.train[:60]
    settings = {"batch_size": 1, "epochs": 1}
    train_classifier(split.images, split.labels, 10, seed=0, **settings)
    assert capsys.readouterr().out == ""
    train_classifier(split.images, split.labels, 10, seed=0, progress=True, **settings)
    lines = capsys.readouterr().out.split("\r")[1:]
    assert [line.split(maxsplit=1)[1] for line in lines] == ["50/60 steps", "60/60 steps\n"]


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def test_distortions_come_from_the_generator(pixels):
    before = pixels.clone()
    torch.manual_seed(3)
    own = torch.rand(2)
    torch.manual_seed(3)
    distorted = random_distortions(pixels, seeded(0))
    assert torch.equal(torch.rand(2), own)  # the reader's own random numbers stay
    assert torch.equal(distorted, random_distortions(pixels, seeded(0)))
    assert torch.equal(pixels, before)
    generator = seeded(0)
    random_distortions(pixels, generator)
    again = random_distortions(pixels, generator)
    assert ((again - distorted).abs().amax(dim=1) > 0.1).all()  # each time anew


def test_distorted_images_are_images_of_the_same_ink(pixels):
    distorted = random_distortions(pixels, seeded(0))
    assert distorted.shape == pixels.shape
    assert distorted.dtype == torch.float32
    assert 0 <= distorted.min() < 0.01 < 0.9 < distorted.max() <= 1
    assert ((distorted - pixels).abs().amax(dim=1) > 0.1).all()
    ink = distorted.sum(dim=1) / pixels.sum(dim=1)  # stretched by up to e^0.1 in both directions
    assert ink.mean() == pytest.approx(1, abs=0.03)
    assert (ink > 0.75).all()
    assert (ink < 1.25).all()


@pytest.mark.parametrize(
    ("setting", "least", "most"),
    [("SHIFT", 2.3, 2.5), ("TURN", 11, 12.5), ("SHEAR", 0.13, 0.15), ("SCALE", 0.09, 0.1)],
)
def test_each_distortion_goes_as_far_as_it_says(monkeypatch, setting, least, most):
    for other in {"TURN", "SHEAR", "SCALE", "SHIFT"} - {setting}:
        monkeypatch.setattr(networks, other, 0.0)
    bar = torch.zeros(400, 28, 28)
    bar[:, 6:22, 12:16] = 1  # upright, 16 by 4 pixels, in the middle
    distorted = random_distortions(bar.view(400, 784), seeded(0)).view(400, 28, 28)
    mass, place = distorted.sum(dim=(1, 2)), torch.arange(28) - 13.5
    down, across = (distorted.sum(dim=d) @ place / mass for d in (2, 1))
    offset = place - down[:, None], place - across[:, None]
    rows = torch.einsum("nrc,nr,nr->n", distorted, offset[0], offset[0]) / mass
    slant = torch.einsum("nrc,nr,nc->n", distorted, *offset) / mass / rows
    measured = {
        "SHIFT": torch.stack([down, across]),
        "TURN": torch.rad2deg(slant.atan()) / (1 - 1 / 16),  # a bar is only so thin
        "SHEAR": slant,
        "SCALE": 0.5 * torch.log(12 * rows / (16**2)),  # a bar of h rows varies by h² / 12
    }[setting]
    for side in (measured.amax(), -measured.amin()):
        assert least <= side <= most + 0.02
    if setting != "SHIFT":
        assert torch.stack([down, across]).abs().max() < 0.01  # about the middle


def test_the_distortions_are_independent_of_each_other(monkeypatch):
    seen = []
    grid = F.affine_grid
    monkeypatch.setattr(F, "affine_grid", lambda *a, **k: seen.append(a[0]) or grid(*a, **k))
    random_distortions(torch.zeros(2000, 784), seeded(0))
    [transform] = seen
    (a, b), (c, d) = transform[:, :, :2].permute(1, 2, 0)  # a turn times (width, shear; 0, height)
    turn, width = torch.atan2(c, a), torch.hypot(a, c)
    height, sheared = (a * d - b * c) / width, (a * b + c * d) / width
    amounts = torch.stack(
        [
            turn / networks.TURN,
            sheared / height / networks.SHEAR,
            width.log() / networks.SCALE,
            height.log() / networks.SCALE,
            *(transform[:, :, 2].T * 14 / networks.SHIFT),
        ]
    )
    assert amounts.abs().max() < 1 + 1e-4
    uniform = torch.eye(6) / 3  # the variance of a uniform number in [-1, 1]
    torch.testing.assert_close(torch.cov(amounts), uniform, rtol=0, atol=0.03)


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


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epochs": 0}, "epochs is 0: give a whole number from 1 on, or None."),
        ({"epochs": 1.5}, "epochs is 1.5: give a whole number"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0, and must lie in"),
        ({"label_smoothing": -0.1}, "label_smoothing is -0.1"),
        ({"label_smoothing": float("nan")}, "label_smoothing is nan"),
    ],
)
def test_settings_out_of_their_range_are_refused(small, settings, said):
    with pytest.raises(ValueError, match=said):
        train_classifier(small.train.images, small.train.labels, 10, seed=0, **settings)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda pixels: pixels.mul(255).to(torch.uint8), "to_pixels"),
        (lambda pixels: pixels * 255, "to_pixels"),
        (lambda pixels: pixels[:, :400], "(B, 784)"),
        (lambda pixels: pixels[0], "(B, 784)"),
    ],
)
def test_only_pixels_can_be_distorted(pixels, change, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        random_distortions(change(pixels), seeded(0))
