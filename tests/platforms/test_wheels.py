"""Every version that we name has a wheel for every Python and system that we name.

pip would have to be asked once for each of the twelve pairs, and fetches large wheels to answer.
The index tells in one page for each package which files there are, and packaging, by pip's own
rules, which of them fit: seconds instead of minutes, and nothing is downloaded.
"""

import json
import os
import re
import subprocess
import sys
import urllib.request

import pytest
from bare import PROJECT, ROOT
from packaging import tags
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import (
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

pytestmark = pytest.mark.long

PYTHONS = [(3, 11), (3, 12), (3, 13), (3, 14)]
# torch's own wheels ask for glibc 2.28 and macOS 14 at least, so nobody has less
PLATFORMS = {
    "Linux": [f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)]
    + ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"],
    "macOS": list(tags.mac_platforms((14, 0), "arm64")),
    "Windows": ["win_amd64"],
}
# what only `make bench` needs, and pip compiles: Linux and macOS, with a C++ compiler
COMPILED = {"graphlearning"}
ONLY_ON = {"appnope": "macOS", "pywinpty": "Windows"}  # nobody else asks for them


def accepted(python, platforms):
    """Return every tag that a wheel for this CPython may carry."""
    interpreter = f"cp{python[0]}{python[1]}"
    return {
        *tags.cpython_tags(python, [interpreter], platforms),
        *tags.compatible_tags(python, interpreter, platforms),
    }


TARGETS = {
    (python, system): accepted(python, platforms)
    for python in PYTHONS
    for system, platforms in PLATFORMS.items()
}


@pytest.fixture(scope="module")
def files_of(package_index):
    """Ask the index that pip uses, by its standard interface, for a package's files."""
    told = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--help"],
        env=os.environ | {"COLUMNS": "1000"},  # pip breaks its lines, and addresses with them
        capture_output=True,
        text=True,
        check=True,
    )
    index = re.search(r"--index-url.*?\(default (\S+?)/?\)", told.stdout)[1]

    def ask(name):
        request = urllib.request.Request(
            f"{index}/{canonicalize_name(name)}/",
            headers={"Accept": "application/vnd.pypi.simple.v1+json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["files"]

    return ask


def wheels(files, version):
    """Yield the Pythons and the tags of each wheel of this version."""
    for file in files:
        try:
            _, found, _, carried = parse_wheel_filename(file["filename"])
        except InvalidWheelFilename:
            continue  # a source distribution, or a name from before there were rules
        if found == version and not file.get("yanked"):
            yield SpecifierSet(file.get("requires-python") or ""), carried


def without_wheel(files, version):
    """Return the Pythons and systems for which this version has no wheel."""
    offered = list(wheels(files, Version(version)))
    return [
        (python, system)
        for (python, system), fitting in TARGETS.items()
        if not any(".".join(map(str, python)) in asked and tag & fitting for asked, tag in offered)
    ]


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line.split("==") for line in lines if not line.startswith("#")]


def lowest():
    extras = PROJECT["optional-dependencies"].values()
    for line in PROJECT["dependencies"] + [line for extra in extras for line in extra]:
        requirement = Requirement(line)
        [bound] = requirement.specifier
        yield requirement.name, bound.version


def test_every_pinned_version_has_a_wheel_everywhere(files_of):
    missing = {
        f"{name}=={version}": [
            f"Python {python[0]}.{python[1]} on {system}"
            for python, system in without_wheel(files_of(name), version)
            if system == ONLY_ON.get(name, system)
        ]
        for name, version in pins()
        if name not in COMPILED
    }
    assert {pin: where for pin, where in missing.items() if where} == {}


def test_every_lowest_version_has_a_wheel_for_the_lowest_python(files_of):
    missing = [
        f"{name}=={version} on {system}"
        for name, version in lowest()
        for python, system in without_wheel(files_of(name), version)
        if python == PYTHONS[0] and name not in COMPILED
    ]
    assert missing == []


def test_what_is_compiled_has_a_source_and_is_asked_for_by_the_benchmark_alone(files_of):
    needed = {
        extra: {Requirement(line).name for line in lines} & COMPILED
        for extra, lines in PROJECT["optional-dependencies"].items()
    }
    assert {extra for extra, names in needed.items() if names} == {"bench"}
    assert not {Requirement(line).name for line in PROJECT["dependencies"]} & COMPILED
    for name in COMPILED:
        names = [file["filename"] for file in files_of(name)]
        sources = [file for file in names if file.endswith(".tar.gz")]
        assert (name, Version(dict(pins())[name])) in map(parse_sdist_filename, sources)
