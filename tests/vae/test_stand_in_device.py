"""Apple's GPU, played: whatever a notebook computes on a device, it asks for no float64 there.

torch's "meta" device stands in for it. Tensors there have a device, a type and a shape, and no
numbers: what is brought to the CPU reads as random ones. A mode refuses float64 there, and a
tensor of another device beside one of its own, as the real device does.
"""

from importlib import import_module

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import vaelib
from vaelib import panels
from vaelib.data import binarise
from vaelib.vae import Config, importance_weighted_bound, log_importance_weights, mean_elbo
from vaelib.vae.out_of_distribution import Detector

aten = torch.ops.aten
META, CPU = torch.device("meta"), torch.device("cpu")
READS = {aten._local_scalar_dense, aten.item, aten.is_nonzero}
COPIES = {aten._to_copy, aten.to, aten.copy_}
MLP = Config("tiny", latent_size=6, hidden_size=8, epochs=2)
CONV = Config(
    "tiny-conv", "ConvVAE", latent_size=6, channels=2, hidden_size=8, epochs=2, binarise_from=2
)


class WithoutFloat64(TorchDispatchMode):
    """Refuse float64 and other devices' tensors on the stand-in, and let its own be read."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        first = args[0] if args else None
        if isinstance(first, torch.Tensor) and first.device == META:
            if function.overloadpacket in READS:
                return torch.ones((), dtype=first.dtype).item()
            if function.overloadpacket in COPIES and CPU in [*args[1:], *kwargs.values()]:
                return torch.rand(first.shape).to(kwargs.get("dtype") or first.dtype)
        places = {tensor.device for tensor in tensors((args, kwargs)) if tensor.ndim > 0}
        if len(places) > 1 and function.overloadpacket not in COPIES:
            raise RuntimeError(f"Expected all tensors to be on the same device ({function}).")
        result = function(*args, **kwargs)
        if any(t.dtype == torch.float64 for t in tensors(result) if t.device == META):
            raise TypeError(f"Cannot convert a MPS Tensor to float64 dtype ({function}).")
        return result


def tensors(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


class AnyDevicesGenerator(torch.Generator):
    """Random numbers for the stand-in, too."""

    def __new__(cls, device=None):
        return super().__new__(cls)


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    """Give the stand-in what a real device has: random numbers and Adam in one piece."""
    monkeypatch.setattr(torch, "Generator", AnyDevicesGenerator)
    optimizer = import_module("torch.optim.optimizer")
    fused = [*optimizer._get_fused_kernels_supported_devices(), "meta"]
    monkeypatch.setattr(optimizer, "_get_fused_kernels_supported_devices", lambda: fused)
    with WithoutFloat64():
        yield


def test_the_stand_in_refuses_float64_and_other_devices():
    on_device = torch.ones(2, 2, device=META)
    with pytest.raises(TypeError, match="float64"):
        on_device.double()
    with pytest.raises(RuntimeError, match="same device"):
        torch.mm(on_device, torch.ones(2, 2))
    assert on_device.cpu().double().shape == (2, 2)


@pytest.mark.parametrize("config", [MLP, CONV], ids=lambda config: config.model)
def test_training_encoding_and_measuring(small, config):
    checkpoint = vaelib.train(config, small, META)
    assert len(checkpoint.history) == 2
    model = checkpoint.model(META)
    assert {weight.device for weight in model.parameters()} == {META}
    posterior = vaelib.encode(model, small.test.images)
    assert posterior.sample().shape == (500, 6)
    assert posterior.mean.device == CPU
    mean_elbo(model, small.test.images)
    in_distribution = torch.cat([small.train.images, small.test.images])
    assert Detector(model, in_distribution)(small.test.images).shape == (500,)


def test_the_likelihood(small):
    model = CONV.build().to(META)
    black_or_white = vaelib.to_pixels(binarise(small.test.images[:3], seed=0)).to(META)
    weights = log_importance_weights(model, black_or_white, 600, torch.Generator(META))
    assert (weights.shape, weights.dtype) == ((3, 600), torch.float64)
    assert importance_weighted_bound(weights, 5).shape == (3,)


def test_the_panels(small):
    model = MLP.build().to(META)
    sliders = panels.LatentPanel(model, small.test.images[0], [4, 1])
    sliders.live().children[0].children[0].value = 2.0
    sliders.still()
    digits = panels.DigitPanel(
        model,
        lambda means: torch.softmax(torch.from_numpy(means), dim=1).numpy(),
        small.train[:50],
        small.test.images,
        small.classes[:6],
    )
    digits.live().children[0].children[0].value = 3
    digits.still()
