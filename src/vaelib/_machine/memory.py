"""How GNU's C library gives memory out, set for networks of this size. mallopt(3).

Left alone, it guesses from the first large tensors that are freed, and which they are is chance:
in some processes every training step returns its memory to the system and asks for it again, page
by page, at a quarter of the matrix products' time. And it keeps a store for each thread, where
thousands of small fits leave 100 MB and more that nobody uses.
"""

import ctypes
import sys
from collections.abc import Callable

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # their numbers in malloc.h
MEGABYTE = 2**20


def tune_allocator() -> None:
    """From now on keep small pieces for the next step, and return large ones at once.

    The border is 4 MB: the tensors of a training step are smaller. Elsewhere nothing happens.
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
