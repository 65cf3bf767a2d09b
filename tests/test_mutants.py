"""No change of a number in the core goes unnoticed by the tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutation import mutants_of


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_no_mutant_of_the_numeric_core_survives():
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("mutants.py")],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.splitlines()[-1].split()[0]) > 400


def test_mutants_change_one_thing_each():
    changes = [mutant.change for mutant in mutants_of("objective")]
    assert "mean.square() + log_variance.exp() → mean.square() - log_variance.exp()" in changes
    assert "log_variance.exp() → log_variance" in changes
    assert "dim=1" not in changes
    assert len(changes) > 80
