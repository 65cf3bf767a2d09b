"""Binder, as far as it can be played without Docker and conda.

What reads `environment.yml` on Binder is repo2docker: it is asked what it would do. The conda side
of the file cannot be installed here; its packages stand there under pip's names, in the tested
versions, and the pip side is then installed as conda does it.
"""

import pytest
import yaml
from bare import ADDRESS, run

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

ASK = """
from repo2docker.app import Repo2Docker
packs = [pack("docker.io/library/buildpack-deps:jammy") for pack in Repo2Docker().buildpacks]
pack = next(pack for pack in packs if pack.detect())
print(type(pack).__name__, pack.python_version)
print(pack.get_preassemble_script_files())
print([script for _, script in pack.get_assemble_scripts()])
"""


def test_repo2docker_builds_the_conda_environment_with_the_whole_repository(
    new_environment, repository, tmp_path
):
    environment = new_environment(tmp_path / "venv")
    environment.pip("install", "--quiet", "jupyter-repo2docker")
    answer = run(environment.python, "-c", ASK, cwd=repository)
    pack, files, scripts = answer.strip().splitlines()[-3:]
    python = yaml.safe_load((repository / "environment.yml").read_text())["dependencies"][0]
    assert pack == f"CondaBuildPack {python.removeprefix('python=')}"
    # nothing is copied ahead: the environment is built when the package's source lies beside it
    assert files == "{}"
    assert 'env update -p ${NB_PYTHON_PREFIX} --file "environment.yml"' in scripts


def test_pip_side_brings_the_package_and_nothing_else(without_vaelib, repository, tmp_path):
    environment = without_vaelib.copy(tmp_path / "venv")
    before = environment.installed()
    pip_side = yaml.safe_load((repository / "environment.yml").read_text())["dependencies"][-1]
    listed = repository / "pip-side.txt"  # conda, too, lists these lines in a file beside its own
    listed.write_text("\n".join(pip_side["pip"]) + "\n")
    environment.pip("install", "--quiet", "-r", listed, cwd=repository)
    listed.unlink()
    after = environment.installed()
    assert after.pop("vaelib") == ADDRESS.tag.removeprefix("v")
    assert after == before
    environment.pip("check")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    load = "import vaelib; print(len(vaelib.load('MNIST').test))"
    assert run(environment.python, "-c", load, cwd=elsewhere).strip().endswith("10000")
