"""Package and its workflows: what is shipped, pinned and tested is what the project declares."""

import re
import subprocess
import tomllib
from pathlib import Path
from shutil import which

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
NOT_SHIPPED = {"benchmarks", "build", "data", "docs", "examples", "runs", "tests"}


def workflow(name):
    """Return the steps of the first job of a workflow, and its matrix."""
    jobs = yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())["jobs"]
    job = next(iter(jobs.values()))
    return [step.get("run", "") for step in job["steps"]], job.get("strategy", {}).get("matrix", {})


def names(requirements):
    """Return the names of requirements, in the form that registries compare."""
    found = [re.match(r"[\w.-]+", requirement)[0] for requirement in requirements]
    return {name.lower().replace("_", "-") for name in found}


def test_wheel_holds_every_package_with_its_types():
    shipped = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    tops = {path.parent.name for path in ROOT.glob("*/__init__.py")} - NOT_SHIPPED
    assert set(shipped) == tops | {"configs", "cli.py"}
    assert tops == {path.parent.name for path in ROOT.glob("*/py.typed")}


def test_tests_run_with_the_first_and_the_last_python_that_is_declared():
    declared = [
        version.groups()
        for line in PROJECT["classifiers"]
        if (version := re.fullmatch(r"Programming Language :: Python :: (\d+)\.(\d+)", line))
    ]
    declared = sorted((int(major), int(minor)) for major, minor in declared)
    _, matrix = workflow("test")
    assert matrix["python"] == [f"{major}.{minor}" for major, minor in (declared[0], declared[-1])]
    assert PROJECT["requires-python"] == f">={matrix['python'][0]}"


def test_requirements_are_pinned():
    extras = PROJECT["optional-dependencies"].values()
    wanted = names([*PROJECT["dependencies"], *(name for extra in extras for name in extra)])
    pins = names(re.findall(r"^[\w.-]+==", (ROOT / "constraints.txt").read_text(), re.M))
    assert wanted - pins == {PROJECT["name"]}


def test_site_is_built_with_the_packages_of_its_extra():
    steps, _ = workflow("docs")
    words = next(step for step in steps if step.startswith("pip install")).split()[4:]
    installed = names(word.strip('"') for word in words)
    assert installed | {"mkdocs"} == names(PROJECT["optional-dependencies"]["docs"])


def test_version_and_date_are_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    heading = f"## {PROJECT['version']} - {citation['date-released']}"
    assert heading in (ROOT / "CHANGELOG.md").read_text().splitlines()


@pytest.mark.skipif(not (ROOT / ".git").exists() or not which("git"), reason="no clone")
def test_top_level_has_no_files_of_runs():
    """Examples write data and checkpoints into the working folder, which may be this one."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    top = {path.split("/")[0] for path in listed.split() if not path.startswith(".")}
    folders = {name for name in top if (ROOT / name).is_dir()}
    assert folders <= {
        *("benchmarks", "callbacks", "commands", "configs", "datamodules", "docs"),
        *("emulators", "examples", "tests"),
    }
    kinds = {Path(name).suffix for name in top - folders}
    assert kinds <= {"", ".cff", ".md", ".py", ".toml", ".txt"}
