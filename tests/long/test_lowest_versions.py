"""The unit tests with the lowest versions that pyproject.toml admits.

torch and torchvision are the exception: the other builds on the package index bring gigabytes of
CUDA libraries along, so they stay at the tested version here.
"""

import sys

import pytest
from bare import PROJECT, ROOT, run
from packaging.requirements import Requirement

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

AS_TESTED = {"torch", "torchvision"}
# matplotlib 3.8 calls what pyparsing has renamed since: each of its own time
OF_THE_SAME_TIME = ["pyparsing<3.3"]


def lowest(line):
    """Turn "numpy>=1.26" into "numpy==1.26"."""
    requirement = Requirement(line)
    [bound] = requirement.specifier
    return f"{requirement.name}=={bound.version}"


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="The lowest pillow has no wheel for it.")
def test_unit_tests_pass_with_the_lowest_versions(new_environment, repository, tmp_path):
    extras = PROJECT["optional-dependencies"]
    lines = PROJECT["dependencies"] + extras["lab"] + extras["test"]
    lines = [line for line in lines if Requirement(line).name not in AS_TESTED]
    torch = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line.split("==")[0] in AS_TESTED
    ]
    environment = new_environment(tmp_path / "venv")
    environment.pip("install", "--quiet", *map(lowest, lines), *torch, *OF_THE_SAME_TIME)
    environment.pip("install", "--quiet", "--no-deps", "-e", repository)
    environment.pip("check")
    told = run(environment.python, "-m", "pytest", "-m", "not long", "-q", cwd=repository)
    assert " passed" in told
