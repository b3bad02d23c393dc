"""Contents of a file in the scope of one of its groups."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from datamodules.files.formats.format import Contents, StoredVariable
from datamodules.files.paths import inspection_of


class Scope(Mapping[str, StoredVariable]):
    """Variables in the scope of a group: its own, then the variables of its parent groups.

    The coordinate of a dimension that a group defines itself is not looked for in its parents.

    Args:
        variables: Variables of the file; in groups they have names such as `group/name`.
        group: Path of the group.
        defined: Names of the dimensions that each group defines, by the path of the group.
    """

    def __init__(
        self,
        variables: Mapping[str, StoredVariable],
        group: str,
        defined: Mapping[str, Collection[str]] = {},
    ) -> None:
        self.variables, self.defined = variables, defined
        parts = group.split("/")
        self.prefixes = ["/".join([*parts[:n], ""]) for n in range(len(parts), 0, -1)]

    def __getitem__(self, name: str) -> StoredVariable:
        for prefix in self.prefixes:
            if prefix + name in self.variables:
                return self.variables[prefix + name]
            if name in self.defined.get(prefix.removesuffix("/"), ()):
                raise KeyError(name)
        return self.variables[name]

    def __iter__(self) -> Iterator[str]:
        names = dict.fromkeys(
            name.removeprefix(prefix)
            for prefix in [*self.prefixes, ""]
            for name in self.variables
            if name.startswith(prefix)
        )
        return (name for name in names if name in self)

    def __len__(self) -> int:
        return len(list(iter(self)))


def scope_of(contents: Contents, names: Sequence[str]) -> Contents:
    """Return the contents of a file in the scope of the groups of some variables.

    Raises:
        ValueError: Variables of two groups have different coordinates.
    """
    groups = list(dict.fromkeys(name.rpartition("/")[0] for name in names))
    views = [
        Scope(contents.variables, group, contents.defined) if group else contents.variables
        for group in groups
    ]
    shared = {d for name in names for d in contents.variables[name].dimensions}
    for dimension in sorted(shared):
        found = [view.get(dimension) for view in views]
        for group, other in zip(groups[1:], found[1:], strict=True):
            if not _same(found[0], other):
                raise ValueError(
                    f"{contents.path}: the coordinate '{dimension}' of group "
                    f"'{group or '/'}' differs from the one of group '{groups[0] or '/'}', "
                    "expected the same; name variables of one group in data.variables."
                )
    return replace(contents, variables=views[0])


def check_inputs(contents: Contents, state: str, inputs: Sequence[str]) -> None:
    """Check that inputs of other groups have the coordinates of the state.

    An input of a group without a coordinate of its own has the points of the state.

    Args:
        contents: Contents of the file.
        state: Name of a variable of the state.
        inputs: Names of static fields, forcing and mask, of which those that exist are checked.

    Raises:
        ValueError: The coordinate of an input differs from the coordinate of the state.
    """
    home, along = state.rpartition("/")[0], contents.variables[state].dimensions
    scope = Scope(contents.variables, home, contents.defined)
    for field in filter(None, map(scope.get, inputs)):
        group = field.name.rpartition("/")[0]
        if group == home:
            continue
        view = Scope(contents.variables, group, contents.defined)
        for dimension in field.dimensions:
            own, other = scope.get(dimension), view.get(dimension)
            if dimension in along and other is not None and not _same(own, other):
                raise ValueError(
                    f"{contents.path}: the coordinate '{dimension}' of '{field.name}' differs from "
                    f"the coordinate of '{state}', expected the same; write the input with the "
                    "points and times of the state, or name another variable; "
                    f"{inspection_of(contents.path)}"
                )


def _same(one: StoredVariable | None, two: StoredVariable | None) -> bool:
    """Return whether two coordinates are the same."""
    if one is None or two is None or one.name == two.name:
        return one is two or (one is not None and two is not None)
    if one.shape != two.shape or one.kind not in "iuf" or two.kind not in "iuf":
        return one.shape == two.shape and one.dtype == two.dtype
    same_units = one.attributes.get("units") == two.attributes.get("units")
    return same_units and np.array_equal(one.values(), two.values(), equal_nan=True)
