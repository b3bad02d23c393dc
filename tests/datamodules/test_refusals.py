"""Every refusal of a file ends with an option that helps, or with `emulate inspect`."""

import ast
from pathlib import Path

import pytest

import datamodules

FOLDER = Path(datamodules.__file__).parent / "files"
# modules that write files or parse units, and do not refuse data files
OTHERS = {"atomic", "provenance", "growing_zarr", "sealed", "units", "integrity"}
# what helps: an option, the command, a package, or a command of the program that wrote the file
HELP = ("data.", "emulate inspect", "inspection_of(", "install ", "torch.save", "in Julia",
        "remedy}", "{option}", "_instead(")  # fmt: skip


def refusals():
    """Yield the place and the text of each error that names a file."""
    for path in sorted(FOLDER.rglob("*.py")):
        source = path.read_text()
        for node in ast.walk(ast.parse(source)) if path.stem not in OTHERS else ():
            raised = isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
            if raised and ast.unparse(node.exc.func) == "ValueError" and node.exc.args:
                text = ast.unparse(node.exc.args[0])
                if "path}" in text or "folder}" in text or "store}" in text:
                    yield pytest.param(text, id=f"{path.name}:{node.lineno}")


@pytest.mark.parametrize("text", list(refusals()))
def test_a_refusal_ends_with_what_helps(text):
    end = max(text.rfind("; "), 0)
    assert any(word in text[end:] for word in HELP), text[end:]
