"""Fixtures: the real data, a small part of it, and folders of their own for what is written."""

import pytest
import torch
from hypothesis import HealthCheck, Phase, settings

import vaelib
from vaelib.data.splits import Dataset

settings.register_profile("vaelib", deadline=None, derandomize=True, max_examples=60)
# for tests/mutants.py: the first input that fails will do, and a busy machine is no failure
settings.register_profile(
    "mutants",
    settings.get_profile("vaelib"),
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
    suppress_health_check=(HealthCheck.too_slow,),
)
settings.load_profile("vaelib")


# small sums on two threads wait for each other whenever the machine has something else to do
torch.set_num_threads(1)


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
    monkeypatch.setenv("VAELIB_CHECKPOINTS", str(tmp_path / "runs"))
    monkeypatch.setenv("VAELIB_FIGURES", str(tmp_path / "figures"))
