"""Defaults of a class that is named in place of another one.

The parser keeps the settings of the former class that the new one has too. Those that nobody gave,
the defaults of the former class, are not kept: AdamW in place of Muon begins with AdamW's rate.
"""

from dataclasses import MISSING
from functools import cache
from inspect import signature
from pkgutil import resolve_name
from types import FunctionType
from typing import Any

from jsonargparse import _typehints  # the library has no other place for it

CHANGE = "discard_init_args_on_class_path_change"


@cache
def start_from_own_defaults() -> None:
    """Let a class that is named in place of another one have its own defaults."""
    discard = getattr(_typehints, CHANGE)

    def changed(parser_or_action: Any, former: Any, new: Any) -> None:
        if former and "init_args" in former and former["class_path"] != new["class_path"]:
            given = former["init_args"]
            for name in defaults_among(former["class_path"], dict(given)):
                given.pop(name)
        discard(parser_or_action, former, new)

    setattr(_typehints, CHANGE, changed)


def defaults_among(path: str, given: dict[str, Any]) -> list[str]:
    """Return the names of the settings of a class that are its defaults.

    Args:
        path: Import path of the class, or of a function.
        given: Its settings.

    Example:
        >>> defaults_among("torch.optim.AdamW", {"lr": 1e-3, "betas": [0.9, 0.99]})
        ['lr']
    """
    owner = resolve_name(path)
    defaults: dict[str, Any] = {}
    made = [vars(kind).get("__init__") for kind in getattr(owner, "__mro__", ())] or [owner]
    for function in reversed(made):  # a base class has the defaults of arguments passed on to it
        if isinstance(function, FunctionType):
            parameters = signature(function).parameters.items()
            defaults.update({name: one.default for name, one in parameters})
    return [name for name, value in given.items() if is_default(value, defaults.get(name, MISSING))]


def is_default(value: Any, default: Any) -> bool:
    """Return whether a plain value is a default; YAML makes a list of a tuple.

    Example:
        >>> is_default([0.9, 0.999], (0.9, 0.999)), is_default(1, True), is_default(2, 2.0)
        (True, False, True)
    """
    if isinstance(default, tuple | list) and isinstance(value, tuple | list):
        return len(value) == len(default) and all(map(is_default, value, default))
    if isinstance(default, bool) or isinstance(value, bool) or default is None:
        return value is default
    return isinstance(default, int | float | str) and value == default
