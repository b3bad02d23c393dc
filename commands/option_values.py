"""Checks of option values that the parser of the command line does not make."""

import os
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from inspect import signature
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from jsonargparse import Namespace, get_loader, set_loader
from yaml import YAMLError

from commands.own_defaults import start_from_own_defaults
from commands.yaml_files import check


@cache
def check_values() -> None:
    """Check every YAML value that the parser loads, and keep no defaults of a former class."""
    load = get_loader("yaml")

    def checked(text: str) -> Any:
        from emulators.former_names import rename  # takes a second, and help needs none of it

        check(text)
        return rename(load(text))

    set_loader("yaml", checked, exceptions=(YAMLError,))
    start_from_own_defaults()


def expand_home(settings: Any) -> Any:
    """Return nested settings with a leading `~` of strings and paths expanded to the home folder.

    A shell expands `~` only at the start of a word, not in `--option=~/path` nor in a YAML file.
    """
    if isinstance(settings, str | Path) and str(settings).startswith("~"):
        return type(settings)(os.path.expanduser(settings))
    if isinstance(settings, list):
        return [expand_home(part) for part in settings]
    if isinstance(settings, dict):
        return {key: expand_home(value) for key, value in settings.items()}
    if isinstance(settings, Namespace):
        return Namespace(**{key: expand_home(value) for key, value in vars(settings).items()})
    return settings


def refuse_null(settings: object, key: str = "") -> None:
    """Check that null is only given to arguments that accept None, which the parser does not.

    Args:
        settings: Parsed options, or a part of them.
        key: Name of that part as it is typed.

    Raises:
        ValueError: There is such a value; the sentence names the option.
    """
    if isinstance(settings, list):
        for part in settings:
            refuse_null(part, key)
    if not isinstance(settings, Namespace):
        return
    owner, parts = settings.get("class_path"), vars(settings)
    if isinstance(owner, str):
        parts = vars(settings.get("init_args") or Namespace())
        for name, value in parts.items():
            if value is None and not takes_none(owner, name, parts):
                raise ValueError(
                    f"{key}.{name} is null, which {owner.rpartition('.')[2]} does not take; give "
                    "a value, or leave it out."
                )
    for name, value in parts.items():
        refuse_null(value, f"{key}.{name}" if key else name)


def refuse_no_group(settings: Any, owner: type, key: str = "data") -> None:
    """Raise an error if a group of options is given a single value, or a member is null.

    The parser accepts both.

    Args:
        settings: Parsed options of a class, or of a group within them.
        owner: Class of the options; groups are its arguments that are dataclasses.
        key: Name of these options as it is typed.

    Raises:
        ValueError: There is such a value; the sentence names the option.
    """
    hints = get_type_hints(owner.__init__)  # type: ignore[misc] # of the class, no instance
    for name in signature(owner).parameters:
        hint, value = hints.get(name, Any), settings.get(name, MISSING)
        group = hint if isinstance(hint, type) and is_dataclass(hint) else None
        if value is MISSING or (group and isinstance(value, group)):
            continue
        if group:
            if not isinstance(value, Namespace | dict):
                options = ", ".join(field.name for field in fields(group))
                raise ValueError(
                    f"{key}.{name} must be a group of options ({options}), got {value!r}."
                )
            refuse_no_group(value, group, f"{key}.{name}")
        elif value is None and hint is not Any and NoneType not in get_args(hint):
            raise ValueError(f"{key}.{name} is null; give a value, or leave it out.")


def takes_none(path: str, name: str, given: Mapping[str, Any]) -> bool:
    """Return whether an argument may be None, or is supplied by the object that constructs it.

    Args:
        path: Import path of the class.
        name: Name of the argument.
        given: All arguments of the class in the settings.
    """
    module, _, owner = path.rpartition(".")
    for kind in getattr(getattr(sys.modules.get(module), owner, None), "__mro__", ()):
        arguments = signature(kind).parameters if "__init__" in vars(kind) else {}
        if name not in arguments:
            continue
        required = [one for one, a in arguments.items() if a.default is a.empty]
        if name in required and given.get(required[0]) is None:  # as networks are made by emulators
            return True
        try:
            hint = get_type_hints(kind.__init__).get(name, Any)
        except (NameError, TypeError):  # a user's annotation that only a type checker understands
            return True
        return hint is Any or arguments[name].default is None or NoneType in get_args(hint)
    return True
