import warnings

import pytest
import torch

from vaelib._machine import devices


@pytest.fixture
def announced(monkeypatch):
    """Announce GPUs; return how: a kind of GPU → what its probe answers, None where it computes."""

    def announce(**troubles):
        monkeypatch.setattr("torch.cuda.is_available", lambda: "cuda" in troubles)
        monkeypatch.setattr("torch.backends.mps.is_available", lambda: "mps" in troubles)
        monkeypatch.setattr(devices, "_trouble_with", troubles.get)

    return announce


@pytest.mark.parametrize(
    ("troubles", "expected"),
    [({"cuda": None, "mps": None}, "cuda"), ({"mps": None}, "mps"), ({}, "cpu")],
)
def test_the_fastest_device_is_chosen(announced, capsys, troubles, expected):
    announced(**troubles)
    assert devices.best_device().type == expected
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_gpu_that_cannot_compute_is_said_and_the_cpu_taken(announced, capsys, kind):
    """An old card under a new build of torch, or the GPU of a virtual Mac."""
    announced(**{kind: "CUDA error: no kernel image is available for execution on the device\n"})
    assert devices.best_device().type == "cpu"
    [line] = capsys.readouterr().out.splitlines()
    assert line.startswith(f"The {kind.upper()} device cannot be used, so the CPU is. It said: ")
    assert line.endswith("no kernel image is available for execution on the device")


def test_an_old_driver_s_warning_becomes_a_sentence(monkeypatch, capsys):
    def without_driver():
        warnings.warn(
            "CUDA initialization: The NVIDIA driver on your system is too old", stacklevel=2
        )
        return False

    monkeypatch.setattr("torch.cuda.is_available", without_driver)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    assert devices.best_device().type == "cpu"
    assert "driver on your system is too old" in capsys.readouterr().out


def test_a_warning_about_a_gpu_that_computes_is_passed_on(announced, monkeypatch):
    def warned():
        warnings.warn("This GPU is old, and a later torch will leave it out.", stacklevel=2)
        return True

    announced(cuda=None)
    monkeypatch.setattr("torch.cuda.is_available", warned)
    with pytest.warns(UserWarning, match="a later torch will leave it out"):
        assert devices.best_device().type == "cuda"


def test_one_small_product_shows_whether_a_device_computes(monkeypatch):
    assert devices._trouble_with("cpu") is None
    assert devices._trouble_with("cuda:99")
    monkeypatch.setattr(torch, "mm", lambda rows, _: rows)
    assert "came out wrong" in devices._trouble_with("cpu")


def test_a_torch_that_cannot_tell_the_processor_s_instructions_gets_float32(monkeypatch):
    """torch.cpu.get_capabilities came with torch 2.11; Kaggle has 2.10."""
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    monkeypatch.setattr(devices, "bfloat16_pays", lambda: True)
    assert devices.training_precision("cpu") == torch.float32


def test_bfloat16_needs_a_processor_that_has_it_and_is_faster_with_it(monkeypatch):
    assert devices.training_precision("cpu") in (torch.float32, torch.bfloat16)
    for native in (True, False):
        for pays in (True, False):
            monkeypatch.setattr(torch.cpu, "get_capabilities", lambda n=native: {"avx512_bf16": n})
            monkeypatch.setattr(devices, "bfloat16_pays", lambda p=pays: p)
            expected = torch.bfloat16 if native and pays else torch.float32
            assert devices.training_precision("cpu") == expected
    assert devices.training_precision("mps") == torch.float32


def test_float32_asks_for_no_autocast():
    """torch warns, or fails, where a device has none."""
    with devices.multiplying_in(torch.float32, "meta"):
        assert torch.ones(2, device="meta").dtype == torch.float32


@pytest.mark.parametrize("milliseconds", [{"float32": 2, "bfloat16": 1}, {"bfloat16": 2}])
def test_bfloat16_pays_where_the_clock_says_so(monkeypatch, milliseconds):
    now = [0.0]

    def multiply(rows, _weight):
        now[0] += milliseconds.get(str(rows.dtype).removeprefix("torch."), 1) / 1000

    monkeypatch.setattr(torch, "mm", multiply)
    monkeypatch.setattr(devices.time, "perf_counter", lambda: now[0])
    pays = devices.bfloat16_pays.__wrapped__()
    assert pays == (milliseconds["bfloat16"] == 1)


def test_matrices_are_multiplied_in_the_precision_asked_for():
    with devices.multiplying_in(torch.bfloat16, "cpu"):
        assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype == torch.bfloat16
    with devices.multiplying_in(torch.float32, "cpu"):
        assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype == torch.float32
