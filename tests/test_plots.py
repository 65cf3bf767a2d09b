"""What the pictures show: the numbers that went in are the ones that stand in the figure."""

import subprocess
import sys

import numpy as np
import pytest
import seaborn as sns
import torch

from vaelib import plots
from vaelib.vae.training import EpochRecord

GENERATOR = np.random.default_rng(0)
PICTURES = GENERATOR.random((12, 28, 28)).astype(np.float32)
CLASSES = tuple("0123456789")


def words(figure):
    """Every text of a figure, in all its panels."""
    return [text.get_text() for text in figure.findobj(lambda item: hasattr(item, "get_text"))]


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


def test_the_colours_are_seaborn_s_for_the_colour_blind():
    assert sns.color_palette("colorblind", 10).as_hex() == plots.style.CLASS_COLOURS


@pytest.mark.parametrize("heavy", ["nbformat", "pandas", "seaborn", "sklearn", "torchvision"])
def test_what_is_heavy_is_imported_where_it_is_used(heavy):
    code = (
        "import sys, vaelib; from vaelib import notebook, panels, plots; plots.use_style(); "
        f"sys.exit({heavy!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_picture_grid_shows_each_picture_with_its_labels():
    grid = plots.picture_grid(
        PICTURES.reshape(3, 4, 28, 28), "twelve", row_labels="abc", column_labels="wxyz"
    )
    shown = [ax.images[0].get_array() for ax in grid.axes]
    np.testing.assert_array_equal(np.stack(shown), PICTURES)
    assert {"twelve", *"abcwxyz"} <= set(words(grid))
    bytes_too = plots.picture_grid([(255 * PICTURES).astype(np.uint8)], "grey levels")
    assert bytes_too.axes[0].images[0].get_clim() == (0, 255)


def test_class_counts_are_the_bars_lengths():
    counts = {"train": [5, 7], "test": [2, 9]}
    figure = plots.class_counts(counts, ["a", "b"], "counts")
    lengths = [[bar.get_width() for bar in ax.patches] for ax in figure.axes]
    assert lengths == [[5, 7], [2, 9]]
    assert "train, 12" in words(figure)


def test_pixel_histogram_shows_shares():
    figure = plots.pixel_histogram(np.array([0, 0, 0, 1], np.float32), "pixels")
    shares = [bar.get_height() for bar in figure.axes[0].patches]
    assert shares[0] == 0.75
    assert shares[-1] == 0.25
    assert "75.0%" in words(figure)


def test_few_labels_names_the_labelled():
    figure = plots.few_labels(PICTURES[:4], list("abcd"), PICTURES[:9], 1234, "few")
    left, right = (ax.images[0].get_array() for ax in figure.axes)
    np.testing.assert_array_equal(left[:28, :28], PICTURES[0])
    np.testing.assert_array_equal(right[28:56, :28], PICTURES[3])
    assert {*"abcd", "4 images with a label", "9 of the 1,234 without one"} <= set(words(figure))


def history(n):
    return [EpochRecord(e, -100 + e, 20 + e, -101 + e, 21 + e) for e in range(1, n + 1)]


@pytest.mark.parametrize("n", [1, 2, 5, 31])
def test_training_curves_show_every_epoch(n):
    figure = plots.training_curves(history(n), "curves")
    left, right = figure.axes
    assert left.lines[0].get_ydata() == pytest.approx([r.elbo for r in history(n)])
    assert left.lines[1].get_ydata() == pytest.approx([r.validation_elbo for r in history(n)])
    assert right.lines[1].get_ydata() == pytest.approx([r.validation_kl for r in history(n)])
    assert f"training {history(n)[-1].elbo:.1f}" in words(figure)


def test_bars_carry_their_numbers_errors_and_limits():
    figure = plots.bars(
        {"a": 1.0, "b": 3.0}, "bars", "units", errors=[np.nan, 0.5], highlight=["b"],
        limits=(0, 5), protocol="one run",
    )  # fmt: skip
    (ax,) = figure.axes
    assert [bar.get_width() for bar in ax.patches] == [1, 3]
    assert ax.get_xlim() == (0, 5)
    assert {"1.0", "3.0", "one run", "units"} <= set(words(figure))


@pytest.mark.parametrize("active", [[True, False, True], [True] * 3])
def test_kl_per_latent_is_sorted(active):
    figure = plots.kl_per_latent(np.array([1.0, 0.0, 3.0]), np.array(active), "KL")
    assert [bar.get_height() for bar in figure.axes[0].patches] == [3, 1, 0]
    assert (f"{3 - sum(active)} collapsed" in words(figure)) == (not all(active))


def test_convergence_shows_estimate_and_truth():
    sizes, estimates = np.array([10, 100]), np.array([1.2, 1.0])
    figure = plots.convergence(sizes, estimates, estimates / 10, 1.05, "closing in", "nats")
    lines = figure.axes[0].lines
    assert lines[0].get_ydata().tolist() == [1.2, 1.0]
    assert lines[1].get_ydata()[0] == 1.05
    assert "exact 1.050" in words(figure)


def test_scatters_name_each_class_at_its_median():
    positions = GENERATOR.standard_normal((30, 2)).astype(np.float32)
    labels = torch.arange(30) % 3
    one = plots.class_scatter(positions, labels, ["a", "b", "c", "none"], "one")
    place = next(text for text in one.axes[0].texts if text.get_text() == "b").get_position()
    assert place == pytest.approx(np.median(positions[labels == 1], axis=0))
    assert "none" not in [text.get_text() for text in one.axes[0].texts]
    two = plots.scatter_panels({"p": positions, "q": positions}, labels, "abc", "two")
    assert [ax.get_title("left") for ax in two.axes] == ["p", "q"]


def test_class_statistics_show_both_tables():
    means, deviations = GENERATOR.standard_normal((2, 10, 4))
    figure = plots.class_statistics(means, np.abs(deviations), CLASSES, [3, 1, 0, 2], "profile")
    shown = [ax.collections[0].get_array() for ax in figure.axes[:2]]
    np.testing.assert_allclose(shown[0].ravel(), means.ravel())
    np.testing.assert_allclose(shown[1].ravel(), np.abs(deviations).ravel())


def test_loss_curves_end_with_their_values():
    figure = plots.loss_curves([1.0, 0.5], [1.1, 0.75], "loss")
    assert {"training 0.500", "validation 0.750"} <= set(words(figure))


def test_confusion_matrix_leaves_the_diagonal_white():
    counts = np.array([[8, 2], [1, 9]])
    figure = plots.confusion_matrix(counts, ["a", "b"], "confusions")
    colours = figure.axes[0].collections[0].get_array().ravel()
    assert list(colours) == pytest.approx([0, 0.2, 0.1, 0])
    assert {"8", "2", "1", "9"} <= set(words(figure))


def test_accuracy_by_budget_names_every_curve_and_result():
    curves = {
        "long": {10: (0.5, 0.02), 100: (0.8, np.nan)},
        "also long": {10: (0.4, 0.02), 100: (0.8, 0.01)},
        "short and high": {10: (0.9, 0.02)},
        "short and low": {10: (0.35, 0.02)},
    }
    figure = plots.accuracy_by_budget(curves, {"theirs": {100: 0.85}}, "accuracy", "protocol")
    assert {*curves, "a", "a  theirs", "protocol"} <= set(words(figure))
    heights = [text.get_position()[1] for text in figure.axes[0].texts if "long" in text.get_text()]
    assert heights[0] != heights[1]


def test_accuracy_by_budget_shows_a_perfect_score_and_nothing_published():
    figure = plots.accuracy_by_budget({"all right": {3: (0.9, 0.2), 30: (1.0, 0.0)}}, {}, "t", "p")
    [ax] = figure.axes
    [line] = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_marker() == "o"]
    assert ax.get_ylim()[0] <= min(line.get_ydata()) <= max(line.get_ydata()) <= ax.get_ylim()[1]
    assert ax.get_legend() is None


def test_score_overlap_counts_the_wrong_side():
    pair = np.array([-2.0, 1.0]), np.array([3.0, 2.0])
    scores = {"line": pair, "curve": (pair[0] - 5, pair[1])}
    figure = plots.score_overlap(scores, ("4", "9"), "overlap")
    expected = {"line: 25.0% on the wrong side", "curve: 0.0% on the wrong side"}
    assert expected <= set(words(figure))


def test_captioned_pictures_leave_empty_places_empty():
    figure = plots.captioned_pictures(PICTURES[:3], ["a", "b", "c"], "three", columns=2)
    assert [ax.get_xlabel() for ax in figure.axes] == ["a", "b", "c", ""]
    assert not figure.axes[3].axison
