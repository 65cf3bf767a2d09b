"""What there is to compute on, and how precisely it should multiply."""

import torch


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
    """Return the type to multiply matrices in: bfloat16 where the processor has it, else float32.

    torch is asked, since without the processor's help bfloat16 would be slower. Weights, sums and
    the objective stay in float32, and everything is measured in float32.
    """
    device = torch.device(device)
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        can = torch.cpu.get_capabilities()
        native = can.get("avx512_bf16", False) or can.get("amx_bf16", False)
    else:
        native = False
    return torch.bfloat16 if native else torch.float32
