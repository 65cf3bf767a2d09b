"""The unit tests with the lowest versions that pyproject.toml admits.

On Linux, torch and torchvision are the exception: the builds on the package index bring gigabytes
of CUDA libraries along, so there they stay at the tested version. On macOS they are small.
"""

import sys

import pytest
from bare import PROJECT, ROOT, run
from packaging.requirements import Requirement

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

LARGE_ON_LINUX = {"torch", "torchvision"}
# matplotlib 3.8 calls what pyparsing has renamed since: each of its own time
OF_THE_SAME_TIME = ["pyparsing<3.3"]


def lowest(line):
    """Turn "numpy>=1.26" into "numpy==1.26"."""
    requirement = Requirement(line)
    [bound] = requirement.specifier
    return f"{requirement.name}=={bound.version}"


def versions(platform):
    """Return what to install: the lowest version of everything, or of all that is small."""
    extras = PROJECT["optional-dependencies"]
    lines = PROJECT["dependencies"] + extras["lab"] + extras["test"]
    tested = (ROOT / "constraints.txt").read_text().splitlines()
    as_tested = LARGE_ON_LINUX if platform == "linux" else set()
    return [
        *(lowest(line) for line in lines if Requirement(line).name not in as_tested),
        *(line for line in tested if line.split("==")[0] in as_tested),
    ]


def test_torch_is_the_lowest_where_it_is_small():
    small, large = versions("darwin"), versions("linux")
    assert {"torch==2.10", "torchvision==0.25"} <= set(small)
    assert set(small) - set(large) == {"torch==2.10", "torchvision==0.25"}
    assert len(small) == len(large)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="The lowest versions: the lowest Python.")
def test_unit_tests_pass_with_the_lowest_versions(new_environment, repository, tmp_path):
    environment = new_environment(tmp_path / "venv")
    environment.pip("install", "--quiet", *versions(sys.platform), *OF_THE_SAME_TIME)
    environment.pip("install", "--quiet", "--no-deps", "-e", repository)
    environment.pip("check")
    told = run(environment.python, "-m", "pytest", "-m", "not long", "-q", cwd=repository)
    assert " passed" in told
