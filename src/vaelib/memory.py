"""Memory that is free again, and does not look so."""

import ctypes
import sys


def give_back() -> None:
    """Return free memory to the system, which the C library would keep for what comes next.

    After many small fits in several threads that is a few hundred MB, which another notebook
    could use. GNU's library can do it (malloc_trim(3)); elsewhere nothing happens.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)
