"""Strict YAML reader: duplicate keys, excessive nesting and expanding anchors are errors.

PyYAML keeps the last of duplicate keys, recurses into nested collections until Python raises
RecursionError, and lets a few lines of anchors expand to millions of values. The checks use the
events of the parser, before any object is built.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from commands.shipped import close_file

DEPTH = 100
SIZE = 100_000
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_mapping(file: Path) -> dict[Any, Any]:
    """Return the keys and values of a YAML file.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not UTF-8 text, not YAML, or not a mapping from keys to values.
    """
    if not file.is_file():
        found = "is a folder" if file.is_dir() else f"no such file{close_file(file)}"
        raise FileNotFoundError(f"{file}: {found}; give the path of a YAML file.")
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{file} is not text in UTF-8 (byte {error.object[error.start]:#04x} at "
            f"{error.start}); give a YAML file, saved as UTF-8."
        ) from None
    try:
        check(text)
        found = yaml.load(text, LOADER)
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(
            f"{file} is not readable as YAML: {' '.join(str(error).split())}"
        ) from None
    if not isinstance(found, dict):
        kind = "empty" if found is None else f"{found!r:.80}"
        raise ValueError(f"{file} is {kind}, expected lines such as 'key: value'.")
    return found


def check_parts(file: Path, settings: dict[Any, Any]) -> None:
    """Check that the sections `data` and `trainer` are mappings, which the parser does not."""
    for name in ("data", "trainer"):
        if not isinstance(settings.get(name), dict | str | None):
            raise ValueError(
                f"{file}: '{name}' is {settings[name]!r:.80}, expected a section of options."
            )


@dataclass
class Open:
    """Collection whose end has not been read: anchor, number of values, and keys of a mapping."""

    anchor: str | None
    size: int = 1
    keys: set[str] | None = None
    children: int = 0

    def add(self, size: int, key: str | None) -> None:
        """Count a child of `size` values; `key` is its text if it is a scalar."""
        self.size += size
        if self.keys is not None and self.children % 2 == 0 and key not in (None, "<<"):
            if key in self.keys:
                raise ValueError(f"the key '{key}' is given twice in one place; remove one.")
            self.keys.add(key)
        self.children += 1


def check(text: str) -> None:
    """Check YAML for duplicate keys, excessive nesting and excessive repetition.

    Raises:
        ValueError: A key is given twice, collections are nested or repeated too often, or contain
            themselves.
    """
    if not any(letter in text for letter in "\n{[&*"):  # one plain value
        return
    sizes: dict[str, int] = {}
    stack = [Open(None)]
    for event in yaml.parse(text, LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            keys: set[Any] | None = set() if isinstance(event, yaml.MappingStartEvent) else None
            stack.append(Open(event.anchor, keys=keys))
            if len(stack) > DEPTH:
                raise ValueError(f"more than {DEPTH} collections are nested; write it flatter.")
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = stack.pop()
            sizes[closed.anchor or ""] = closed.size
            stack[-1].add(closed.size, None)
        elif isinstance(event, yaml.ScalarEvent):
            sizes[event.anchor or ""] = 1
            stack[-1].add(1, event.value)
        elif isinstance(event, yaml.AliasEvent):
            if any(one.anchor == event.anchor for one in stack):
                raise ValueError(f"the anchor '{event.anchor}' contains itself; write it out.")
            stack[-1].add(sizes.get(event.anchor, 1), None)
        if stack[-1].size > SIZE:
            raise ValueError(
                f"it expands to more than {SIZE:,} values; write fewer, or repeat fewer anchors."
            )
