"""Imports point down: cli, its stages, callbacks, emulators and datamodules, the solvers."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("cli", "callbacks", "emulators", "datamodules", "configs")
MAY_IMPORT = {
    "datamodules/solvers": {"datamodules.solvers"},
    "emulators/networks": {"emulators.networks"},
    "emulators/implicit": {"emulators.implicit", "datamodules.solvers"},
    "emulators": {"emulators", "datamodules.solvers"},
    "datamodules": {"datamodules"},
    "callbacks": {
        "callbacks",
        "emulators",
        "datamodules.solvers",
        "datamodules.netcdf",
        "datamodules.statistics",
    },
    "configs/stages.py": {"callbacks", "emulators", "datamodules"},
    "configs": {"configs"},
}
LIBRARIES = {  # what the lowest rooms may use besides the standard library
    "datamodules/solvers": {"torch", "numpy", "jaxtyping"},
    "emulators/networks": {"torch", "numpy", "jaxtyping"},
    "emulators/implicit": {"torch", "numpy", "jaxtyping"},
    "configs": {"yaml"},
}
FILES = [
    path.relative_to(ROOT)
    for package in OURS[1:]
    for path in sorted((ROOT / package).rglob("*.py"))
]


def room(path):
    return next(name for name in MAY_IMPORT if f"{path.as_posix()}/".startswith(name + "/"))


def imports(path):
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_down(path):
    allowed = MAY_IMPORT[room(path)]
    for module in imports(path):
        if module.split(".")[0] in OURS:
            inside = any(module == name or module.startswith(f"{name}.") for name in allowed)
            assert inside, f"{path} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_low_rooms_use_few_libraries(path):
    allowed = LIBRARIES.get(room(path))
    if allowed is not None:
        for module in imports(path):
            top = module.split(".")[0]
            assert top in allowed or top in OURS or top in sys.stdlib_module_names, module


@pytest.mark.parametrize("path", [*FILES, Path("cli.py")], ids=str)
def test_files_stay_under_300_lines(path):
    assert len((ROOT / path).read_text().splitlines()) <= 300


@pytest.mark.parametrize("command", [[], ["generate"], ["compare"], ["study"]])
def test_help_loads_no_large_library(command):
    code = (
        "import atexit, sys, cli; atexit.register(lambda: print(*sys.modules)); "
        f"cli.run({[*command, '--help']})"
    )
    words = [sys.executable, "-c", code]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert " ".join(["emulate", *command]) in said
    assert not {"torch", "lightning", "numpy"} & set(said.split())
    assert command or "jsonargparse" not in said.split()


def test_constraints_are_names_and_versions():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"#.*|[\w.-]+==[\w.+]+", line), line
