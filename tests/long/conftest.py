"""Fixtures that take a while: a repository to clone from, and environments made from nothing."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from bare import ADDRESS, PROJECT, ROOT, Environment, run
from packaging.requirements import Requirement


@pytest.fixture(scope="session")
def new_environment(tmp_path_factory):
    """Make an environment with nothing but pip; skip where there is no package index to fill it."""
    folder = tmp_path_factory.mktemp("probe")
    probe = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--retries=1"]
    reached = subprocess.run([*probe, "-d", folder, "iniconfig"], capture_output=True).returncode
    if reached != 0 and "CI" not in os.environ:
        pytest.skip("This test fills an environment, and no package index can be reached.")

    def make(folder: Path) -> Environment:
        venv.create(folder, with_pip=True, symlinks=True)
        return Environment(folder)

    return make


@pytest.fixture(scope="session")
def without_vaelib(new_environment, tmp_path_factory):
    """What Colab and Binder's conda bring: every package that the series needs, but not itself."""
    environment = new_environment(tmp_path_factory.mktemp("bare") / "venv")
    needs = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["lab"]
    names = [Requirement(need).name for need in needs]
    environment.pip("install", "--quiet", "-c", ROOT / "constraints.txt", *names)
    assert "vaelib" not in environment.installed()
    return environment


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """A repository with what lies in the working tree, committed or not, under the tag."""
    folder = tmp_path_factory.mktemp("origin") / "repository"
    listed = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(["git", *listed], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in names.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    author = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    run("git", "init", "--quiet", cwd=folder)
    run("git", "add", "--all", cwd=folder)
    run("git", *author, "commit", "--quiet", "--message=as it is", cwd=folder)
    run("git", "tag", ADDRESS.tag, cwd=folder)
    return folder
