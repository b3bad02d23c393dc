"""Selection of items of further dimensions, such as one level or several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from datamodules.files.dimensions import Dimensions
from datamodules.files.formats.format import Contents, StoredVariable
from datamodules.files.levels import Levels, level_text
from datamodules.files.part import Parts
from datamodules.notices import notify

Item = int | float
Select = Mapping[str, Item | list[Item]]


def channel_names(variables: Sequence[str], select: Select) -> list[str]:
    """Return the names of the channels that variables with selected items give.

    A variable of a group keeps its own name if no other channel has it.

    Example:
        >>> channel_names(["air/q"], {"level": [500, 850], "number": 0})
        ['q_500', 'q_850']
    """
    short = [name.rpartition("/")[2] for name in variables]
    plain = [own if short.count(own) == 1 else name.replace("/", "_")
             for own, name in zip(short, variables, strict=True)]  # fmt: skip
    lists = [values for values in select.values() if isinstance(values, list)]
    return [
        "_".join([name, *(f"{value:.10g}" for value in values)])
        for name in plain
        for values in product(*lists)
    ]


def check_select(select: Select, variables: Sequence[str], dimensions: Dimensions) -> None:
    """Check `data.select` before files are opened.

    Raises:
        ValueError: The option names time, trajectories or space, a list is empty, or two channels
            would have the same name.
    """
    for name, values in select.items():
        if name in (dimensions.trajectory, dimensions.time, *dimensions.space):
            raise ValueError(
                f"data.select names '{name}', which data.dimensions has as trajectory, time or "
                "space, expected a further dimension; use data.SPLIT.trajectories or "
                "data.SPLIT.times for a range of the former."
            )
        if isinstance(values, list) and not values:
            raise ValueError(
                f"data.select.{name} is an empty list, expected at least one item; name the items "
                "that become channels."
            )
    names = channel_names(variables, select)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(
            f"two channels would have the name '{twice[0]}', expected different ones; name each "
            "variable in data.variables and each item in data.select once."
        )


@dataclass(frozen=True)
class Selected:
    """Channels that one variable gives, one per selected item.

    Attributes:
        fields: Variables with the dimensions of a field, in the order of the items.
        items: For each of them, the index in each dimension of the file; -1 for whole dimensions.
        dropped: Dimensions of one item that were left out without being named.
    """

    fields: list[StoredVariable]
    items: list[list[int]]
    dropped: list[str]


def selected(
    contents: Contents, variable: StoredVariable, dimensions: Dimensions, select: Select
) -> Selected:
    """Return the channels that a variable gives, one per selected item.

    Raises:
        ValueError: A dimension or an item of `data.select` does not exist; the message names the
            existing ones.
    """
    own = {dimensions.trajectory, dimensions.time, *dimensions.space}
    dropped: list[str] = []
    choices: list[list[tuple[int, str]]] = []
    for name, size in zip(variable.dimensions, variable.shape, strict=True):
        if name in select:
            choices.append(_items(contents, name, size, select[name]))
        elif size == 1 and name not in own:
            choices.append([(0, "")])
            dropped.append(name)
        else:
            choices.append([(-1, "")])
    for name, values in select.items():
        if isinstance(values, list) and name not in variable.dimensions:
            raise ValueError(
                f"{contents.path}: variable '{variable.name}' has dimensions "
                f"({', '.join(variable.dimensions)}), but data.select makes channels of '{name}'; "
                "leave the variable out of data.variables or select one item of that dimension."
            )
    lists = [name for name in select if isinstance(select[name], list)]
    order = [variable.dimensions.index(name) for name in lists]
    rest = [axis for axis in range(len(choices)) if axis not in order]
    fields, items = [], []
    parts = Parts(variable.open, {axis: [item for item, _ in choices[axis]] for axis in order})
    for chosen in product(*(choices[axis] for axis in [*order, *rest])):
        found = dict(zip([*order, *rest], chosen, strict=True))
        index = [found[axis][0] for axis in range(len(choices))]
        words = [found[axis][1] for axis in order]
        fields.append(_reduced(variable, index, words, parts))
        items.append(index)
    return Selected(fields, items, dropped)


def check_used(path: Path, select: Select, variables: Sequence[StoredVariable]) -> None:
    """Check that each dimension in `data.select` is one of a variable.

    Raises:
        ValueError: No variable has the dimension.
    """
    found = list(dict.fromkeys(name for field in variables for name in field.dimensions))
    for name in select:
        if name not in found:
            raise ValueError(
                f"{path}: data.select names the dimension '{name}', but the variables have "
                f"{', '.join(found)}; name one of these in data.select or leave it out."
            )


def items_of(contents: Contents, name: str, size: int) -> str:
    """Return, as text, the items of a dimension from which `data.select` can choose."""
    values = coordinate_of(contents, name, size)
    return _listed(values) if values is not None else f"indices 0 to {size - 1}"


def note_dropped_dimensions(path: Path, names: Sequence[str], levels: Levels) -> None:
    """Print a note on the dimensions of length 1 that are left out."""
    if names:
        texts = [f"{name} ({level_text(levels[name])})" if name in levels else name
                 for name in dict.fromkeys(names)]  # fmt: skip
        notify(f"{path.parent}: dimensions of length 1 were left out: {', '.join(texts)}.")


def coordinate_of(contents: Contents, name: str, size: int) -> np.ndarray | None:
    """Return the coordinate of a dimension, or None if it has no numeric one."""
    variable = contents.variables.get(name)
    if variable is None or variable.kind not in "iuf" or variable.shape != (size,):
        return None
    return variable.values()


def _items(
    contents: Contents, name: str, size: int, wanted: Item | list[Item]
) -> list[tuple[int, str]]:
    """Return index and description of the items of a dimension that are selected."""
    values = coordinate_of(contents, name, size)
    units = ""
    if values is not None:
        units = str(contents.variables[name].attributes.get("units", ""))
    found = []
    for value in wanted if isinstance(wanted, list) else [wanted]:
        if values is None:
            at = [int(value)] if float(value).is_integer() and 0 <= value < size else []
        else:
            at = np.flatnonzero(np.isclose(values, value, rtol=1e-5, atol=0)).tolist()
        if len(at) != 1:
            kind = "no coordinate, but " if values is None else ""
            raise ValueError(
                f"{contents.path}: data.select.{name} is {value:.10g}, which the file has "
                f"{'not' if not at else f'{len(at)} times'}, expected one of {kind}"
                f"{items_of(contents, name, size)}; select one of these by data.select."
            )
        found.append((at[0], f"{name} {value:.10g} {units}".strip()))
    return found


def _listed(values: np.ndarray) -> str:
    text = [f"{value:.10g}" for value in values]
    return ", ".join(text if len(text) <= 40 else [*text[:20], "...", *text[-3:]])


def _reduced(
    variable: StoredVariable, index: list[int], words: list[str], parts: Parts
) -> StoredVariable:
    """Return a variable without the dimensions of which one item is read."""
    if all(item < 0 for item in index):
        return variable
    kept = [axis for axis, item in enumerate(index) if item < 0]
    attributes = dict(variable.attributes)
    if words:
        label = str(attributes.get("long_name", variable.name.rpartition("/")[2]))
        attributes["long_name"] = ", ".join([label, *words])
    return replace(
        variable,
        dimensions=tuple(variable.dimensions[axis] for axis in kept),
        shape=tuple(variable.shape[axis] for axis in kept),
        attributes=attributes,
        open=partial(parts.part, [slice(None) if item < 0 else item for item in index]),
    )
