"""Suggestions for names that do not exist: options, classes, commands."""

import inspect
import re
import sys
from argparse import Action, ArgumentParser
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, get_type_hints

FOREIGN = ("torch.", "lightning.", "torchmetrics.", "lightning_utilities.", "jsonargparse.")
# emulators and commands make these themselves: they cannot be named in a file
INTERNAL = ("emulators.FromModule", "emulators.learned.Hybrid", "commands.stages.SaveSettings")
EXAMPLES = ("Baseline", "UNet", "SpectralSolver")
"""Classes that are named first where one of several is wanted."""


def did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return `(did you mean ...?)` with the closest known name, or an empty text."""
    found = closest(name, [other for other in dict.fromkeys(known) if other != name])
    return f" (did you mean {prefix}{found}?)" if found else ""


def closest(name: str, known: list[str]) -> str | None:
    """Return the known name that is most similar to an unknown one; None if none is similar.

    In names with dots, either the last part is wrong, or the parts before it are missing.
    """
    group, _, last = name.rpartition(".")
    parts = {other: other.rpartition(".")[::2] for other in known}
    siblings = {part.lower(): other for other, (before, part) in parts.items() if before == group}
    similar = get_close_matches(last.lower(), siblings, 1, 0.7)
    if similar:
        return siblings[similar[0]]
    equal = [other for other, (_, part) in parts.items() if part == last]
    whole = {other.lower(): other for other in known}
    similar = [whole[found] for found in get_close_matches(name.lower(), whole, 1, 0.85)]
    return next(iter([*equal, *similar]), None)


def options_of(parser: ArgumentParser) -> list[str]:
    """Return the options of a parser and of its commands, without dashes."""
    names: list[str] = []
    for action in parser._actions:
        names += [name[2:] for name in action.option_strings if name.startswith("--")]
        for part in action.choices.values() if isinstance(action.choices, dict) else ():
            names += options_of(part)
    return [name for name in names if not name.endswith(("+", ".help", "help"))]


def class_at(path: str) -> type | None:
    """Return the class at an import path if its module is already imported, or None."""
    module, _, name = path.rpartition(".")
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) else None


def options_of_class(path: str) -> list[str]:
    """Return the options of a class that can be given, of its bases, too.

    Options that the data or a subclass set are left out.
    """
    kind = class_at(path)
    if kind is None:
        return []
    import jsonargparse  # large; only a wrong option needs it here

    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind)
    given = {a.dest.split(".")[0] for a in parser._actions if not is_set_by_data(a)}
    return [name for name in arguments_of(kind) if name in given]


def is_set_by_data(action: Action) -> bool:
    """Return whether the data set the value of an option, as its description says."""
    return "set by the data" in str(action.help)


def arguments_of(kind: type | None) -> list[str]:
    """Return the constructor arguments of a class, including inherited ones; empty for None."""
    names: list[str] = []
    for base in getattr(kind, "__mro__", ()):
        if "__init__" in vars(base):
            names += [*inspect.signature(base).parameters]
    return [name for name in names if name not in ("args", "kwargs")]


def classes_for(types: str, owner: str | None, option: str, argument: str = "") -> list[str]:
    """Return the names of the classes that an option accepts.

    Args:
        types: Text that may contain the import paths of accepted base classes.
        owner: Import path of the class that has the option.
        option: Name of the option in that class.
        argument: Argument that the classes should have; ignored if none has it.
    """
    for kind in getattr(class_at(owner or ""), "__mro__", ()):
        if "__init__" in vars(kind) and option in inspect.signature(kind).parameters:
            types += hint_of(kind, option)
    paths = dict.fromkeys(re.findall(r"[A-Za-z_]\w*(?:\.\w+)*\.[A-Z]\w*", types))
    bases = [class_at(path) for path in paths if not path.startswith(FOREIGN)]
    kinds = [kind for base in bases if base for kind in concrete_classes(base)]
    kinds = [kind for kind in kinds if argument in arguments_of(kind)] or kinds
    names = dict.fromkeys(kind.__name__ for kind in kinds)
    return sorted(names, key=lambda name: (name not in EXAMPLES, name))


def hint_of(kind: Any, option: str) -> str:
    """Return the type of an argument of a class as text."""
    try:
        return re.sub(
            r"[\w.]*Callable\[\[.*?\], ", "", str(get_type_hints(kind.__init__).get(option))
        )
    except (NameError, TypeError):  # an annotation that only a type checker understands
        return ""


def concrete(base: type) -> list[str]:
    """Return the names of the classes derived from a base that can be named in a file."""
    return [kind.__name__ for kind in concrete_classes(base)]


def concrete_classes(base: type) -> list[type]:
    """Return the classes derived from a base that can be named in a file."""
    found = []
    for kind in (base, *subclasses(base)):
        internal = any(path.endswith(f".{kind.__name__}") for path in INTERNAL)
        hidden = kind.__name__.startswith("_") or f"{kind.__module__}.".startswith(FOREIGN)
        if not (inspect.isabstract(kind) or internal or hidden):
            found.append(kind)
    return found


def subclasses(base: type) -> list[type]:
    """Return all classes derived from a base."""
    below: list[type] = type.__subclasses__(base)
    return [*below, *(kind for part in below for kind in subclasses(part))]
