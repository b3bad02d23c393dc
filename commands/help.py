"""The parser of every command: help in words that can be typed, of classes of this project."""

import inspect
import re
import shutil
import sys
from argparse import SUPPRESS, Action, ArgumentError
from typing import Any, NoReturn

import yaml
from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace

from commands.suggestions import FOREIGN, INTERNAL, class_at, did_you_mean, options_of

WIDTH = 100


def shorter(text: str) -> str:
    """Return the description of an option without internal classes and classes of other libraries.

    Torch alone has hundreds, which its own documentation lists.
    """

    def chosen(found: re.Match) -> str:
        names = found[1].split(", ")
        if "torch.nn.Module" in names:  # any module will do, few are meant
            networks = [name for name in names if is_network(name)]
            names = [*networks, "torch.nn.Module"]
        ours = [name for name in names if not name.startswith((*FOREIGN, *INTERNAL))]
        others = sorted({name.split(".")[0] for name in names if name.startswith(FOREIGN)})
        kinds = [*ours, *(f"classes of {library}" for library in others)]
        return f", known subclasses: {', '.join(kinds)}" if kinds else ""

    return re.sub(r", known subclasses: ([\w.]+(?:, [\w.]+)*)", chosen, text)


def is_network(path: str) -> bool:
    """Return whether an import path names a network."""
    kind, network = class_at(path), class_at("emulators.Network")
    return kind is not None and network is not None and issubclass(kind, network)


def typed(default: Any) -> str:
    """Return the default of an option as it would be typed."""
    value = plain(default)
    if isinstance(value, str):
        return value
    text = yaml.safe_dump(value, default_flow_style=True, width=sys.maxsize, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def plain(value: Any) -> Any:
    """Return settings as values that YAML knows; a class with its own defaults by its name."""
    if isinstance(value, Namespace | dict):
        parts = value.as_dict() if isinstance(value, Namespace) else value
        path = parts.get("class_path")
        if not isinstance(path, str):
            return {key: plain(part) for key, part in parts.items()}
        given = parts.get("init_args") or {}
        arguments = inspect.signature(class_at(path) or dict).parameters
        changed = {
            key: plain(part)
            for key, part in given.items()
            if key not in arguments or plain(arguments[key].default) != plain(part)
        }
        return {"class_path": path, "init_args": changed} if changed else path
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, type):
        short = f"{value.__module__.split('.')[0]}.{value.__name__}"
        return short if class_at(short) is value else f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, bool | int | float | str | None):
        return value
    return str(value)


class Formatter(DefaultHelpFormatter):
    """Formatter of help with `shorter` descriptions, in lines of at least 100 letters."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("width", max(WIDTH, shutil.get_terminal_size().columns - 2))
        super().__init__(*args, **kwargs)

    def _get_help_string(self, action: Action) -> str:
        # what Lightning's descriptions say of defaults, which are other ones in this program
        text = re.sub(
            r"\s+(Default: \S+|Disabled by default \(.*?\))\.",
            "",
            super()._get_help_string(action),
        )
        return text.replace("%(default)s", typed(action.default))

    def _expand_help(self, action: Action) -> str:
        return shorter(super()._expand_help(action))


class Parser(ArgumentParser):
    """Parser of a command: its help is short, and it says what may have been meant."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", Formatter)
        kwargs.setdefault("exit_on_error", False)
        if str(kwargs.get("description")).startswith("Help for "):  # of a class: its options follow
            kwargs.setdefault("usage", SUPPRESS)
        super().__init__(*args, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Refuse what was typed."""
        found = re.fullmatch(r"unrecognized arguments: -*([^\s=]+)[^()]*", message)
        found = found or re.fullmatch(r".* does not accept option '([^']+)'", message)
        if found:
            message += did_you_mean(found[1], options_of(self), "--")
        raise ArgumentError(None, message) from ex
