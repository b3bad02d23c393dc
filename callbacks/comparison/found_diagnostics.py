"""Search for the diagnostics that computed scores; they define columns and panels.

Scores name the module of each class. A file must not make its reader run code, so the only modules
that are imported belong to this program, are named on the command line, or are in the working
directory and define the class; their text is parsed before it is run.
"""

import ast
import importlib
import pkgutil
import sys
import traceback
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import callbacks.diagnostics
from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.diagnostics.compared import Column, Panel, Run, ScoreLayout, methods

Diagnostic = type[RolloutDiagnostic]
Part = TypeVar("Part", Column, Panel)


def find_diagnostics(
    about: dict[str, Any], modules: Collection[str] = ()
) -> dict[str, Diagnostic | None]:
    """Return the classes of the diagnostics named in scores; None for a class not imported.

    Args:
        about: Provenance of the scores.
        modules: Names of modules that may be imported, wherever they are.
    """
    named = about.get("diagnostics", {}).items()
    place = Path.cwd()
    return {name: find(name, entry["module"], tuple(modules), place) for name, entry in named}


@cache
def find(name: str, module: str, modules: tuple[str, ...], folder: Path) -> Diagnostic | None:
    """Return the class of this name in a module, or None, with a note, if it is not imported.

    Args:
        name: Name of the class.
        module: Name of its module.
        modules: Names of modules that may be imported, wherever they are.
        folder: Working directory.
    """
    if module not in modules and module not in library_modules():
        why = reason_against_import(name, module, folder)
        if why:
            note(f"{module}.{name} brings no column and no panel of its own: {why}.")
            return None
    try:
        if module in modules:
            pkgutil.resolve_name(module)  # imports what lies in the working directory, too
        found = pkgutil.resolve_name(f"{module}:{name}")
    except Exception as error:  # raised by a module of the user
        note(f"{module}.{name} has no column and no panel of its own: {reason(error)}")
        return None
    if isinstance(found, type) and issubclass(found, RolloutDiagnostic):
        return found
    note(f"{module}.{name} has no column and no panel of its own: it is not a RolloutDiagnostic.")
    return None


@cache
def library_modules() -> tuple[str, ...]:
    """Return the names of the modules of this program's diagnostics, in alphabetical order."""
    package = callbacks.diagnostics
    return tuple(one.name for one in pkgutil.iter_modules(package.__path__, f"{package.__name__}."))


@cache
def library_diagnostics() -> tuple[Diagnostic, ...]:
    """Return this program's diagnostics, each from its module."""
    modules = map(importlib.import_module, library_modules())
    return tuple(
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, RolloutDiagnostic)
        and kind.__module__ == module.__name__
    )


def reason_against_import(name: str, module: str, folder: Path) -> str | None:
    """Return the reason why a module of a class is not imported from a folder, or None."""
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        return "this is not the name of a module"
    place = folder.joinpath(*parts)
    files = [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()]
    other = f"run this where {parts[0]} is, or add --diagnostics {module}"
    if not files:
        return f"the module is not in the working directory; {other}"
    spec = find_spec(parts[0])  # of what would come first; ours come last
    if spec is not None and not lies_in(spec.origin, folder):
        return f"another module is called {parts[0]}; rename it"
    try:
        tree = ast.parse(files[0].read_bytes())
    except (SyntaxError, ValueError) as error:
        return f"{files[0]} is not Python ({error})"
    if any(isinstance(part, ast.ClassDef) and part.name == name for part in tree.body):
        return None
    return f"{files[0]} defines no such class"


def lies_in(origin: str | None, folder: Path) -> bool:
    """Return whether the file of a module lies in a folder."""
    return origin is not None and Path(origin).resolve().is_relative_to(folder.resolve())


@cache
def note(text: str) -> None:
    """Print a note on a part that is left out of a comparison, each note once."""
    print(f"note: {text}", file=sys.stderr, flush=True)


def reason(error: Exception) -> str:
    """Return the kind, the message and the place of an error on one line."""
    *_, last = traceback.extract_tb(error.__traceback__) or [None]
    place = f" ({Path(last.filename).name}, line {last.lineno})" if last else ""
    return " ".join(f"{type(error).__name__}: {error}{place}".split())


def columns_of(kind: Diagnostic) -> list[Column] | None:
    """Return the columns of a diagnostic; None, with a note, if it fails to list them."""
    try:
        columns = kind.columns()
        return None if columns is None else [checked(column, Column) for column in columns]
    except Exception as error:  # raised by a diagnostic of the user
        note(f"{kind.__name__}.columns is left out: {reason(error)}")
        return None


def panels_of(kind: Diagnostic) -> list[Panel]:
    """Return the panels of a diagnostic; none, with a note, if it fails to list them."""
    try:
        return [checked(panel, Panel) for panel in kind.panels()]
    except Exception as error:  # raised by a diagnostic of the user
        note(f"{kind.__name__}.panels is left out: {reason(error)}")
        return []


def checked(part: object, wanted: type[Part]) -> Part:
    """Return the object if it is of the expected type; raise TypeError otherwise."""
    if isinstance(part, wanted):
        return part
    raise TypeError(f"its list holds {part!r:.80}, expected a {wanted.__name__}; return those only")


def all_diagnostics(runs: Sequence[Run]) -> list[Diagnostic]:
    """Return this program's diagnostics, then the user's own that scored the runs.

    All diagnostics of this program are among them, because scores of earlier versions name none.
    """
    own = (kind for run in runs for kind in run.diagnostics)
    return list(dict.fromkeys((*library_diagnostics(), *own)))


def layouts(kinds: Iterable[Diagnostic]) -> dict[str, ScoreLayout]:
    """Return the layouts of all scores that diagnostics add to a comparison, by name."""
    return {layout.name: layout for kind in kinds for layout in kind.layouts}


def panels(runs: Sequence[Run], figure: str) -> list[Panel]:
    """Return the panels of a figure whose scores the runs have."""
    shared = [
        kind
        for kind in all_diagnostics(runs)
        if kind in library_diagnostics() or all(kind in run.diagnostics for run in runs)
    ]
    found = dict.fromkeys(panel for kind in shared for panel in panels_of(kind))
    compared = methods(runs)
    known = [panel for panel in found if panel.figure == figure and panel.drawn(compared)]
    return sorted(known, key=lambda panel: panel.place)
