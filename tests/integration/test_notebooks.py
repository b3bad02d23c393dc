"""The notebooks run, with fewer training steps, and have outputs of the kinds that they give."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))


@pytest.fixture
def executed():
    spec = importlib.util.spec_from_file_location("execute", ROOT / "docs/notebooks/execute.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.executed


def kinds(notebook):
    """Return the kinds of the outputs of each code cell."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [[output["output_type"] for output in cell["outputs"]] for cell in cells]


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["hidden_velocity", "own_data", "quick_look"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, executed, tmp_path, single_precision):
    text, count = re.subn(r"max_steps=\d+", "max_steps=2", path.read_text())
    assert count == 1
    copy = tmp_path / path.name
    copy.write_text(text)
    stored = json.loads(path.read_text())
    assert kinds(executed(copy)) == kinds(stored)
    assert sum(map(len, kinds(stored))) >= 2
    assert path.stat().st_size < 100_000
