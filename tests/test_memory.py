import gc
import sys
from pathlib import Path

import pytest
import torch

from vaelib import memory


def resident() -> float:
    """Return the process's resident memory in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1000


@pytest.mark.skipif(not hasattr(memory.ctypes.CDLL(None), "malloc_trim"), reason="GNU only")
def test_what_is_free_is_given_back():
    """Every second of many small tensors: what lies between them cannot be given back unasked."""
    tensors = [torch.zeros(10_000) for _ in range(4000)]  # 160 MB
    kept = tensors[::2]
    del tensors
    gc.collect()
    before = resident()
    memory.give_back()
    assert resident() < before - 40
    assert sum(tensor.sum() for tensor in kept) == 0


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_nothing_happens(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: pytest.fail("asked for a library"))
    memory.give_back()
