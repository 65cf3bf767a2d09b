"""What there is to compute on: the device, the type to multiply in, the threads, the memory."""

import ctypes
import functools
import gc
import sys
import textwrap
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from threadpoolctl import threadpool_limits

# of bfloat16's speed; no processor known lies near it, so that chance cannot choose
LEAST_GAIN = 1.2

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # in GNU's malloc.h
LARGE = 3 * 2**20  # bytes: more than the arrays of a training step, which are needed again at once
KEPT = 8 * 2**20  # bytes: what a step frees at the end of the heap, and the next one takes again


def best_device() -> torch.device:
    """Return CUDA or Apple's MPS where there is one that computes, otherwise the CPU.

    Where one is announced and cannot be used, a printed sentence says so, and why.
    """
    for kind, is_announced in (
        ("cuda", torch.cuda.is_available),
        ("mps", torch.backends.mps.is_available),
    ):
        with warnings.catch_warnings(record=True) as said:  # an old driver's, for one
            warnings.simplefilter("always")
            announced = is_announced()
            trouble = _trouble_with(kind) if announced else None
        if announced and trouble is None:
            for warning in said:  # it computes all the same, but not without a reason to be warned
                warnings.warn(warning.message, stacklevel=2)
            return torch.device(kind)
        reasons = [trouble] if trouble else [str(warning.message) for warning in said]
        if reasons:
            reason = textwrap.shorten(reasons[0], 200, placeholder=" …")
            print(f"The {kind.upper()} device cannot be used, so the CPU is. It said: {reason}")
    return torch.device("cpu")


def _trouble_with(device: str) -> str | None:
    """Compute one small product: an old card under a new build of torch is there, but cannot."""
    try:
        rows = torch.ones(8, 8, device=device)
        right = torch.mm(rows, rows).sum().item() == 8**3
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        return str(error) or type(error).__name__
    return None if right else "a product of two matrices came out wrong"


def check_device(device: torch.device | str) -> torch.device:
    """Return a device by its name; raises ValueError where there is none to compute on."""
    try:
        probe = torch.zeros(1, device=device)
        probe.item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"There is no device {str(device)!r} here to compute on. "
            "Choose 'cpu', or what vaelib.notebook.set_up() returns."
        ) from error
    return probe.device


def autocast(
    device: torch.device | str, dtype: torch.dtype | None = None
) -> AbstractContextManager[object]:
    """Return a context in which networks multiply their matrices in `dtype`.

    It is `training_dtype(device)` unless given. Weights, sums and the objective stay in float32.
    """
    dtype = dtype or training_dtype(device)
    if dtype == torch.float32:  # no autocast at all: some devices have none
        return nullcontext()
    return torch.autocast(torch.device(device).type, dtype)


def training_dtype(device: torch.device | str) -> torch.dtype:
    """Return the type to multiply matrices in: bfloat16 where it is faster, else float32.

    torch is asked whether the processor has it, since without its help bfloat16 would be slower,
    and a CPU is then timed.
    """
    device = torch.device(device)
    if device.type == "cuda":
        pays = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        can = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.11 and newer have it
        pays = (can.get("avx512_bf16") or can.get("amx_bf16")) and bfloat16_pays()
    else:
        pays = False
    return torch.bfloat16 if pays else torch.float32


@functools.cache
def bfloat16_pays() -> bool:
    """Time one layer's product on the CPU in both types, in turns: a twentieth of a second, once.

    To have the instruction is not enough: some processors take half as long with it as with
    float32 (an AMD EPYC), others nearly twice as long (an Intel Xeon whose AMX units are hidden).
    """
    fastest = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    factors = {
        precision: (torch.ones(256, 784, dtype=precision), torch.ones(784, 400, dtype=precision))
        for precision in fastest
    }
    for _ in range(12):
        for precision, (rows, weight) in factors.items():
            began = time.perf_counter()
            torch.mm(rows, weight)
            fastest[precision] = min(fastest[precision], time.perf_counter() - began)
    return fastest[torch.float32] >= LEAST_GAIN * fastest[torch.bfloat16]


def limit_threads() -> None:
    """Let torch start no more threads than this process may use, and BLAS a single one.

    Left alone, both start one for each processor that they see. Binder shows many and gives the
    time of one, and whoever takes more than that is put to sleep. And NumPy's and SciPy's BLAS
    keeps its threads spinning for the next sum: scikit-learn's small fits would take a hundred
    times as long.
    """
    import scipy.linalg  # noqa: F401  its BLAS is one of its own, and must be there to be told
    from joblib import cpu_count

    threads = min(torch.get_num_threads(), cpu_count())
    threadpool_limits(1, user_api="blas")
    torch.set_num_threads(threads)  # last, since some builds of torch share NumPy's BLAS


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread for a while, also in threads that start meanwhile."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def quick_collection() -> Iterator[None]:
    """Let `gc.collect()` look only at what is made from here on, which takes it milliseconds.

    scikit-learn's fits leave reference cycles that hold a copy of their features. Where hundreds
    of fits follow each other, each is to be cleared away before the next.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def return_large_arrays() -> None:
    """From now on, let a large array's memory go back to the system when the array is freed.

    GNU's C library would raise the size from which on it does that, and keep what is smaller in
    heaps, one for each thread, in pieces that nobody uses any more. What lies free at the end of a
    heap stays there up to 8 MB: to fetch it again, page by page, costs a training a twentieth.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt:
            mallopt(M_MMAP_THRESHOLD, LARGE)
            mallopt(M_TRIM_THRESHOLD, KEPT)
