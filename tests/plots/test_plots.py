"""What the figures show: the numbers that went in are the ones that stand in the figure."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import seaborn as sns
import torch
from matplotlib.text import Text
from scipy import stats
from sklearn.linear_model import LogisticRegression

from vaelib import plots
from vaelib.plots.style import CLASS_COLOURS
from vaelib.vae.training import EpochRecord

GENERATOR = np.random.default_rng(0)
PICTURES = GENERATOR.random((12, 28, 28)).astype(np.float32)


def words(figure):
    """Every text of a figure, in all its panels."""
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.fixture(autouse=True)
def style():
    plots.use_style()


def test_the_room_imports_nothing_else_of_the_library():
    for path in Path(plots.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("vaelib"):
                assert node.module.startswith("vaelib.plots.")


def test_the_colours_are_seaborn_s_for_the_colour_blind():
    assert sns.color_palette("colorblind", 10).as_hex() == CLASS_COLOURS


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


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("float32", 1)])
def test_paper_is_white_and_ink_black_in_bytes_and_shares(dtype, top, kind):
    grid = plots.picture_grid([[kind(np.full((28, 28), top, dtype=dtype))]], "ink")
    assert grid.axes[0].images[0].get_clim() == (0, top)
    assert grid.axes[0].images[0].cmap.name == "gray_r"


def test_class_counts_are_the_bars_lengths():
    counts = {"train": [5, 7], "test": [2, 9]}
    figure = plots.class_counts(counts, ["a", "b"], "counts")
    lengths = [[bar.get_width() for bar in ax.patches] for ax in figure.axes]
    assert lengths == [[5, 7], [2, 9]]
    assert "train, 12" in words(figure)


def test_pixel_histogram_shows_shares():
    figure = plots.pixel_histogram(np.array([0, 0, 0, 1], np.float32), "pixels")
    shares = [bar.get_height() for bar in figure.axes[0].patches]
    assert [shares[0], shares[-1]] == [0.75, 0.25]
    assert "75.0%" in words(figure)


def test_the_labelled_images_carry_their_names():
    figure = plots.labelled_and_unlabelled(PICTURES[:4], list("abcd"), PICTURES[:7], 1234, "few")
    left, right = (ax.images[0].get_array() for ax in figure.axes)
    np.testing.assert_array_equal(left[:28, :28], PICTURES[0])
    np.testing.assert_array_equal(right[28:56, :28], PICTURES[3])
    assert not right[56:, 28:].any()  # seven pictures on three rows of three
    assert {*"abcd", "4 images with a label", "7 of the 1,234 without one"} <= set(words(figure))


@pytest.mark.parametrize("n", [1, 2, 5, 31])
def test_training_curves_show_every_epoch(n):
    history = [EpochRecord(e, -100 + e, 20 + e, -101 + e, 21 + e) for e in range(1, n + 1)]
    figure = plots.training_curves(history, "curves")
    left, right = figure.axes
    assert left.lines[0].get_ydata() == pytest.approx([r.elbo for r in history])
    assert left.lines[1].get_ydata() == pytest.approx([r.validation_elbo for r in history])
    assert right.lines[1].get_ydata() == pytest.approx([r.validation_kl for r in history])
    assert f"training {history[-1].elbo:.1f}" in words(figure)


def test_an_interrupted_first_epoch_leaves_no_curve():
    with pytest.raises(ValueError, match="no whole epoch to show"):
        plots.training_curves([], "nothing")


def test_bars_carry_their_numbers_errors_and_limits():
    figure = plots.bars(
        {"a": 1.0, "b": 3.0}, "bars", "units", errors=[np.nan, 0.5], highlight=["b"],
        limits=(0, 5), caption="one run",
    )  # fmt: skip
    (ax,) = figure.axes
    assert [bar.get_width() for bar in ax.patches] == [1, 3]
    assert ax.get_xlim() == (0, 5)
    assert {"1.0", "3.0", "one run", "units"} <= set(words(figure))


@pytest.mark.parametrize("active", [[True, False, True], [True] * 3])
def test_kl_per_latent_is_sorted(active):
    figure = plots.kl_per_latent(torch.tensor([1.0, 0.0, 3.0]), torch.tensor(active), "KL")
    assert [bar.get_height() for bar in figure.axes[0].patches] == [3, 1, 0]
    assert (f"{3 - sum(active)} collapsed" in words(figure)) == (not all(active))


def test_collapse_is_seen_in_the_kl_and_the_losses_share_a_scale():
    runs = {"sum": [[500.0, 0.1], [100.0, 9.0]], "mean": [[0.7, 0.1], [0.35, 0.0]]}
    loss, kl = plots.collapse_curves(runs, "collapse").axes
    assert [line.get_ydata().tolist() for line in loss.lines] == [[1, 0.2], [1, 0.5]]
    assert [line.get_ydata().tolist() for line in kl.lines] == [[0.1, 9], [0.1, 0]]
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["sum", "mean"]


def test_bounds_carry_their_ends_and_what_was_published():
    figure = plots.bound_by_samples({1: -90.04, 10: -88.0}, {"theirs": -86.76}, "bounds", "how")
    assert list(figure.axes[0].lines[0].get_ydata()) == [-90.04, -88.0]
    assert {"−90.0", "−88.0", "theirs: −86.76", "how"} <= set(words(figure))


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_scatters_name_each_class_at_its_median(kind):
    embedding = GENERATOR.standard_normal((30, 2)).astype(np.float32)
    labels = np.arange(30) % 3
    one = plots.class_scatter(kind(embedding), kind(labels), ["a", "b", "c", "none"], "one")
    place = next(text for text in one.axes[0].texts if text.get_text() == "b").get_position()
    assert place == pytest.approx(np.median(embedding[labels == 1], axis=0))
    assert "none" not in [text.get_text() for text in one.axes[0].texts]
    two = plots.scatter_panels({"p": embedding, "q": embedding}, labels, "abc", "two")
    assert [ax.get_title("left") for ax in two.axes] == ["p", "q"]


def test_class_statistics_show_both_tables():
    means, deviations = GENERATOR.standard_normal((2, 10, 4))
    figure = plots.class_statistics(means, deviations**2, "0123456789", [3, 1, 0, 2], "profile")
    shown = [ax.collections[0].get_array().ravel() for ax in figure.axes[:2]]
    np.testing.assert_allclose(shown, [means.ravel(), (deviations**2).ravel()])


def test_loss_curves_end_with_their_values():
    figure = plots.loss_curves([1.0, 0.5], [1.1, 0.75], "loss")
    assert {"training 0.500", "validation 0.750"} <= set(words(figure))


def test_confusion_matrix_leaves_the_diagonal_white():
    figure = plots.confusion_matrix(np.array([[8, 2], [1, 9]]), ["a", "b"], "confusions")
    colours = figure.axes[0].collections[0].get_array().ravel()
    assert list(colours) == pytest.approx([0, 0.2, 0.1, 0])
    assert {"8", "2", "1", "9"} <= set(words(figure))


def test_learning_curves_name_every_curve():
    curves = {
        "long": {10: [0.5, 0.52], 100: [0.8]},
        "also long": {10: [0.4, 0.42], 100: [0.8, 0.81]},
        "short and high": {10: [0.9, 0.92]},
        "short and low": {10: [0.35, 0.37]},
    }
    figure = plots.learning_curves(curves, "accuracy", "how")
    assert {*curves, "accuracy", "how"} <= set(words(figure))
    heights = [text.get_position()[1] for text in figure.axes[0].texts if "long" in text.get_text()]
    assert heights[0] != heights[1]


def test_learning_curves_show_means_and_student_s_intervals():
    accuracies = [0.71, 0.78, 0.74, 0.80, 0.69]
    figure = plots.learning_curves({"one": {10: accuracies, 100: [0.9]}}, "t", "c")
    [line, _, bars] = figure.axes[0].containers[0]
    assert line.get_ydata() == pytest.approx([np.mean(accuracies), 0.9])
    [segment, none] = bars[0].get_segments()
    interval = stats.t.interval(0.95, 4, np.mean(accuracies), stats.sem(accuracies))
    assert segment[:, 1] == pytest.approx(interval)
    assert len(none) == 0 or np.isnan(none[:, 1]).all()


def test_dots_show_every_label_set_and_say_what_fails():
    accuracies = {"ours": [*[0.97] * 18, 0.75, 0.80], "theirs": [0.91] * 20}
    figure = plots.accuracy_dots(accuracies, "title", "caption")
    [ax] = figure.axes
    assert {"97.0 %   10%   75.0 %", "91.0 %   100%   91.0 %", "caption"} <= set(words(figure))
    dots = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 20]
    assert [sorted(each) for each in dots] == [
        pytest.approx(sorted(100 * np.array(values))) for values in accuracies.values()
    ]


def test_a_perfect_score_stays_on_the_axis_and_many_methods_all_show():
    curves = {f"method {n}": {3: [0.8, 1.0], 30: [1.0, 1.0]} for n in range(12)}
    [ax] = plots.learning_curves(curves, "t", "c").axes
    assert len(ax.containers) == 12
    heights = ax.containers[0][0].get_ydata()
    assert ax.get_ylim()[0] <= min(heights) <= max(heights) <= ax.get_ylim()[1]
    assert ax.get_legend() is None


def test_two_scores_count_the_wrong_side_of_each_and_show_every_image():
    is_second = np.array([False, False, True, True])
    scores = {"linear": [-2.0, 1.0, 3.0, -4.0], "kernel": [-5.0, -1.0, 3.0, -1.0]}
    figure = plots.two_scores(scores, is_second, ("4", "9"), "both")
    shown = " ".join(words(figure))
    assert "log-odds of 9 against 4, nats, linear: 50.0% on the wrong side" in shown
    assert "kernel: 25.0% on the wrong side" in shown
    four, nine = (each.get_offsets().tolist() for each in figure.axes[0].collections)
    assert four == [[-2, -5], [1, -1]]
    assert nine == [[3, 3], [-4, -1]]


def test_decision_regions_are_those_of_each_classifier():
    points, labels = np.array([[0.0, 0], [1, 0], [0, 2], [1, 2]]), np.array([0, 0, 1, 1])
    across = LogisticRegression(C=100).fit(points, labels)
    along = LogisticRegression(C=100).fit(points, [0, 1, 0, 1])
    figure = plots.decision_regions({"a": across, "b": along}, points, labels, [0, 3], "regions")
    assert {"a: 100% correct", "b: 50% correct", "regions"} <= set(words(figure))
    for ax in figure.axes:
        *_, stars = ax.collections
        assert stars.get_offsets().tolist() == [[0, 0], [1, 2]]


def test_maps_show_each_assignment_and_what_has_no_label_yet_in_grey():
    points = np.arange(8.0).reshape(4, 2)
    maps = {"first": [-1, 0, -1, 1], "then": [0, 0, 1, 1]}
    figure = plots.pseudo_label_maps(points, maps, ["a", "b"], "maps")
    assert words(figure).count("a") == words(figure).count("b") == 2
    assert {"first", "then", "maps"} <= set(words(figure))
    first, then = figure.axes
    grey, known = first.collections
    assert grey.get_offsets().tolist() == [[0, 1], [4, 5]]
    assert known.get_offsets().tolist() == [[2, 3], [6, 7]]
    assert len(then.collections[0].get_offsets()) == 0


def test_captioned_pictures_leave_empty_places_empty():
    figure = plots.captioned_pictures(PICTURES[:3], ["a", "b", "c"], "three", columns=2)
    assert [ax.get_xlabel() for ax in figure.axes] == ["a", "b", "c", ""]
    assert not figure.axes[3].axison


def test_the_diagram_names_every_part():
    figure = plots.model_diagram(np.zeros((28, 28)), 30, 400, "The model")
    shown = " ".join(words(figure))
    for part in ("encoder φ", "mean μ", "log σ²", "z = μ + σ", "decoder θ", "KL", "reconstruction"):
        assert part in shown
    assert "784 Bernoulli\nprobabilities" in shown
    assert "logistic regression" in shown
