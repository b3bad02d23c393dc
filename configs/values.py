"""Values of options, checked before the parser of the command line looks for their meaning."""

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from inspect import signature
from types import NoneType
from typing import Any, get_args, get_type_hints

from jsonargparse import Namespace, get_loader, set_loader
from yaml import YAMLError

from configs.yaml_files import check


@cache
def check_values() -> None:
    """Refuse values of options, and files that they name, as `read_mapping` does."""
    load = get_loader("yaml")

    def checked(text: str) -> Any:
        check(text)
        return load(text)

    set_loader("yaml", checked, exceptions=(YAMLError,))


def refuse_null(settings: Any, key: str = "") -> None:
    """Refuse null for an argument of a class that takes no None, which the parser lets pass.

    Args:
        settings: Parsed options, or a part of them.
        key: Name of that part as it is typed.

    Raises:
        ValueError: As above; the sentence names the option.
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


def refuse_no_group(data: Namespace, owner: type) -> None:
    """Refuse what is no group of options where a group is expected, which the parser lets pass.

    Args:
        data: Parsed section of the data.
        owner: Class whose arguments it holds; groups are those with a dataclass as default.

    Raises:
        ValueError: As above; the sentence names the option.
    """
    for name, parameter in signature(owner).parameters.items():
        group, value = type(parameter.default), data.get(name)
        if is_dataclass(group) and not isinstance(value, Namespace | dict | group):
            options = ", ".join(field.name for field in fields(group))
            raise ValueError(f"data.{name} must be a group of options ({options}), got {value!r}.")


def takes_none(path: str, name: str, given: Mapping[str, Any]) -> bool:
    """Return whether an argument of a class may be None, or is given by whoever makes the object.

    Args:
        path: Import path of the class.
        name: Of the argument.
        given: All its arguments in the settings.
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
