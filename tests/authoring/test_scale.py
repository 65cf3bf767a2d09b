"""The approximate search finds what the exact one finds, in the form that the graph asks for."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from vaelib.authoring.scale import Faiss
from vaelib.classifier import neighbour_graph

POINTS = np.random.default_rng(0).standard_normal((600, 5)).astype(np.float32)


def test_it_finds_nearly_the_same_neighbours_each_image_itself_left_out():
    exact = NearestNeighbors(n_neighbors=10).fit(POINTS)
    ours = Faiss().fit(POINTS)
    for features in (None, POINTS[:50] + 0.1):
        distances, rows = ours.kneighbors(features)
        expected, expected_rows = exact.kneighbors(features)
        assert rows.shape == expected_rows.shape
        assert (rows == expected_rows).mean() > 0.98
        assert np.abs(distances - expected)[rows == expected_rows].max() < 1e-3
    assert not (ours.kneighbors()[1] == np.arange(600)[:, None]).any()


def test_images_that_are_alike_keep_ten_neighbours_each():
    alike = np.repeat(POINTS[:30], 20, axis=0)
    distances, rows = Faiss().fit(alike).kneighbors()
    assert rows.shape == (600, 10)
    assert distances.max() == 0


def test_a_graph_can_be_made_with_it():
    ours, exact = neighbour_graph(POINTS, search=Faiss()), neighbour_graph(POINTS)
    assert (ours.eigenvalues - exact.eigenvalues).abs().max() < 0.02
    assert ours.interpolation(POINTS[:3]).shape == (3, 600)
