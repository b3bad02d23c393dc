"""What a class's arguments mean, read from its source: importing it would take seconds."""

import ast
from importlib.util import find_spec
from pathlib import Path


def described_arguments(package: str, file: str, name: str) -> dict[str, str]:
    """Return the arguments of a class's constructor, each with what the docstring says of it.

    Args:
        package: Top-level package; it is found, not imported.
        file: Path within the package.
        name: Of a class in that file.

    Raises:
        ImportError: There is no such package.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ImportError(f"there is no package '{package}' here; install this program again.")
    source = (Path(spec.origin).parent / file).read_text()
    (found,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == name
    )
    (constructor,) = (
        node for node in found.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"
    )
    said = arguments_section(ast.get_docstring(found) or "")
    return {argument.arg: said[argument.arg] for argument in constructor.args.args[1:]}


def arguments_section(docstring: str) -> dict[str, str]:
    """Return the entries of a docstring's section Args, each on one line."""
    section = docstring.split("Args:\n")[1].split("\n\n")[0]
    entries: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if line.startswith(" " * 8):
            entries[name] += f" {line.strip()}"
        else:
            name, _, text = line.strip().partition(": ")
            entries[name] = text
    return entries
