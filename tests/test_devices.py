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


def test_bfloat16_needs_a_processor_that_has_it_and_is_faster_with_it(monkeypatch):
    assert devices.training_precision("cpu") in (torch.float32, torch.bfloat16)
    for native in (True, False):
        for pays in (True, False):
            monkeypatch.setattr(torch.cpu, "get_capabilities", lambda n=native: {"avx512_bf16": n})
            monkeypatch.setattr(devices, "bfloat16_pays", lambda p=pays: p)
            expected = torch.bfloat16 if native and pays else torch.float32
            assert devices.training_precision("cpu") == expected
    assert devices.training_precision("mps") == torch.float32


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
