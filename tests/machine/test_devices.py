"""What there is to compute on: the device, the type to multiply in, the threads, the memory."""

import json
import os
import re
import subprocess
import sys
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


@pytest.mark.parametrize("name", ["cuda:99", "meta", "gpu", ""])
def test_a_device_that_is_not_there_is_named(name):
    assert devices.check_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match=f"There is no device '{name}' here"):
        devices.check_device(name)


# --- the type to multiply in ---------------------------------------------------------------------


def test_a_torch_that_cannot_tell_the_processor_s_instructions_gets_float32(monkeypatch):
    """torch.cpu.get_capabilities came with torch 2.11; Kaggle has 2.10."""
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    monkeypatch.setattr(devices, "bfloat16_pays", lambda: True)
    assert devices.training_dtype("cpu") == torch.float32


@pytest.mark.parametrize("pays", [True, False])
@pytest.mark.parametrize("native", [True, False])
def test_bfloat16_needs_a_processor_that_has_it_and_is_faster_with_it(monkeypatch, native, pays):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})
    monkeypatch.setattr(devices, "bfloat16_pays", lambda: pays)
    expected = torch.bfloat16 if native and pays else torch.float32
    assert devices.training_dtype("cpu") == expected
    assert devices.training_dtype("mps") == torch.float32
    with devices.autocast("cpu"):
        assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype == expected


@pytest.mark.parametrize("has_it", [True, False])
def test_a_gpu_is_asked_whether_it_has_bfloat16(monkeypatch, has_it):
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: has_it)
    assert devices.training_dtype("cuda") == (torch.bfloat16 if has_it else torch.float32)


@pytest.mark.parametrize("milliseconds", [{"float32": 2, "bfloat16": 1}, {"bfloat16": 2}])
def test_bfloat16_pays_where_the_clock_says_so(monkeypatch, milliseconds):
    now = [0.0]

    def multiply(rows, _weight):
        now[0] += milliseconds.get(str(rows.dtype).removeprefix("torch."), 1) / 1000

    monkeypatch.setattr(torch, "mm", multiply)
    monkeypatch.setattr(devices.time, "perf_counter", lambda: now[0])
    pays = devices.bfloat16_pays.__wrapped__()
    assert pays == (milliseconds["bfloat16"] == 1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_matrices_are_multiplied_in_the_type_asked_for(dtype):
    with devices.autocast("cpu", dtype):
        assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype == dtype


def test_float32_asks_for_no_autocast():
    """torch warns, or fails, where a device has none."""
    with devices.autocast("meta", torch.float32):
        assert torch.ones(2, device="meta").dtype == torch.float32


# --- threads -------------------------------------------------------------------------------------

LIMITED = """
import json, torch
from threadpoolctl import threadpool_info
from vaelib._machine import devices

devices.limit_threads()
blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
print(json.dumps([torch.get_num_threads(), blas]))
"""


def in_a_process_of_its_own(code, **environment):
    """Run code as a kernel would; return what it printed, and what was told on stderr."""
    # an earlier test's Dask sets some of them
    own = {k: v for k, v in os.environ.items() if not re.search("THREADS|GOMP|MALLOC", k)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=own | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize(("torch_s", "allowed"), [("4", "1"), ("1", "4"), ("2", "4")])
def test_torch_gets_what_is_allowed_and_blas_one_thread(torch_s, allowed):
    """Binder's: LOKY_MAX_CPU_COUNT stands in for the quota that joblib reads of the system."""
    printed, _ = in_a_process_of_its_own(
        LIMITED, OMP_NUM_THREADS=torch_s, LOKY_MAX_CPU_COUNT=allowed, OPENBLAS_NUM_THREADS="2"
    )
    threads, in_blas = json.loads(printed)
    assert threads == min(int(torch_s), int(allowed))
    assert set(in_blas) <= {1}  # none on a Mac, whose own BLAS nobody can ask


def test_one_thread_computes_for_a_while_and_then_as_many_as_before():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyError), devices.one_thread():
            assert torch.get_num_threads() == 1
            raise KeyError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere, OpenMP is not GNU's.")
@pytest.mark.parametrize(("chosen", "expected"), [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7")])
def test_threads_wait_for_each_other_in_short_turns(chosen, expected):
    """OpenMP itself is asked, since it reads the variable but once, when it is loaded."""
    _, told = in_a_process_of_its_own("import vaelib", OMP_DISPLAY_ENV="VERBOSE", **chosen)
    assert f"GOMP_SPINCOUNT = '{expected}'" in told


# --- memory --------------------------------------------------------------------------------------


HOLES = """
import sys, torch
from vaelib._machine import devices
if {call}:
    devices.return_large_arrays()
torch.ones(5_000_000)  # 20 MB: from now on the C library keeps what is smaller, if it may
tensors = [torch.ones(1_000_000) for _ in range(40)]  # 160 MB
kept = tensors[::2]
del tensors
status = open("/proc/self/status").read()
print(status.split("VmRSS:")[1].split()[0])
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(devices.ctypes.CDLL(None), "mallopt"), reason="GNU only"
)
def test_a_large_array_s_memory_is_given_back_when_it_is_freed():
    """Every second of many tensors is freed: the holes between the others cannot all be kept."""
    resident = {
        call: int(in_a_process_of_its_own(HOLES.format(call=call))[0]) / 1000  # MB
        for call in (False, True)
    }
    assert resident[True] < resident[False] - 40


STEPS = """
import resource, torch
from vaelib._machine import devices
devices.return_large_arrays()
below = [torch.ones(600_000) for _ in range(30)]  # fills the heap: what follows lies at its end
for step in range(110):
    if step == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [torch.ones(size) for size in range(50_000, 450_000, 50_000)]  # 7.2 MB in all
    del arrays
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(devices.ctypes.CDLL(None), "mallopt"), reason="GNU only"
)
def test_a_training_step_takes_the_memory_that_the_last_one_freed():
    """Fetched again, page by page, it would cost 373,000 faults."""
    assert int(in_a_process_of_its_own(STEPS)[0]) < 10_000


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_memory_is_left_alone(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(devices.ctypes, "CDLL", lambda name: pytest.fail("asked for a library"))
    devices.return_large_arrays()
