"""Fixtures that take a while: a repository to clone from, and environments made from nothing."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from bare import ADDRESS, ROOT, Environment, run, versions

BUILD_AT_HAND = {"torch", "torchvision"}


@pytest.fixture(scope="session")
def package_index(tmp_path_factory):
    """Skip where no package index can be reached; in CI there has to be one."""
    folder = tmp_path_factory.mktemp("probe")
    probe = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--retries=1"]
    reached = subprocess.run([*probe, "-d", folder, "iniconfig"], capture_output=True).returncode
    if reached != 0 and "CI" not in os.environ:
        pytest.skip("This test asks a package index, and none can be reached.")


@pytest.fixture(scope="session")
def new_environment(package_index):
    """Make an environment with nothing but pip, for a test to fill from the package index."""

    def make(folder: Path) -> Environment:
        venv.create(folder, with_pip=True, symlinks=True)
        return Environment(folder)

    return make


@pytest.fixture(scope="session")
def without_vaelib(tmp_path_factory):
    """What Binder's conda brings: every package that the series needs, but not itself."""
    environment = Environment(Path(sys.prefix)).copy(tmp_path_factory.mktemp("bare") / "venv")
    environment.pip("uninstall", "--quiet", "--yes", "vaelib")
    assert "vaelib" not in environment.installed()
    return environment


@pytest.fixture(scope="session")
def environments(new_environment, tmp_path_factory):
    """Return a function: a platform's name → an environment with the versions that it ships."""
    made = {}

    def make(name: str) -> Environment:
        if name not in made:
            folder = tmp_path_factory.mktemp(name) / "venv"
            made[name] = fill(folder, name, base=next(iter(made.values()), None))
        return made[name]

    def fill(folder: Path, name: str, base: Environment | None) -> Environment:
        listed = versions(f"tests/platforms/{name}.txt")
        # of torch, the build at hand: the others bring gigabytes of CUDA libraries along
        listed |= {p: v for p, v in versions("constraints.txt").items() if p in BUILD_AT_HAND}
        pins = {package: f"{package}=={version}" for package, version in listed.items()}
        environment = base.copy(folder) if base else new_environment(folder)
        # one by one, as a platform's versions need not agree with each other
        environment.pip("install", "--quiet", "--no-deps", *pins.values())
        while missing := environment.missing():
            environment.pip("install", "--quiet", "--no-deps", *missing)
        return environment

    return make


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
