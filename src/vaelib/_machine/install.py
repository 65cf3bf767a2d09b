"""Make .venv with the tested versions, as make does first.

Where that cannot work, one sentence says why, and what to do. An older Python is told so by this
file as well: it keeps to what Python 3.6 can read.
"""

import platform
import subprocess
import sys

OLDEST, NEWEST = (3, 11), (3, 14)
TESTED = ["-c", "constraints.txt", "-e", ".[lab,test]"]
PIP = [".venv/bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check"]


def main() -> None:
    """Check this Python before anything is made, then make the environment and fill it."""
    trouble = unfit() or without_venv() or without_packages()
    if trouble:
        print(trouble)
        sys.exit(1)


def unfit() -> str:
    """Say why the packages do not exist for this Python, or nothing."""
    here = sys.version_info[:2]
    if not OLDEST <= here <= NEWEST:
        return (
            f"This needs Python 3.{OLDEST[1]} to 3.{NEWEST[1]}, and {sys.executable} is Python "
            f"{here[0]}.{here[1]}: install one of those, then make PYTHON=python3.12 (its name)."
        )
    if (platform.system(), platform.machine()) == ("Darwin", "x86_64"):
        return (
            "This Python is built for a Mac with an Intel processor, and pip has no newer PyTorch "
            "for those than 2.2: use conda, as the README shows, or on an Apple processor a "
            "Python that is built for that."
        )
    return ""


def without_venv() -> str:
    """Make an empty environment; say why that failed, or nothing."""
    if subprocess.call([sys.executable, "-m", "venv", ".venv"]) == 0:
        return ""
    return "Python's venv module is missing: install it (Debian: apt install python3-venv)."


def without_packages() -> str:
    """Install the packages; say why that failed, in pip's own words, or nothing."""
    errors = []
    install = [*PIP, "install", *TESTED]
    with subprocess.Popen(install, stderr=subprocess.PIPE, errors="replace") as pip:
        for line in pip.stderr:
            sys.stderr.write(line)  # the whole story, as it happens
            errors += line.split("ERROR:")[1:]
    if pip.returncode == 0:
        return ""
    # the first error is the cause, and those after it follow from it
    cause = f'pip says "{errors[0].strip()}"' if errors else f"pip ended with {pip.returncode}"
    if index_answers():
        advice = "The network is not to blame: see what pip names, and whether the disk is full"
    else:
        advice = "The package index does not answer: check the network"
    return f"The packages could not be installed; {cause}. {advice}, then run make again."


def index_answers() -> bool:
    """Ask for the versions of a package that every Python has; that takes no room on the disk."""
    ask = [*PIP, "index", "versions", "--no-cache-dir", "--retries=1", "iniconfig"]
    nowhere = subprocess.DEVNULL
    return subprocess.call(ask, stdout=nowhere, stderr=nowhere) == 0


if __name__ == "__main__":
    main()
