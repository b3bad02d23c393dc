"""Defaults of a class that is named in place of another one.

The parser keeps the settings of the former class that the new one has too. Those that nobody gave,
the defaults of the former class, are not kept: AdamW in place of Muon begins with AdamW's rate.
"""

from functools import cache
from inspect import signature
from pkgutil import resolve_name
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
    parameters = signature(resolve_name(path)).parameters
    return [
        name
        for name, value in given.items()
        if name in parameters and as_list(parameters[name].default) == as_list(value)
    ]


def as_list(value: Any) -> Any:
    """Return a tuple as the list that YAML makes of it, and other values as they are."""
    return list(value) if isinstance(value, tuple) else value
