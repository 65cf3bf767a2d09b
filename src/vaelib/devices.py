"""What there is to compute on, and how precisely it should multiply."""

import functools
import time

import torch

# of bfloat16's speed; no processor known lies near it, so that chance cannot choose
LEAST_GAIN = 1.2


def best_device() -> torch.device:
    """Return CUDA or Apple's MPS where there is one, otherwise the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def check_device(device: torch.device | str) -> torch.device:
    """Return a device by its name; raises ValueError where there is none to compute on."""
    try:
        probe = torch.zeros(1, device=device)
        probe.item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"There is no device {str(device)!r} here to compute on. "
            "Choose 'cpu', or vaelib.devices.best_device()."
        ) from error
    return probe.device


def multiplying_in(precision: torch.dtype, device: torch.device | str) -> torch.autocast:
    """Return a context in which a network's matrices are multiplied in `precision`."""
    lower = precision != torch.float32
    return torch.autocast(torch.device(device).type, precision, enabled=lower)


def training_precision(device: torch.device | str) -> torch.dtype:
    """Return the type to multiply matrices in: bfloat16 where it is faster, else float32.

    torch is asked whether the processor has it, since without its help bfloat16 would be slower,
    and a CPU is then timed. Weights, sums and the objective stay in float32, and everything is
    measured in float32.
    """
    device = torch.device(device)
    if device.type == "cuda":
        pays = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        can = torch.cpu.get_capabilities()
        native = can.get("avx512_bf16", False) or can.get("amx_bf16", False)
        pays = native and bfloat16_pays()
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
