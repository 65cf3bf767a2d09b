"""An environment of its own for a test, and commands that run in it."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from vaelib.authoring import pages

ROOT = Path(__file__).parents[1]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(PYPROJECT)["project"]
ADDRESS = pages.read_address(PYPROJECT)


def versions(file: str) -> dict[str, str]:
    """Read a list of exact versions: package → version."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def run(*command, cwd=None, **variables):
    """Run a command without our own VAELIB_ variables; return what it printed, or fail with it."""
    environment = {name: v for name, v in os.environ.items() if not name.startswith("VAELIB_")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout[-4000:]}"
    return done.stdout


@dataclass(frozen=True)
class Environment:
    """A virtual environment in a folder of its own."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def pip(self, *arguments, **options):
        return run(self.python, "-m", "pip", "--disable-pip-version-check", *arguments, **options)

    def installed(self) -> dict[str, str]:
        # stderr stands in the same text, before the one line of JSON
        listed = json.loads(self.pip("list", "--format=json").strip().splitlines()[-1])
        return {package["name"]: package["version"] for package in listed}

    def missing(self) -> list[str]:
        """Return the packages that others need and that are not installed."""
        check = [self.python, "-m", "pip", "--disable-pip-version-check", "check"]
        told = subprocess.run(check, capture_output=True, text=True).stdout
        return sorted(set(re.findall(r"requires (\S+), which is not installed", told)))

    def site_packages(self) -> Path:
        [folder] = self.folder.glob("lib/python*/site-packages")
        return folder

    def copy(self, folder: Path) -> "Environment":
        """Return a second one with the same packages, as hard links: it costs a second."""
        shutil.copytree(self.folder, folder, symlinks=True, copy_function=os.link)
        return Environment(folder)
