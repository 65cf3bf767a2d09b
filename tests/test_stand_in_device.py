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
from vaelib import latent, panels
from vaelib._machine import devices
from vaelib.vae import objective, out_of_distribution, training

aten = torch.ops.aten
META, CPU = torch.device("meta"), torch.device("cpu")
READS = {aten._local_scalar_dense, aten.item, aten.is_nonzero}
COPIES = {aten._to_copy, aten.to, aten.copy_}
MLP = vaelib.Recipe(
    "tiny", sizes={"latent_size": 6, "hidden_size": 8}, training=vaelib.TrainingSettings(2)
)
CONV = vaelib.Recipe(
    "tiny-conv",
    model="ConvVAE",
    sizes={"latent_size": 6, "channels": 2, "hidden_size": 8},
    training=vaelib.TrainingSettings(2, binarise_from=2),
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
    monkeypatch.setattr(devices, "best_device", lambda: META)
    with WithoutFloat64():
        yield


def test_the_stand_in_refuses_float64_and_other_devices():
    on_device = torch.ones(3, device=META)
    with pytest.raises(TypeError, match="float64"):
        on_device.double()
    with pytest.raises(TypeError, match="float64"):
        torch.zeros(2, dtype=torch.float64, device=META)
    with pytest.raises(RuntimeError, match="same device"):
        torch.mm(torch.ones(2, 2, device=META), torch.ones(2, 2))
    assert on_device.cpu().double().shape == (3,)


@pytest.mark.parametrize("recipe", [MLP, CONV], ids=lambda recipe: recipe.model)
def test_training_encoding_and_measuring(small, recipe):
    run = vaelib.train_and_save(recipe, small, device=META)
    assert len(run.history) == 2
    model = run.model(device=META)
    assert {weight.device for weight in model.parameters()} == {META}
    assert latent.encode(model, small.test.images).mean.shape == (500, 6)
    training.mean_elbo_terms(model, small.test.images)
    known = torch.cat([small.train.images, small.test.images])
    assert out_of_distribution.compare_with_known(
        model, known, small.test.images
    ).outside.shape == (500,)


def test_the_likelihood(small):
    model = CONV.build().to(META)
    black_or_white = vaelib.to_pixels(vaelib.binarise(small.test.images[:3], seed=0)).to(META)
    weights = objective.log_importance_weights(
        model, black_or_white, 40, torch.Generator(META), chunk=20
    )
    assert (weights.shape, weights.dtype) == ((3, 40), torch.float64)
    assert objective.importance_weighted_bound(weights, 5).shape == (3,)


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
