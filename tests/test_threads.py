import pytest
import torch
from threadpoolctl import threadpool_info

from vaelib.threads import one_thread


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_one_thread_computes_and_afterwards_as_many_as_before():
    before, before_in_blas = torch.get_num_threads(), blas_threads()
    with pytest.raises(KeyError), one_thread():
        assert torch.get_num_threads() == 1
        assert set(blas_threads()) <= {1}  # none on a Mac, whose own BLAS nobody can ask
        raise KeyError
    assert torch.get_num_threads() == before
    assert blas_threads() == before_in_blas
