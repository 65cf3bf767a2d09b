"""The package builds without a warning, with the lowest setuptools and with the newest.

A form whose end setuptools has announced would one day stop every pip line of the README.
"""

import tomllib

import pytest
from bare import PYPROJECT, run
from packaging.requirements import Requirement

pytestmark = pytest.mark.long

[SETUPTOOLS] = map(Requirement, tomllib.loads(PYPROJECT)["build-system"]["requires"])
[LOWEST] = SETUPTOOLS.specifier
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


@pytest.mark.parametrize("setuptools", [f"setuptools=={LOWEST.version}", "setuptools"])
def test_the_package_builds_without_a_warning(setuptools, new_environment, repository, tmp_path):
    environment = new_environment(tmp_path / "venv")
    environment.pip("install", "--quiet", "--upgrade", setuptools)
    run(environment.python, "-W", "error", "-c", BUILD, tmp_path, cwd=repository)
    [wheel] = tmp_path.glob("vaelib-*.whl")
    assert wheel.stat().st_size > 0
