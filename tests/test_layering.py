"""Imports point down: cli, commands, callbacks, emulators and datamodules, the solvers."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("cli", "commands", "callbacks", "emulators", "datamodules")
SOLVERS = "datamodules.solvers"
DESCRIPTION = "datamodules.description"
POINT_WEIGHTS = "datamodules.point_weights"
SOURCE = "datamodules.source"
FREE_MEMORY = "datamodules.storage.free_memory"
FORECASTS = "datamodules.forecast_layout"
MAY_IMPORT = {  # the innermost room first
    "datamodules/solvers/implicit": {"datamodules.solvers.implicit", "datamodules.solvers.finite"},
    "datamodules/solvers": {SOLVERS},
    "datamodules/files": {"datamodules.files", "datamodules.notices", SOLVERS},
    "datamodules/storage": {"datamodules.storage", "datamodules.files", "datamodules.notices"},
    # what emulators and callbacks are given to know of the data, so that they need nothing else of
    # datamodules; it knows axes and times of files, and reads none
    "datamodules/point_weights.py": {"datamodules.files"},
    "datamodules/description_difference.py": {"datamodules.files", DESCRIPTION},
    "datamodules/description.py": {
        "datamodules.description_difference",
        POINT_WEIGHTS,
        "datamodules.files",
        "datamodules.statistics",
        SOLVERS,
    },
    "datamodules": {"datamodules"},
    # on how many threads, and how, a processor transforms small grids
    "emulators/networks": {
        "emulators.networks",
        "datamodules.solvers.cpu",
        "datamodules.solvers.fourier",
    },
    # forecasts are datasets with the coordinates and times of files, or are written to files
    "emulators/forecasting": {
        "emulators",
        "datamodules.files",
        FREE_MEMORY,
        DESCRIPTION,
        FORECASTS,
        SOLVERS,
    },
    # an exported emulator is a folder that is written whole
    "emulators/exporting": {"emulators", "datamodules.files.atomic", DESCRIPTION, SOLVERS},
    # whether an ensemble fits into the memory
    "emulators": {
        "emulators",
        "datamodules.files.sizes",
        DESCRIPTION,
        FREE_MEMORY,
        POINT_WEIGHTS,
        SOLVERS,
    },
    "callbacks/metrics": {"callbacks.metrics", POINT_WEIGHTS, SOLVERS},
    "callbacks/plotting": {"callbacks.plotting"},
    "callbacks/diagnostics": {
        "callbacks.diagnostics",
        "callbacks.metrics",
        "callbacks.plotting",
        "emulators",
        "datamodules.statistics",
        DESCRIPTION,
        POINT_WEIGHTS,
        SOURCE,  # the protocol of what diagnostics ask of a data module
        SOLVERS,
    },
    "callbacks/comparison": {
        "callbacks.comparison",
        "callbacks.diagnostics",
        "callbacks.plotting",
        "callbacks.run.run_folder",
        "callbacks.run.scores_seal",
        "datamodules.files",
    },
    "callbacks/run": {
        "callbacks.run",
        "callbacks.diagnostics",
        "callbacks.plotting",
        "emulators",
        "datamodules.files",
        DESCRIPTION,
        FORECASTS,
        SOURCE,
        SOLVERS,
    },
    "callbacks": {"callbacks"},
    "commands/search.py": {"commands"},  # which alone knows Optuna
    "commands": {"callbacks", "commands", "emulators", "datamodules"},
}
TENSORS = {"torch", "numpy", "jaxtyping"}
TRAINING = TENSORS | {"lightning", "tqdm"}
DRAWING = {"matplotlib", "PIL", "tensorboard"}
LIBRARIES = {  # what each room may use besides the standard library
    "datamodules/solvers/implicit": TENSORS,
    "datamodules/solvers": TENSORS,
    "datamodules/files": TENSORS
    | {"netCDF4", "h5py", "zarr", "numcodecs", "scipy", "xarray", "yaml"},
    "datamodules/storage": TENSORS,
    "datamodules/point_weights.py": TENSORS,
    "datamodules/description_difference.py": {"torch"},
    "datamodules/description.py": TENSORS,
    "datamodules": TRAINING | {"netCDF4", "h5py", "lazy_loader"},
    "emulators/networks": TENSORS,
    "emulators/forecasting": TENSORS | {"xarray"},
    "emulators/exporting": TENSORS | {"lightning_utilities", "safetensors"},
    "emulators": TRAINING | {"lightning_utilities", "yaml", "lazy_loader"},
    "callbacks/metrics": TENSORS | {"torchmetrics"},
    "callbacks/plotting": DRAWING | {"numpy", "lightning"},
    "callbacks/diagnostics": TRAINING | {"torchmetrics", "xarray"} | DRAWING,
    "callbacks/comparison": {"numpy", "xarray", "yaml"} | DRAWING,
    "callbacks/run": TRAINING | {"lightning_utilities", "xarray", "netCDF4"} | DRAWING,
    "callbacks": {"lazy_loader"},
    "commands/search.py": {"optuna"},
    "commands": {"torch", "lightning", "jsonargparse", "yaml"},
}
FILES = [
    path.relative_to(ROOT)
    for package in OURS[1:]
    for path in sorted((ROOT / package).rglob("*.py"))
]
CODE = [*FILES, Path("cli.py")]


def room(path):
    return next(name for name in MAY_IMPORT if f"{path.as_posix()}/".startswith(name + "/"))


def imports(path):
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


def is_inside(module, allowed):
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def outside(path):
    """Return what a file imports of ours that lies above it."""
    ours = [module for module in imports(path) if module.split(".")[0] in OURS]
    return [module for module in ours if not is_inside(module, MAY_IMPORT[room(path)])]


def foreign(path):
    """Return the libraries that a file imports and its room may not use."""
    known = {*LIBRARIES[room(path)], *OURS, *sys.stdlib_module_names}
    return sorted({module.split(".")[0] for module in imports(path)} - known)


def test_imports_point_down():
    found = {str(path): outside(path) for path in FILES if outside(path)}
    assert not found, f"files that import from a room above: {found}"


def test_no_module_imports_itself_by_way_of_others():
    names = {path: ".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in CODE}
    paths = {name: path for path, name in names.items()}
    below = {}
    for path, name in names.items():
        tree = ast.parse((ROOT / path).read_text())
        found = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
        words = [word for node in found for word in (node.module, *inside(node))]
        below[name] = {word for word in words if word in paths and word != name}
    while leaves := [name for name, others in below.items() if not others]:
        below = {name: others - {*leaves} for name, others in below.items() if name not in leaves}
    assert not below, f"modules in a circle of imports, or above one: {sorted(below)}"


def inside(node):
    return [f"{node.module}.{alias.name}" for alias in node.names]


def test_rooms_use_their_own_libraries():
    assert set(LIBRARIES) == set(MAY_IMPORT)
    found = {str(path): foreign(path) for path in FILES if foreign(path)}
    assert not found, f"files that use a library that is not of their room: {found}"


def test_files_stay_under_400_lines():
    lengths = {str(path): len((ROOT / path).read_text().splitlines()) for path in CODE}
    found = {path: length for path, length in lengths.items() if length > 400}
    assert not found, f"files of more than 400 lines: {found}"


HELPS = """
import contextlib, io, sys
import cli

for command in ([], ["compare"], ["study"]):
    before, said = set(sys.modules), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        cli.run([*command, "--help"])
    assert " ".join(["emulate", *command]) in said.getvalue(), command
    loaded = set(sys.modules) - (before if command else set())
    large = {"torch", "lightning", "numpy"} | ({"jsonargparse"} if not command else set())
    assert not large & loaded, f"{command} --help loads {large & loaded}"
"""


def test_help_loads_no_large_library():
    done = subprocess.run([sys.executable, "-c", HELPS], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_constraints_are_names_and_versions():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    other = [line for line in lines if not re.fullmatch(r"#.*|[\w.-]+==[\w.+]+", line)]
    assert not other, f"lines of constraints.txt that are no NAME==VERSION: {other}"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_paths_named_in_a_page_exist(page):
    rooms = "benchmarks|callbacks|commands|configs|datamodules|docs|emulators|examples|tests"
    named = re.findall(rf"`((?:{rooms})/[\w./-]*)`", (ROOT / page).read_text())
    assert named
    missing = sorted({path for path in named if not (ROOT / path).exists()})
    assert not missing, f"paths in {page} that are not there: {missing}"


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) <= 700
