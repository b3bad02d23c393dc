"""Guess of the options that read a file of arrays without names of their axes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

from datamodules.files.axis_roles import role_of_name
from datamodules.files.formats.matlab import MATLAB
from datamodules.files.formats.plain_arrays import CHANNEL, PlainArrays, StoredArray, axis_of
from datamodules.files.numbered_names import numbers_in

FEW = 4  # largest number of items along an axis that may be of channels
ORDERS = {  # by the number of axes, the usual ones first; the last axis may be of channels, too
    2: [["time", "x"]],
    3: [["time", "y", "x"], ["trajectory", "time", "x"], ["time", CHANNEL, "x"]],
    4: [["trajectory", "time", "y", "x"], ["time", CHANNEL, "y", "x"]],
    5: [["trajectory", "time", CHANNEL, "y", "x"]],
}
OF_ONE_SNAPSHOT = {1: [["x"]], 2: [["y", "x"]], 3: [[CHANNEL, "y", "x"]]}


@dataclass(frozen=True)
class PlainLayout:
    """Guess of the options of a format of plain arrays.

    Args:
        options: Options of the format.
        remarks: Notes on what is guessed or missing in the file, with the option that sets it.
    """

    options: dict[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def layout_of(path: Path, format: PlainArrays, files: int = 1) -> PlainLayout:
    """Return a guess of the order of the axes and of the interval; no options if there is none.

    Axes that are as long as a coordinate of the file are recognised by it, and others by the
    number and the sizes of all axes.

    Args:
        path: File.
        format: Format of the file.
        files: Number of the files that are read alike. Many files with numbers in their names may
            hold one snapshot each.
    """
    arrays = {name: array for name, array in format.arrays(path).items() if array.is_real}
    lengths = {axis_of(n): array.shape[0] for n, array in arrays.items() if len(array.shape) == 1}
    own_time = any(not array.shape and axis_of(name) == "time" for name, array in arrays.items())
    one = own_time or ("time" not in lengths and files > 3 and bool(numbers_in(path.stem)))
    largest = max(arrays.items(), key=_axes_and_size, default=("", None))
    name, shape = largest[0], () if largest[1] is None else largest[1].shape
    order = next(_orders(shape, lengths, one, isinstance(format, MATLAB)), None)
    if order is None:
        return PlainLayout()
    sizes = dict(zip(order, shape, strict=True))
    init = "data.format.init_args"
    options: dict[str, Any] = {"order": order}
    remarks = [f"the order of the axes is a guess from their sizes {shape}: check {init}.order"]
    if CHANNEL in sizes:
        options["channels"] = [f"channel_{number}" for number in range(sizes[CHANNEL])]
    elif name == path.stem:  # an array without a name
        options["channels"] = ["field"]
    if "channels" in options:
        remarks.append(f"the file has no names of variables: choose them in {init}.channels and")
        remarks[-1] += " data.variables"
    if "time" not in lengths and not own_time:
        options["interval"] = 1.0
        what = "time between snapshots" if "time" in sizes else "time per unit of their numbers"
        where = "the file has no times" if "time" in sizes else "names of files have numbers"
        remarks.append(f"{where}: set {init}.interval to the {what}, 1.0 here")
    space = [axis for axis in order if axis not in ("trajectory", "time", CHANNEL)]
    if not set(space) <= set(lengths):
        remarks.append(f"the file lacks coordinates: set {init}.lengths to the lengths of the ")
        remarks[-1] += f"domain along {', '.join(space)}, if they are known"
    return PlainLayout(options, tuple(remarks))


def _axes_and_size(item: tuple[str, StoredArray]) -> tuple[bool, int]:
    """Return the key by which the largest array with several axes comes last."""
    shape, size = item[1].shape, 1
    for length in shape:
        size *= length
    return len(shape) > 1, size


def _orders(
    shape: Sequence[int], lengths: Mapping[str, int], one: bool, columns: bool = False
) -> Iterator[list[str]]:
    """Yield the orders of the axes of an array that fit its sizes, the most usual one first.

    Args:
        shape: Shape of the array.
        lengths: Number of points of the coordinates, by the name of their axis.
        one: Whether the file holds one snapshot.
        columns: Whether arrays are stored by columns, as in MATLAB, so that x comes before y.
    """
    named = {str(role): axis for axis in lengths if (role := role_of_name(axis))}
    few = [size <= FEW for size in shape]
    several = any(few) and not all(few)  # short axes are of channels
    snapshot = [o for o in OF_ONE_SNAPSHOT.get(len(shape), []) if (CHANNEL in o) == several]
    usual = snapshot if one and snapshot else ORDERS.get(len(shape), [])
    chosen = [o for o in usual if (CHANNEL in o) == several] or usual
    if columns:
        swapped = {"x": "y", "y": "x"}
        turned = [[swapped.get(a, a) if "y" in o else a for a in o] for o in [*chosen, *usual]]
        chosen, usual = turned, []
    found = [[named.get(a, a) if a in ("x", "y") else a for a in o] for o in [*chosen, *usual]]
    if named:  # a file with coordinates has them for all axes of space
        found.sort(key=lambda order: len({"x", "y"} & {*order} - lengths.keys()))
    found.sort(key=lambda order: -len(lengths.keys() & {*order}))
    for order in found:
        for names in permutations(order):
            pairs = list(zip(names, shape, strict=True))
            fits = all(lengths.get(axis, size) == size for axis, size in pairs)
            if fits and (not several or _few_channels(names, dict(pairs))):
                yield list(names)


def _few_channels(names: Sequence[str], sizes: Mapping[str, int]) -> bool:
    """Return whether an axis of channels, if there is one, is short, next to space, not first."""
    if CHANNEL not in names:
        return True
    place, space = names.index(CHANNEL), {*names} - {"trajectory", "time", CHANNEL}
    before = names[max(0, place - len(space)) : place]
    after = names[place + 1 : place + 1 + len(space)]
    near = space in ({*before}, {*after})
    return sizes[CHANNEL] <= FEW and near and (place > 0 or "time" not in names)
