"""What the notebooks measured: numbers in their bands, and the claims that the text makes of them.

Read are the stored numbers and, where `VAELIB_FIGURES` names a folder with others, as after nbval
in make test, those as well.
"""

import json
import math
import os
from pathlib import Path

import pytest

STORED = Path(__file__).parents[2] / "figures" / "metrics.json"
LATEST = Path(os.environ.get("VAELIB_FIGURES", STORED.parent)) / "metrics.json"

BANDS = {  # of MNIST, on any processor
    "fraction_of_extreme_pixels": (0.85, 0.92),
    "accuracy_nearest_mean": (0.79, 0.84),
    "accuracy_raw_pixels": (0.915, 0.93),
    "accuracy_100_labels_baseline": (0.70, 0.80),
    "elbo_test": (-103.0, -101.5),
    "elbo_validation_epoch_31": (-105.0, -102.5),
    "elbo_test_conv": (-98.5, -96.0),
    "active_units": (15, 30),
    "weights": (664_844, 664_844),
    "log_likelihood_test": (-90.0, -86.0),
    "log_likelihood_test_error": (0.02, 0.1),
    "loss_mean_over_pixels_of_first": (0.0, 0.5),
    "kl_mean_over_pixels": (0.0, 0.05),
    "kl_sum_over_pixels": (10.0, 20.0),
    "trustworthiness_epoch_1": (0.95, 1.0),
    "trustworthiness_epoch_31": (0.95, 1.0),
    "accuracy_original_protocol": (0.82, 0.88),
    "accuracy_mean": (0.89, 0.91),
    "accuracy_kernel": (0.975, 0.988),
    "accuracy_pseudo_labels_10_labels": (0.96, 0.985),
    "accuracy_100_labels_label_spreading": (0.967, 0.98),
    "accuracy_100_labels_label_spreading_deskewed": (0.975, 0.985),
    "accuracy_0_labels_latent": (0.96, 0.985),
    "accuracy_10_labels_plain_mean": (0.96, 0.98),
    "accuracy_10_labels_plain_median": (0.967, 0.98),
    "accuracy_10_labels_plain_failures": (0, 0.04),
    "accuracy_20_labels_plain_mean": (0.967, 0.98),
    "accuracy_10_labels_deskewed_median": (0.973, 0.985),
    "accuracy_10_labels_self_trained": (0.98, 0.99),
    "accuracy_equal_sizes": (0.99, 1),
    "accuracy_unequal_sizes": (0.95, 1),
    "accuracy_very_unequal_sizes": (0.95, 1),
}
SIZES = (10, 20, 50, 100, 300, 600, 1000, 3000, 10_000)


def accuracy(numbers, method, n):
    return numbers[f"accuracy_{n}_labels_{method}"]


def ahead(numbers, method, other, sizes, by=0.0):
    """Whether a method is ahead of another at every one of some numbers of labels."""
    return all(accuracy(numbers, method, n) > accuracy(numbers, other, n) + by for n in sizes)


def ahead_of_pixels(numbers, images):
    """How much more often the neighbours in the latent space are right than those in pixels."""
    latent, pixels = (
        numbers[f"knn_accuracy_{space}_{images}_training_images"] for space in ("latent", "pixels")
    )
    return latent - pixels


CLAIMS = {
    "a grey image's likelihood is the mean of the black-and-white ones": lambda m: (
        abs(m["log_likelihood_grey_image"] - m["log_likelihood_binarised_images"]) < 0.2
    ),
    "the convolutional model gains more than five nats, with as many weights": lambda m: (
        m["elbo_test_conv"] > m["elbo_test"] + 5
        and m["elbo_test_conv_binarised"] > m["elbo_test_binarised"] + 5
        and math.isclose(m["weights_conv"], m["weights"], rel_tol=0.01)
    ),
    "the convolutional model says less, with fewer latents, and rebuilds better": lambda m: (
        m["active_units_conv"] < m["active_units"]
        and m["elbo_test_conv_kl"] < m["elbo_test_kl"] - 2
        and m["elbo_test_conv_reconstruction"] > m["elbo_test_reconstruction"] + 1
    ),
    "the ELBO undersells the model by four to six nats": lambda m: (
        4 < m["log_likelihood_test"] - m["log_likelihood_test_one_sample"] < 6
    ),
    "more than half of that gap is the encoder's": lambda m: (
        m["amortisation_gap"]
        > 0.5 * (m["log_likelihood_test"] - m["log_likelihood_test_one_sample"])
    ),
    "neighbours agree more often after 31 epochs than after one, and than in pixels": lambda m: (
        m["knn_accuracy_latent_epoch_31"] > m["knn_accuracy_latent_epoch_1"] + 0.1
        and m["knn_accuracy_latent_epoch_31"] > m["knn_accuracy_pixels"]
        and m["knn_accuracy_latent_epoch_1"] < m["knn_accuracy_pixels"]
    ),
    "the lead over pixels is halved where all training images may be neighbours": lambda m: (
        0.003 < ahead_of_pixels(m, "all") < 0.015
        and ahead_of_pixels(m, "3000") > 1.5 * ahead_of_pixels(m, "all")
    ),
    "most of the sorting is done in the first few epochs": lambda m: (
        m["knn_accuracy_latent_epoch_5"] - m["knn_accuracy_latent_epoch_1"]
        > m["knn_accuracy_latent_epoch_31"] - m["knn_accuracy_latent_epoch_5"]
    ),
    "the initialisation hardly changes the k-NN accuracy of an embedding": lambda m: (
        m["knn_accuracy_initialisations_highest"] - m["knn_accuracy_initialisations_lowest"] < 0.03
    ),
    "distances between groups repeat in part from start to start": lambda m: (
        0.5 < m["centre_distances_of_two_starts_lowest"] < 0.9
    ),
    "with 3,000 images another start gives nearly the same distances, and they are no truer": (
        lambda m: (
            m["centre_distances_of_two_starts_3000_images"] > 0.9
            and 0.5 < m["centre_distances_and_latent_3000_images"] < 0.9
        )
    ),
    "distances between groups show about half of what the latent space has": lambda m: (
        m["centre_distances_and_latent_lowest"] > 0.5
        and m["centre_distances_and_latent_highest"] < 0.9
    ),
    "4 and 9 are the closest classes": lambda m: (
        (m["closest_class"], m["closest_class_other"]) == (4, 9)
    ),
    "each repair of the original helps, and raw pixels still win": lambda m: (
        m["accuracy_original_protocol"]
        < m["accuracy_sampled"]
        < m["accuracy_sampled_then_mean"]
        < m["accuracy_mean"]
        < m["accuracy_raw_pixels"]
    ),
    "fresh samples regularise where labels are few, and cost where they are many": lambda m: (
        m["gain_fresh_samples_100_labels"] > 0
        and m["gain_fresh_samples_1000_labels"] > 0
        and m["gain_fresh_samples_all_labels"] < 0
    ),
    "the second-order penalty explains what sampling costs": lambda m: (
        0.8 < m["penalty_formula"] / m["penalty_measured"] < 1.1
    ),
    "a linear probe on the latent never overtakes raw pixels": lambda m: ahead(
        m, "linear_pixels", "linear_latent", SIZES, by=-0.01
    ),
    "the convolutional latent is ahead of raw pixels from 50 labels on, by up to 4 points": (
        lambda m: (
            ahead(m, "linear_conv_latent", "linear_pixels", SIZES[2:], by=0.005)
            and ahead(m, "linear_pixels", "linear_conv_latent", SIZES[2:], by=-0.04)
        )
    ),
    "the kernel beats the network up to 600 labels, and loses from 3,000 on": lambda m: (
        ahead(m, "kernel_latent", "cnn", [300, 600])
        and ahead(m, "cnn", "kernel_latent", [3000, 10_000])
    ),
    "with ten labels the network is below raw pixels": lambda m: ahead(
        m, "linear_pixels", "cnn", [10]
    ),
    "nearly every set of ten labels that spread beats a linear classifier with all": lambda m: (
        m["accuracy_10_labels_plain_median"] > m["accuracy_raw_pixels"] + 0.04
        and m["accuracy_10_labels_plain_failures"] <= 0.04
    ),
    "the VAE is ahead of principal components with the same method and label sets": lambda m: (
        m["accuracy_10_labels_plain_mean"] > m["accuracy_10_labels_pca_mean"] + 0.1
        and m["accuracy_10_labels_plain_failures"] < m["accuracy_10_labels_pca_failures"] / 2
    ),
    "and of the labels alone on principal components, which do better there": lambda m: (
        m["accuracy_10_labels_pca_mean"] < m["accuracy_pca_labels_alone"]
        and m["accuracy_pca_labels_alone"] < m["accuracy_10_labels_plain_mean"] - 0.05
    ),
    "twenty labels leave no failures": lambda m: m["accuracy_20_labels_plain_failures"] <= 0.01,
    "deskewing gains a little": lambda m: (
        m["accuracy_10_labels_deskewed_median"] > m["accuracy_10_labels_plain_median"]
    ),
    "the pupil is better than its teacher, with distortions most": lambda m: (
        m["accuracy_10_labels_plain_median"] < m["accuracy_10_labels_self_trained_without"]
        and m["accuracy_10_labels_plain_median"] + 0.005 < m["accuracy_10_labels_self_trained"]
    ),
    "the curve of label spreading is flat": lambda m: (
        abs(accuracy(m, "label_spreading", 3000) - accuracy(m, "label_spreading", 20)) < 0.01
    ),
    "with 100 labels, label spreading passes the 96.7 % of M1+M2": lambda m: (
        accuracy(m, "label_spreading", 100) > 0.967
    ),
}


@pytest.fixture(params=sorted({STORED, LATEST}), ids=lambda path: path.parent.name)
def numbers(request):
    return json.loads(request.param.read_text())


@pytest.mark.parametrize("name", BANDS)
def test_number_is_in_its_band(numbers, name):
    lowest, highest = BANDS[name]
    assert lowest <= numbers[name] <= highest


@pytest.mark.parametrize("claim", CLAIMS)
def test_claim_is_borne_out(numbers, claim):
    assert CLAIMS[claim](numbers)


def test_every_stored_number_is_still_measured():
    assert json.loads(STORED.read_text()).keys() == json.loads(LATEST.read_text()).keys()
