import io

import numpy as np
import pytest
import torch
from PIL import Image

from vaelib import plots
from vaelib.plots.animation import frames_between

LABELS = torch.arange(40) % 10
ACCURACIES = {1: 0.5, 3: 0.75, 10: 0.9}


@pytest.fixture(scope="module")
def embeddings():
    generator = np.random.default_rng(0)
    first = 20 * generator.standard_normal((40, 2)).astype("f4")
    return {1: first, 3: first[::-1], 10: 2 * first[:, ::-1]}


@pytest.fixture(scope="module")
def gif(embeddings):
    plots.use_style()
    return plots.latent_animation(embeddings, LABELS, "0123456789", ACCURACIES, n_between=2)


@pytest.fixture
def frames(gif):
    with Image.open(io.BytesIO(gif)) as image:
        assert image.info["loop"] == 0
        found = []
        for number in range(image.n_frames):
            image.seek(number)
            found.append((image.info["duration"], np.asarray(image.convert("RGB"))))
    return found


def test_frames_begin_and_end_at_the_embeddings(embeddings):
    frames = frames_between(embeddings, n_between=2)
    assert [round(epoch, 2) for epoch, _ in frames] == [1, 1.67, 2.33, 3, 5.33, 7.67, 10]
    for position, epoch in ((0, 1), (3, 3), (6, 10)):
        np.testing.assert_array_equal(frames[position][1], embeddings[epoch])


def test_the_animation_is_the_same_every_time(gif, embeddings):
    again = plots.latent_animation(embeddings, LABELS, "0123456789", ACCURACIES, n_between=2)
    assert gif == again


def test_it_waits_at_the_ends_and_at_the_embeddings(frames):
    assert [duration for duration, _ in frames] == [1400, 70, 70, 420, 70, 70, 3000]


def test_points_move_on_white_paper(frames):
    first, last = frames[0][1], frames[-1][1]
    assert (first != last).any(axis=2).mean() > 0.01
    assert (first[-2, :] == 255).all()  # paper is white, not nearly white
