"""Fixtures: the real data, a small part of it, and folders of their own for what is written."""

import pytest
import torch

import vaelib
from vaelib.data import Dataset


@pytest.fixture(scope="session")
def mnist() -> Dataset:
    return vaelib.load("MNIST")


@pytest.fixture(scope="session")
def small(mnist) -> Dataset:
    """The first 1,000 / 500 / 500 images: enough to train on in a second."""
    return Dataset(
        name="MNIST",
        classes=mnist.classes,
        train=mnist.train[:1000],
        validation=mnist.validation[:500],
        test=mnist.test[:500],
        checksum="small",
    )


@pytest.fixture
def pixels(mnist) -> torch.Tensor:
    return vaelib.to_pixels(mnist.train.images[:64])


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("VAELIB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("VAELIB_FIGURES", str(tmp_path / "figures"))
