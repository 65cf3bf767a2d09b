"""Less memory that is held and not used: GNU's C library, set for notebooks. mallopt(3).

Left alone, it learns from the first large tensor that is freed to keep whatever is below 32 MB,
and it keeps a store for every thread. Thousands of small fits in two threads then hold a few
hundred MB that nobody uses, which on a small machine is what the next notebook lacks.
"""

import ctypes
import sys
from collections.abc import Callable

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # their numbers in malloc.h
MEGABYTE = 2**20


def keep_little() -> None:
    """From now on return large pieces as soon as they are free. Elsewhere nothing happens.

    Above 4 MB, that is: the tensors of a training step stay below, and are used again at once.
    """
    if set_option := _function("mallopt"):
        set_option(MMAP_THRESHOLD, 4 * MEGABYTE)
        set_option(TRIM_THRESHOLD, 32 * MEGABYTE)
        set_option(ARENA_MAX, 2)


def give_back() -> None:
    """Return now whatever is free, also among pieces that are not. Elsewhere nothing happens."""
    if trim := _function("malloc_trim"):
        trim(0)


def _function(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
