"""Parser of all commands, whose help shows options as they are typed and no internal classes."""

import inspect
import re
import shutil
import sys
from argparse import SUPPRESS, Action, ArgumentError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, NoReturn

import yaml
from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace

from commands.constructors import path_of, refusals_reported
from commands.refused_options import name_option
from commands.suggestions import (
    FOREIGN,
    INTERNAL,
    class_at,
    did_you_mean,
    is_set_by_data,
    options_of,
)

WIDTH = 100
LONGEST_TYPE = 20
GROUP = "Path to a configuration file."


def shorter(text: str) -> str:
    """Return the description of an option without internal classes and classes of other libraries.

    Torch alone has hundreds of classes, which its own documentation lists. Types are written
    consistently.
    """
    text = re.sub(r"<class '(\w+)'>", r"\1", text)
    text = re.sub(r"Optional\[([\w.]+|Literal\[[^\]]*\])\]", r"\1 | null", text)

    def chosen(found: re.Match) -> str:
        names = found[1].split(", ")
        if "torch.nn.Module" in names:  # any module will do, few are meant
            networks = [name for name in names if is_network(name)]
            names = [*networks, "torch.nn.Module"]
        ours = [name for name in names if not name.startswith((*FOREIGN, *INTERNAL))]
        default = re.search(r"default: \[(.*)", found.string[: found.start()], re.DOTALL)
        listed = re.findall(r"[\w.]+", default[1]) if default else []
        if set(ours) & set(listed):  # once is enough
            ours = ["these", *(name for name in ours if name not in listed)]
        others = sorted({name.split(".")[0] for name in names if name.startswith(FOREIGN)})
        kinds = [*ours, *(f"classes of {library}" for library in others)]
        return f", known subclasses: {', '.join(kinds)}" if ours else ""

    return re.sub(r", known subclasses: ([\w.]+(?:, [\w.]+)*)", chosen, text)


def is_network(path: str) -> bool:
    """Return whether an import path names a network."""
    kind, network = class_at(path), class_at("emulators.Network")
    return kind is not None and network is not None and issubclass(kind, network)


def typed(default: object) -> str:
    """Return the default of an option as it would be typed."""
    value = as_yaml(default)
    if isinstance(value, str):
        return value
    text = yaml.safe_dump(value, default_flow_style=True, width=sys.maxsize, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def as_yaml(value: object) -> object:
    """Return settings as plain YAML values; a class with default arguments becomes its name."""
    if isinstance(value, Namespace | dict):
        parts = value.as_dict() if isinstance(value, Namespace) else value
        path = parts.get("class_path")
        if not isinstance(path, str):
            return {key: as_yaml(part) for key, part in parts.items()}
        given = parts.get("init_args") or {}
        arguments = inspect.signature(class_at(path) or dict).parameters
        changed = {
            key: as_yaml(part)
            for key, part in given.items()
            if key not in arguments or as_yaml(arguments[key].default) != as_yaml(part)
        }
        return {"class_path": path, "init_args": changed} if changed else path
    if isinstance(value, list | tuple):
        return [as_yaml(part) for part in value]
    if isinstance(value, type):
        short = f"{value.__module__.split('.')[0]}.{value.__name__}"
        return short if class_at(short) is value else path_of(value)
    if isinstance(value, bool | int | float | str | None):
        return value
    return str(value)


class Formatter(DefaultHelpFormatter):
    """Formatter of help with `shorter` descriptions, in lines of at least 100 letters.

    An option with the same name and description as an earlier one refers to that one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_help_position", 20)
        kwargs.setdefault("width", max(WIDTH, shutil.get_terminal_size().columns - 2))
        super().__init__(*args, **kwargs)
        self.described: dict[tuple[str, str], str] = {}

    def _format_action(self, action: Action) -> str:
        full = action.help or ""
        name = next(iter(action.option_strings), "")
        first = self.described.setdefault((name.rpartition(".")[2], full), name)
        if "." in name and full == GROUP:
            first = ""  # its metavariable says so
        elif first == name or len(full) < len(f"As {first}."):
            return super()._format_action(action)
        try:
            action.help = f"As {first}." if first else ""
            return super()._format_action(action)
        finally:
            action.help = full

    def _get_type_str(self, action: Action) -> str | None:
        text = super()._get_type_str(action)  # long ones say less than the description
        return text if text is None or len(text) <= LONGEST_TYPE else None

    def add_argument(self, action: Action) -> None:
        """Add an option to the help, except those that the data determine."""
        if not is_set_by_data(action):
            super().add_argument(action)

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


def is_brief(option: str) -> bool:
    """Return whether the short help lists an option; most `.help` options are left out.

    >>> [is_brief(name) for name in ("data.format", "data.format.help", "model.help")]
    [True, False, True]
    """
    return not option.endswith(".help") or option in ("model.help", "trainer.callbacks.help")


def shown_groups(groups: list[Any], shown: Callable[[str], bool]) -> list[Any]:
    """Return copies of option groups that contain only the options to be shown.

    Options without a prefix come first. Where several parts have the same options, as the splits of
    the data do, only the first part lists them all; the others list the options that differ.
    """
    copies: list[Any] = []
    first: dict[tuple[str, str | None, str], str] = {}
    alike: dict[str, str] = {}
    for group in groups:
        actions = []
        for action in group._group_actions:
            name = name_of(action)
            if not name or not shown(name):
                continue
            leaf = name.rpartition(".")[2]
            earlier = first.setdefault((leaf, action.help, str(action.default)), name)
            if earlier == name:
                actions.append(action)
            else:
                part, other = different(name, earlier)
                alike.setdefault(part, other)
        if actions:
            copies.append(copy(group))
            copies[-1]._group_actions = actions
    for group in copies:
        part = name_of(group._group_actions[0])
        if part in alike:
            group.title += f" (other options as in --{alike[part]})"
    return sorted(copies, key=is_of_a_part)


def name_of(action: Action) -> str:
    """Return the name of an option without dashes; empty for a link between options."""
    names = [name for name in action.option_strings if name.startswith("-")]
    return names[-1].strip("-+") if names else ""


def different(name: str, other: str) -> tuple[str, str]:
    """Return two option names without the ending that they share.

    >>> different("data.val.times.start", "data.train.times.start")
    ('data.val', 'data.train')
    """
    words, others = name.split("."), other.split(".")
    while words[1:] and others[1:] and words[-1] == others[-1]:
        words, others = words[:-1], others[:-1]
    return ".".join(words), ".".join(others)


@contextmanager
def showing(parser: Any, shown: Callable[[str], bool]) -> Iterator[None]:
    """Hide options of a parser for which `shown` is false, within a `with` block."""
    groups = parser._action_groups
    parser._action_groups = shown_groups(groups, shown)
    try:
        yield
    finally:
        parser._action_groups = groups


def is_of_a_part(group: Any) -> bool:
    """Return whether the options of a group begin with the name of a part, such as `data`."""
    first = name_of(group._group_actions[0])
    return "." in first or first in ("trainer", "model", "data")


class Parser(ArgumentParser):
    """Parser of a command with short help and suggestions for misspelt options.

    Attributes:
        shown: Function that returns whether the help lists an option; all options by default.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", Formatter)
        kwargs.setdefault("exit_on_error", False)
        if str(kwargs.get("description")).startswith("Help for "):  # of a class: its options follow
            kwargs.setdefault("usage", SUPPRESS)
        super().__init__(*args, **kwargs)
        self.shown: Callable[[str], bool] = bool  # all

    def format_help(self, *args: Any, **kwargs: Any) -> str:
        """Return the help of the options that are shown, with the options of the command first."""
        with showing(self, self.shown):
            return super().format_help(*args, **kwargs)

    def instantiate(self, settings: Any, **kwargs: Any) -> Any:
        """Instantiate the settings; errors of constructors name the option as it is typed."""
        with refusals_reported():
            try:
                return super().instantiate(settings, **kwargs)
            except ValueError as error:
                name_option(error, settings)
                raise

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the error of a command line, with a suggestion for an unknown option."""
        found = re.fullmatch(r"unrecognized arguments: -*([^\s=]+)[^()]*", message)
        found = found or re.fullmatch(r".* does not accept option '([^']+)'", message)
        if found:
            message += did_you_mean(found[1], options_of(self), "--")
        raise ArgumentError(None, message) from ex
