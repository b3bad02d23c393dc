"""Patterns that match some files and no others, and the splits that their names tell."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from glob import escape
from itertools import takewhile
from pathlib import Path

from datamodules.files.paths import find_files

WORDS = {
    "train": {"train", "training"},
    "val": {"val", "valid", "validation"},
    "test": {"test", "testing"},
}


def named_splits(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Return the files of each split by the words in their names; none if these do not decide.

    Example:
        >>> names = "latest/train1.nc", "latest/valid.nc", "latest/test.nc"
        >>> found = named_splits([Path(name) for name in names])
        >>> {split: [path.name for path in paths] for split, paths in found.items()}
        {'train': ['train1.nc'], 'val': ['valid.nc'], 'test': ['test.nc']}
    """
    splits: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        words = {*re.findall("[a-z]+", str(path).lower())}
        found = [split for split, names in WORDS.items() if words & names]
        if len(found) != 1:
            return {}
        splits[found[0]].append(path)
    return {split: splits[split] for split in WORDS} if splits.keys() == WORDS.keys() else {}


def pattern_of(paths: Sequence[Path], root: Path) -> tuple[str, list[Path]]:
    """Return a pattern that matches files, and the other files that it matches as well, if any.

    Args:
        paths: Files, relative to the root.
        root: Folder of the data set.
    """
    wanted = {root / path for path in paths}
    found = []
    for of_names in (_by_ends, _by_letters):
        pattern = _pattern(paths, of_names)
        matched = find_files(root, pattern)
        if wanted <= {*matched}:
            found.append((pattern, [path for path in matched if path not in wanted]))
    return min(found, key=lambda one: len(one[1]))


def _pattern(paths: Sequence[Path], of_names: Callable[[Sequence[str]], str]) -> str:
    """Return a pattern that matches some paths, with a pattern for each folder."""
    if len(paths) == 1:
        return str(paths[0])  # a name is taken literally
    if len({len(path.parts) for path in paths}) > 1:
        return f"**/{of_names([path.name for path in paths])}"
    return "/".join(map(of_names, zip(*(path.parts for path in paths), strict=True)))


def _by_ends(names: Sequence[str]) -> str:
    """Return a pattern that matches some names: their common beginning and ending.

    Example:
        >>> _by_ends(["a_1.nc", "a_20.nc"])
        'a_*.nc'
    """
    least, most = min(names), max(names)
    if least == most:
        return escape(least)
    front = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(least, most, strict=False))
    )
    rest = [name[front:][::-1] for name in names]
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*rest, strict=False))
    end = "".join(letters[0] for letters in same)[::-1]
    return f"{escape(least[:front])}*{escape(end)}"


def _by_letters(names: Sequence[str]) -> str:
    """Return a pattern that matches some names of one length, with the letters at each place.

    Example:
        >>> _by_letters(["a_1.nc", "a_3.nc"])
        'a_[13].nc'
    """
    if len({len(name) for name in names}) > 1 or any(set(name) & set("[]!-") for name in names):
        return _by_ends(names)
    places = [sorted(set(letters)) for letters in zip(*names, strict=True)]
    return "".join(
        escape(letters[0]) if len(letters) == 1 else f"[{''.join(letters)}]" for letters in places
    )
