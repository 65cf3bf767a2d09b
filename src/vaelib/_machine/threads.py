"""How many threads compute: sharing small sums costs more than it saves."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


def use_allowed_threads() -> None:
    """Let torch and BLAS start no more threads than this process may use.

    Left alone they start one for each processor that they see. Binder shows many and gives the
    time of one, and whoever takes more than that is put to sleep.
    """
    import scipy.linalg  # noqa: F401  its BLAS is one of its own, and must be there to be told
    from joblib import cpu_count

    allowed = min(torch.get_num_threads(), cpu_count())
    torch.set_num_threads(allowed)
    threadpool_limits(allowed, user_api="blas")


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
