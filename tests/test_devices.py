import pytest
import torch

from vaelib import devices


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(1, 1, "cuda"), (0, 1, "mps"), (0, 0, "cpu")]
)
def test_the_fastest_device_is_chosen(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr("torch.cuda.is_available", lambda: bool(cuda))
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: bool(mps))
    assert devices.best_device().type == expected


def test_precision_is_what_the_processor_has(monkeypatch):
    assert devices.training_precision("cpu") in (torch.float32, torch.bfloat16)
    for native in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda n=native: {"avx512_bf16": n})
        expected = torch.bfloat16 if native else torch.float32
        assert devices.training_precision("cpu") == expected
    assert devices.training_precision("mps") == torch.float32


def test_matrices_are_multiplied_in_the_precision_asked_for():
    with devices.multiplying_in(torch.bfloat16, "cpu"):
        assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype == torch.bfloat16
    with devices.multiplying_in(torch.float32, "cpu"):
        assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype == torch.float32
