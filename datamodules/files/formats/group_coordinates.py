"""Coordinates of fields in groups, found by their names."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from datamodules.files.disk_array import DiskArray
from datamodules.files.formats.format import Contents, StoredVariable
from datamodules.files.groups import Scope
from datamodules.files.paths import inspection_of
from datamodules.files.time_axis import check_interval, read_time_axis


def placed(
    path: Path,
    places: Mapping[str, Sequence[StoredVariable]],
    groups: Sequence[str],
    given: Mapping[str, object],
) -> dict[str, StoredVariable]:
    """Return the coordinates by name, such as `group/time`, as the scopes of groups find them.

    A coordinate at the top is for groups without their own: the only one in the file. It raises an
    error when its values are read if there are several that differ.

    Args:
        path: File, for messages.
        places: Coordinates by the path of their group and the name of their axis.
        groups: Groups of fields that are named at the top, as channels are.
        given: Coordinates that the configuration gives, by the name of their axis.
    """
    found = {place: _only(path, stored) for place, stored in places.items()}
    for axis in {place.rpartition("/")[2] for place in found}:
        own = {place: found[place] for place in found if place.rpartition("/")[2] == axis}
        near = {scope[axis].name: scope[axis] for scope in _scopes(own, groups, axis)}
        if near:
            found[axis] = _only(path, list(near.values()))
        elif axis not in own:
            whole = _only(path, list(own.values()))
            if axis not in given or any(whole is each for each in own.values()):
                found[axis] = whole
        if len(own) == 1:
            found = {
                place: each for place, each in found.items() if place == axis or place not in own
            }
    return found


def _scopes(own: Mapping[str, StoredVariable], groups: Sequence[str], axis: str) -> list[Scope]:
    """Return the scopes of groups in which there is a coordinate."""
    scopes = [Scope(own, group) for group in dict.fromkeys(groups) if group]
    return [scope for scope in scopes if axis in scope]


def _only(path: Path, stored: Sequence[StoredVariable]) -> StoredVariable:
    """Return the first of some coordinates, which raises an error when read if they differ."""
    first, *others = stored
    if all(np.array_equal(first.values(), other.values()) for other in others):
        return first
    return replace(first, open=partial(_refuse, path, [variable.name for variable in stored]))


def _refuse(path: Path, names: Sequence[str]) -> DiskArray:
    """Raise an error for coordinates that differ."""
    raise ValueError(
        f"{path} has several coordinates that differ ({', '.join(names)}), expected one, or one in "
        "the group of the field; write the field and its coordinates to a file of their own; "
        f"{inspection_of(path)}"
    )


def with_interval(
    path: Path, variable: StoredVariable, interval: float, option: str
) -> StoredVariable:
    """Return times, which raise an error when read if an option gives another interval.

    Args:
        path: File, for messages.
        variable: Variable with the times.
        interval: Time between snapshots in the configuration.
        option: Option that gives it, for the message.
    """
    return replace(variable, open=partial(_checked, path, variable, interval, option))


def _checked(path: Path, variable: StoredVariable, interval: float, option: str) -> DiskArray:
    """Return the times on disk.

    Raises:
        ValueError: Their interval is another one.
    """
    contents = Contents(path, {"time": variable})
    check_interval(read_time_axis(contents, "time"), interval, option)
    return variable.open()
