import gc
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vaelib._machine import memory


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


GROWTH = """
import torch
from pathlib import Path
from vaelib._machine import memory
memory.tune_allocator()
def resident():
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1000
large = torch.ones(7_000_000)  # 28 MB, freed: what the C library learns from
del large
tensors, small = [], []
before = resident()
for _ in range(20):
    tensors.append(torch.ones(2_000_000))  # 8 MB each
    small.append(torch.ones(2000))  # lies behind it
del tensors
print(resident() - before)
"""


@pytest.mark.skipif(not hasattr(memory.ctypes.CDLL(None), "mallopt"), reason="GNU only")
def test_large_pieces_are_returned_at_once():
    """In a process of its own, since the C library cannot be set back. Untuned, 40 to 160 MB."""
    assert float(subprocess.check_output([sys.executable, "-c", GROWTH])) < 20


FAULTS = """
import resource, torch
from vaelib import TrainingSettings, VAE, train
from vaelib._machine import memory
memory.tune_allocator()
images = torch.zeros(25_600, 28, 28, dtype=torch.uint8)
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
train(VAE(), images[:2560], images[:1], TrainingSettings(epochs=1))
before = faults()
train(VAE(), images, images[:1], TrainingSettings(epochs=1))
print((faults() - before) / 100)
"""


@pytest.mark.skipif(not hasattr(memory.ctypes.CDLL(None), "mallopt"), reason="GNU only")
def test_a_training_step_finds_its_memory_where_it_left_it():
    """Untuned, some processes ask for 600 pages a step for the matrix products alone."""
    assert float(subprocess.check_output([sys.executable, "-c", FAULTS])) < 50


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_nothing_happens(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: pytest.fail("asked for a library"))
    memory.give_back()
    memory.tune_allocator()
