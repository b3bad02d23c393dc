"""What an import loads, in a process of its own: large libraries take seconds."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from commands.garbage import resume_collections, suspend_collections

ROOT = Path(__file__).parents[1]
LARGE = {"torch", "numpy", "lightning", "torchmetrics", "xarray", "pandas", "matplotlib", "h5py"}
LARGE |= {"netCDF4", "jsonargparse", "tensorboard", "scipy", "sympy", "PIL"}
NEEDED = {
    "import callbacks, datamodules, emulators": set(),
    "from datamodules.solvers import BetaPlane, SpectralSolver": {"torch", "numpy"},
    "import commands.inspect_files, commands.compare, commands.generate, commands.study": set(),
    "import callbacks.plotting.snapshots, datamodules.files.inspection": {
        *("torch", "numpy", "matplotlib", "PIL", "tensorboard", "h5py", "netCDF4"),
    },
}


@pytest.mark.parametrize("statement", NEEDED)
def test_import_loads_no_library_that_it_does_not_need(statement):
    program = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    words = [sys.executable, "-c", program]
    loaded = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert LARGE & {*loaded.split()} <= NEEDED[statement]


def test_exported_names_are_found_and_others_are_not():
    import emulators  # as users write it

    assert {"Baseline", "UNet", "load"} <= {*dir(emulators)} == {*emulators.__all__}
    assert emulators.Baseline.__name__ == "Baseline"
    with pytest.raises(AttributeError, match="Basline"):
        emulators.Basline  # noqa: B018


def test_garbage_is_collected_after_the_imports_and_not_among_what_they_made(monkeypatch, say):
    during = []
    monkeypatch.setattr("cli.run", lambda words: during.append(gc.isenabled()))
    assert say("compare")[0] == 0
    assert during == [False]
    assert gc.isenabled()


def test_what_is_imported_is_searched_for_garbage_by_no_collection():
    """Neither while it is imported, nor later, nor when Python ends."""
    lines = (
        "import gc",
        "from commands.garbage import resume_collections, suspend_collections",
        "suspend_collections()",
        "passes = []",
        "gc.callbacks.append(lambda *about: passes.append(about))",
        "import json, decimal, argparse",
        "resume_collections()",
        "print(gc.isenabled(), gc.get_freeze_count() > 1000, passes)",
    )
    words = [sys.executable, "-c", "\n".join(lines)]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said == "True True []\n"


def test_collections_that_another_program_disabled_stay_so():
    gc.disable()
    try:
        suspend_collections()
        resume_collections()
        assert not gc.isenabled()
    finally:
        gc.enable()
