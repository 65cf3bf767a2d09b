import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from vaelib import notebook, plots
from vaelib._machine.files import figures_folder
from vaelib.latent import aligned, key_pictures
from vaelib.plots import animation, diagram


@pytest.fixture(scope="module")
def pictures():
    generator = np.random.default_rng(0)
    first = 20 * generator.standard_normal((40, 2)).astype("f4")
    return {1: first, 3: first[::-1], 10: 2 * first[:, ::-1]}


@pytest.fixture(scope="module")
def gif(pictures):
    plots.use_style()
    labels = torch.arange(40) % 10
    scores = {1: 0.5, 3: 0.75, 10: 0.9}
    return animation.latent_animation(pictures, labels, "0123456789", scores, n_between=2)


def test_alignment_undoes_a_turn_a_mirror_and_a_shift():
    generator = np.random.default_rng(1)
    target = generator.standard_normal((30, 2))
    turned = target @ np.array([[0.6, 0.8], [0.8, -0.6]]) + [5, -7]  # determinant −1
    np.testing.assert_allclose(aligned(turned, target), target, atol=1e-9)


def test_alignment_of_other_points_is_refused():
    with pytest.raises(ValueError, match="same points"):
        aligned(np.zeros((3, 2)), np.zeros((4, 2)))


def test_frames_begin_and_end_at_the_key_pictures(pictures):
    frames = animation.frames_between(pictures, n_between=2)
    assert [round(epoch, 2) for epoch, _ in frames] == [1, 1.67, 2.33, 3, 5.33, 7.67, 10]
    for position, epoch in ((0, 1), (3, 3), (6, 10)):
        np.testing.assert_array_equal(frames[position][1], pictures[epoch])


def test_each_key_picture_starts_from_the_one_before():
    generator = np.random.default_rng(2)
    latent = generator.standard_normal((120, 5)).astype("f4")
    start = 10 * generator.standard_normal((120, 2)).astype("f4")
    pictures = key_pictures({1: latent, 2: latent}, start)
    moved = np.linalg.norm(pictures[2] - pictures[1], axis=1).mean()
    assert moved < 0.5 * np.linalg.norm(pictures[1] - start, axis=1).mean()


def test_the_animation_is_the_same_every_time_and_has_every_frame(gif, pictures):
    labels = torch.arange(40) % 10
    scores = {1: 0.5, 3: 0.75, 10: 0.9}
    again = animation.latent_animation(pictures, labels, "0123456789", scores, n_between=2)
    assert gif == again
    with Image.open(io.BytesIO(gif)) as image:
        assert image.n_frames == 7
        assert image.info["loop"] == 0


def test_it_waits_at_the_ends_and_at_the_key_pictures(gif):
    with Image.open(io.BytesIO(gif)) as image:
        durations = []
        for number in range(image.n_frames):
            image.seek(number)
            durations.append(image.info["duration"])
    assert durations == [1400, 70, 70, 420, 70, 70, 3000]


def test_frames_differ(gif):
    with Image.open(io.BytesIO(gif)) as image:
        first = np.asarray(image.convert("RGB"))
        image.seek(image.n_frames - 1)
        last = np.asarray(image.convert("RGB"))
    assert (first != last).any(axis=2).mean() > 0.01
    assert (first[-2, :] == 255).all()  # paper is white, not nearly white


def test_the_diagram_names_every_part():
    figure = diagram.model_diagram(np.zeros((28, 28)), 30, 400, "The model")
    words = " ".join(text.get_text() for text in figure.axes[0].texts)
    for part in ("encoder φ", "mean μ", "log σ²", "z = μ + σ", "decoder θ", "KL", "reconstruction"):
        assert part in words
    assert "logistic regression" in words


def test_the_gif_is_saved_and_its_last_frame_shown(gif, monkeypatch):
    shown = []
    monkeypatch.setattr(notebook, "display", lambda data, **_: shown.append(data))
    notebook.show_animation(gif, "moving", alt="ten groups")
    assert (figures_folder() / "moving.gif").read_bytes() == gif
    with Image.open(io.BytesIO(gif)) as image:
        image.seek(image.n_frames - 1)
        last = np.asarray(image.convert("RGB"))
    with Image.open(io.BytesIO(base64.b64decode(shown[0]["image/png"]))) as still:
        np.testing.assert_array_equal(np.asarray(still.convert("RGB")), last)
    assert shown[0]["text/plain"] == "ten groups"
