"""How many threads compute: sharing small sums costs more than it saves."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread for a while: torch, also in threads that start meanwhile, and BLAS.

    NumPy's and SciPy's BLAS keeps its other threads spinning for the next sum; they would take
    the processors from whoever runs beside.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(threads)
