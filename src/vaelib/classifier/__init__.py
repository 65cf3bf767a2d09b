"""Notebook 4's room: what few labels can do, and what they are compared with."""

from vaelib.classifier.few_labels import (
    label_counts,
    learning_curve,
    learning_curves,
    logistic_regression,
)
from vaelib.classifier.graph import Graph, diffuse, neighbour_graph
from vaelib.classifier.label_spreading import label_spreading, name_clusters, spread_labels
from vaelib.classifier.networks import accuracy, cnn, random_distortions, train_classifier
from vaelib.classifier.partition import (
    TIMES,
    Partition,
    matched,
    merge,
    normalised_cut,
    partition,
    refine,
    sinkhorn,
    threshold_dynamics,
)
from vaelib.plots.curves import half_width

__all__ = [
    "TIMES",
    "Graph",
    "Partition",
    "accuracy",
    "cnn",
    "diffuse",
    "half_width",
    "label_counts",
    "label_spreading",
    "learning_curve",
    "learning_curves",
    "logistic_regression",
    "matched",
    "merge",
    "name_clusters",
    "neighbour_graph",
    "normalised_cut",
    "partition",
    "random_distortions",
    "refine",
    "sinkhorn",
    "spread_labels",
    "threshold_dynamics",
    "train_classifier",
]
