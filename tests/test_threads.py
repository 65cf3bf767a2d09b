import json
import os
import subprocess
import sys

import pytest
import torch
from threadpoolctl import threadpool_info

from vaelib._machine.threads import one_thread


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


def in_a_process_of_its_own(code, **environment):
    """Run code as a kernel would; return what it printed, and what was told on stderr."""
    own = {name: value for name, value in os.environ.items() if "THREADS" not in name}
    own.pop("GOMP_SPINCOUNT", None)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=own | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, done.stderr


SET_UP = """
import json, torch, vaelib
from threadpoolctl import threadpool_info
from vaelib import notebook

notebook.set_up()
blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
print(json.dumps([torch.get_num_threads(), blas]))
"""


def test_no_more_threads_than_the_quota_allows():
    """Binder's: LOKY_MAX_CPU_COUNT stands in for the quota that joblib reads of the system."""
    printed, _ = in_a_process_of_its_own(SET_UP, LOKY_MAX_CPU_COUNT="1")
    said, counts = printed.splitlines()
    threads, in_blas = json.loads(counts)
    assert threads == 1
    assert set(in_blas) <= {1}
    assert "1 thread;" in said


def test_fewer_threads_stay_fewer():
    printed, _ = in_a_process_of_its_own(SET_UP, OMP_NUM_THREADS="1", LOKY_MAX_CPU_COUNT="4")
    assert json.loads(printed.splitlines()[-1])[0] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere, OpenMP is not GNU's.")
@pytest.mark.parametrize(("chosen", "expected"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7")])
def test_threads_wait_for_each_other_in_short_turns(chosen, expected):
    """OpenMP itself is asked, since it reads the variable but once, when it is loaded."""
    _, told = in_a_process_of_its_own("import vaelib", OMP_DISPLAY_ENV="VERBOSE", **chosen)
    assert f"GOMP_SPINCOUNT = '{expected}'" in told
