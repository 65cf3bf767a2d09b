"""How time grows with the number of images and of labels, each step of the series alone.

Measured on a quarter, a half and all of the training images. The exact neighbour search grows as
their square; faiss's graph index (HNSW, Malkov & Yashunin 2018) nearly as a straight line, and
what it misses among the ten nearest is measured beside it.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from vaelib.authoring.timing import Code, Numbers, seconds_of
from vaelib.classifier import neighbour_graph, partition, spread_labels
from vaelib.data import Split, balanced_subset
from vaelib.latent import FloatArray, encode
from vaelib.vae import VAE, Config, train_epochs

NEIGHBOURS = 10
SHARES = {"quarter": 4, "half": 2, "all": 1}


class Faiss:
    """Finds neighbours approximately, with the methods that `neighbour_graph` calls."""

    def fit(self, features: FloatArray) -> "Faiss":
        """Index the images' features (N, Z)."""
        import faiss

        self.features = np.ascontiguousarray(features, dtype=np.float32)
        self.index = faiss.IndexHNSWFlat(features.shape[1], 16)
        self.index.hnsw.efSearch = 64
        self.index.add(self.features)
        return self

    def kneighbors(
        self, features: FloatArray | None = None
    ) -> tuple[FloatArray, NDArray[np.integer]]:
        """Return distances and rows of the nearest images, (M, 10) each, nearest first.

        Without `features`, those of the indexed images, each itself left out.
        """
        if features is not None:
            squares, rows = self.index.search(features.astype(np.float32), NEIGHBOURS)
        else:
            squares, rows = self.index.search(self.features, NEIGHBOURS + 1)
            own = rows == np.arange(len(rows))[:, None]
            own[~own.any(axis=1), -1] = True  # not found at all: the last is one too many
            squares, rows = (part[~own].reshape(len(rows), -1) for part in (squares, rows))
        return np.sqrt(squares), rows


def steps_on(model: VAE, split: Split) -> dict[str, Code]:
    """Return each step of the series on some images; what it starts from is made before."""
    means = encode(model, split.images).mean.numpy()
    n_classes = int(split.labels.max()) + 1
    config = Config("scale", epochs=1)
    fresh, graph = config.build(), neighbour_graph(means, search=Faiss())
    found, ten = partition(graph, n_classes), balanced_subset(split.labels, n_classes, seed=0)
    return {
        "epoch": lambda: list(train_epochs(fresh, split.images, split.images[:1], config)),
        "encode": lambda: encode(model, split.images),
        "fit_all_labels": lambda: LogisticRegression(max_iter=1000).fit(means, split.labels),
        "neighbours": NearestNeighbors(n_neighbors=NEIGHBOURS).fit(means).kneighbors,
        "neighbours_faiss": lambda: Faiss().fit(means).kneighbors(),
        "graph_faiss": lambda: neighbour_graph(means, search=Faiss()),
        "clusters": lambda: partition(graph, n_classes),
        "label_set": lambda: spread_labels(graph, ten, split.labels[ten], n_classes, found),
    }


def measure(model: VAE, split: Split, rounds: int) -> Numbers:
    """Measure every step on a quarter, a half and all of some images, and what faiss misses."""
    codes: dict[str, Code] = {}
    for share, part in SHARES.items():
        steps = steps_on(model, split[: len(split) // part])
        codes |= {f"{step}_{share}": code for step, code in steps.items()}
    took = seconds_of(codes, rounds)
    means = encode(model, split.images).mean.numpy()
    exact = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(means).kneighbors()[1]
    found = Faiss().fit(means).kneighbors()[1]
    shared = [len(np.intersect1d(*pair)) for pair in zip(exact, found, strict=True)]
    return {
        **{f"seconds_scale_{name}": seconds for name, seconds in took.items()},
        **{f"growth_{step}": took[f"{step}_all"] / took[f"{step}_quarter"] for step in steps},
        "recall_faiss": float(np.mean(shared)) / NEIGHBOURS,
    }
