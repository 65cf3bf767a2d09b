"""Notebook 4's room: what few labels can do, and what they are compared with."""

from vaelib.classifier.few_labels import (
    label_counts,
    learning_curve,
    logistic_regression,
    table,
)
from vaelib.classifier.graph import Graph, diffuse, neighbour_graph
from vaelib.classifier.label_spreading import label_spreading, sinkhorn, spread_labels
from vaelib.classifier.networks import cnn, train_classifier
from vaelib.plots.curves import half_width

__all__ = [
    "Graph",
    "cnn",
    "diffuse",
    "half_width",
    "label_counts",
    "label_spreading",
    "learning_curve",
    "logistic_regression",
    "neighbour_graph",
    "sinkhorn",
    "spread_labels",
    "table",
    "train_classifier",
]
