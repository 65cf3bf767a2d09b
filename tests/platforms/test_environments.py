"""The lists of packages, for pip, conda and CI, agree with each other and with the README."""

import functools
import importlib.metadata
import re
import runpy
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
INSTALL = runpy.run_path(str(ROOT / "src/vaelib/_machine/install.py"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, RUFF = PYPROJECT["project"], PYPROJECT["tool"]["ruff"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
FORM = yaml.safe_load(
    (ROOT / ".github" / "ISSUE_TEMPLATE" / "cell-failed.yml").read_text(encoding="utf-8")
)
# what conda-forge calls the packages whose names differ there
CONDA_NAMES = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}
PLATFORMS = sorted((ROOT / "tests" / "platforms").glob("*.txt"))
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
# what pip knows of a machine when it asks whether a package is needed there
SYSTEMS = {
    "Linux": {"platform_system": "Linux", "sys_platform": "linux", "os_name": "posix"},
    "macOS": {"platform_system": "Darwin", "sys_platform": "darwin", "os_name": "posix"},
    "Windows": {"platform_system": "Windows", "sys_platform": "win32", "os_name": "nt"},
}


def ranges(lines):
    requirements = [Requirement(line) for line in lines]
    return {requirement.name: requirement.specifier for requirement in requirements}


@functools.cache
def constraints():
    return pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))


def pins(text):
    pairs = [line.split("==") for line in text.splitlines() if not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def conda_side():
    lines = [line for line in ENVIRONMENT["dependencies"] if isinstance(line, str)]
    return ranges(line for line in lines if not re.match(r"python=|pip$", line))


def run_side():
    return ranges(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["lab"])


def everything():
    extras = PROJECT["optional-dependencies"]
    return run_side() | ranges(extras["test"] + extras["bench"] + extras["site"])


def test_conda_gets_the_same_packages_in_the_same_ranges():
    conda = {CONDA_NAMES.get(name, name): range_ for name, range_ in conda_side().items()}
    assert conda == run_side()


def test_conda_gets_the_package_itself_through_pip():
    assert ENVIRONMENT["dependencies"][-1] == {"pip": ["-e ."]}
    assert "pip" in ENVIRONMENT["dependencies"]
    assert ENVIRONMENT["channels"] == ["conda-forge", "nodefaults"]


def test_python_is_given_as_binder_reads_it():
    """One equals sign and two numbers; anything else and repo2docker takes its own default."""
    [python] = [line for line in ENVIRONMENT["dependencies"] if str(line).startswith("python")]
    assert re.fullmatch(r"python=3\.\d+", python)
    assert python.removeprefix("python=") in PYTHONS


def test_binder_reads_no_other_file():
    """repo2docker would prefer a file in binder/, and read none beside it."""
    assert [name for name in ("binder", ".binder") if (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", sorted(everything()))
def test_tested_version_lies_in_the_range(name):
    assert constraints()[name] in everything()[name]


@pytest.mark.parametrize("name", sorted(everything()))
def test_range_has_a_lower_bound_and_no_upper(name):
    assert [part.operator for part in everything()[name]] == [">="]


def test_constraints_are_exact_and_name_each_package_once():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("# ")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    assert len(constraints()) == len(lines)


def asked_for(name, extra, machine):
    """Yield what an installed package asks for on a machine, which need not be this one."""
    for line in importlib.metadata.requires(name) or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(machine | {"extra": extra}):
            yield requirement


def needs(machine):
    """Yield every requirement there, and who asks: ours, theirs, and so on."""
    extras = PROJECT["optional-dependencies"]
    todo = [Requirement(line) for line in PROJECT["dependencies"] + extras["lab"] + extras["test"]]
    seen = set()
    while todo:
        requirement = todo.pop()
        for part in {(canonicalize_name(requirement.name), e) for e in ("", *requirement.extras)}:
            if part in seen or not is_installed(part[0]):
                continue
            seen.add(part)
            for other in asked_for(*part, machine):
                yield part[0], other
                todo.append(other)


def is_installed(name):
    """Tell whether this machine has a package, and so what it asks for; another may need more."""
    try:
        version = Version(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False
    if name in constraints() and version.public != constraints()[name].public:
        pytest.skip(f"{name} is not installed here in the version of constraints.txt.")
    return True


def is_pinned(requirement):
    pin = constraints().get(canonicalize_name(requirement.name))
    return pin is not None and pin in requirement.specifier


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_constraints_name_all_that_is_needed_on_every_system_and_python(system, python):
    """Otherwise pip takes the newest there, which nobody has tested."""
    machine = SYSTEMS[system] | {"python_version": python, "python_full_version": f"{python}.0"}
    by_torch = re.compile(r"nvidia-|cuda-|triton")  # which names the exact versions itself
    unmet = [
        f"{name} asks for {requirement}"
        for name, requirement in needs(machine)
        if not by_torch.match(requirement.name) and not is_pinned(requirement)
    ]
    assert unmet == []


def test_constraints_name_nothing_else():
    """But for the site's packages: tests/platforms/test_site.py installs those."""
    machines = [
        system | {"python_version": python, "python_full_version": f"{python}.0"}
        for system in SYSTEMS.values()
        for python in PYTHONS
    ]
    needed = {canonicalize_name(other.name) for each in machines for _, other in needs(each)}
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    site = pins(text.partition("# what make site needs beside\n")[2])
    assert set(site) > set(ranges(PROJECT["optional-dependencies"]["site"]))
    assert set(constraints()) - set(site) - needed - set(everything()) == set()


def test_the_pythons_are_the_same_everywhere():
    oldest, newest = PYTHONS[0], PYTHONS[-1]
    assert PROJECT["requires-python"] == f">={oldest}"
    assert RUFF["target-version"] == f"py{oldest.replace('.', '')}"
    assert f"You need Python {oldest} to {newest}, and make." in README
    assert [f"3.{minor}" for _, minor in (INSTALL["OLDEST"], INSTALL["NEWEST"])] == [oldest, newest]
    assert f"install Python {oldest} to {newest}," in MAKEFILE
    assert f"on Python {oldest} to {newest}:" in (ROOT / "constraints.txt").read_text()


def test_readme_without_make_installs_what_make_installs():
    *options, packages = INSTALL["TESTED"]
    assert f'python -m pip install {" ".join(options)} "{packages}"' in README
    lab = re.search(r"jupyter lab .*", MAKEFILE)[0]
    assert README.count(lab) == 2  # by pip and by conda


def test_readme_names_the_conda_environment():
    assert "conda env create -f environment.yml" in README
    assert f"conda activate {ENVIRONMENT['name']}" in README


def test_workflow_runs_on_every_python_and_system():
    jobs = WORKFLOW["jobs"]
    assert jobs["make-test"]["strategy"]["matrix"]["os"] == ["ubuntu-latest", "macos-latest"]
    for job in ("make-test", "windows-without-make"):
        pythons = jobs[job]["strategy"]["matrix"]["python"]
        assert pythons == PYTHONS
        assert all(python in SpecifierSet(PROJECT["requires-python"]) for python in pythons)
    assert "3.10" not in SpecifierSet(PROJECT["requires-python"])


def test_workflow_calls_what_there_is():
    steps = [
        step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step
    ]
    targets = {target for run in steps for target in re.findall(r"^make ([\w-]+)", run)}
    assert targets == {"test", "test-all", "mutants"}
    assert all(f"\n{target}:" in MAKEFILE for target in targets)
    windows = [step.get("run", "") for step in WORKFLOW["jobs"]["windows-without-make"]["steps"]]
    [install] = [run for run in windows if "pip install" in run]
    assert install in README


def test_newest_versions_are_tried_weekly():
    schedule = WORKFLOW[True]["schedule"]  # YAML takes the key "on" for a truth value
    assert len(schedule) == 1
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", schedule[0]["cron"])
    newest = WORKFLOW["jobs"]["newest-versions"]
    assert "schedule" in newest["if"]
    [install] = [step["run"] for step in newest["steps"] if "pip install" in step.get("run", "")]
    assert "--upgrade" in install
    assert "constraints" not in install
    assert newest["strategy"]["matrix"]["python"] == [PYTHONS[0], PYTHONS[-1]]


def test_mutants_and_the_lowest_torch_are_tried_weekly():
    assert "schedule" in WORKFLOW["jobs"]["mutants"]["if"]
    job = WORKFLOW["jobs"]["lowest-torch"]
    assert "schedule" in job["if"]
    assert job["runs-on"] == "macos-latest"
    *_, install, test = [step["run"] for step in job["steps"] if "run" in step]
    assert "make .venv/installed" in install
    assert (ROOT / test.split("pytest ")[1]).is_file()
    lowest = {name: str(everything()[name]) for name in ("torch", "torchvision")}
    assert lowest == {"torch": ">=2.10", "torchvision": ">=0.25"}


def test_issue_form_offers_the_four_notebooks():
    [notebooks] = [field for field in FORM["body"] if field.get("id") == "notebook"]
    titles = re.findall(r"^\| (\d · [^|]+?) \|", README, flags=re.MULTILINE)
    assert notebooks["attributes"]["options"] == titles


def test_citation_names_this_project_and_version():
    assert CITATION["title"] == README.split("\n")[0].removeprefix("# ")
    assert str(CITATION["version"]) == PROJECT["version"]
    assert CITATION["license"] == "MIT"


def test_the_package_names_the_licence_of_the_code_and_of_the_data_it_brings():
    assert PROJECT["license"] == "MIT AND CC-BY-SA-3.0"
    code, data = ((ROOT / file).read_text(encoding="utf-8") for file in PROJECT["license-files"])
    assert code.startswith("MIT License")
    assert "CC BY-SA 3.0" in data


@pytest.mark.parametrize("path", PLATFORMS, ids=lambda path: path.stem)
def test_a_platform_s_list_names_what_the_series_needs_its_date_and_how_to_renew_it(path):
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    comment = " ".join(line for line in lines if line.startswith("#"))
    names = {line.split("==")[0].lower() for line in lines if not line.startswith("#")}
    needs = {Requirement(line).name for line in PROJECT["dependencies"]} - {"filelock"}  # by torch
    assert needs | {"ipykernel", "ipython"} <= names
    platform, month = re.match(r"# (\w+), (\w+ 20\d\d), Python 3\.\d+", head).groups()
    assert "To renew:" in comment
    assert f"{platform}, played: its packages of {month}" in README
