"""HDF5 files of PDEBench (Takamoto et al., NeurIPS 2022), in the four layouts of its scripts.

- `tensor (sample, t, x)` with `x-coordinate` and `t-coordinate` (advection, Burgers, ...);
- one data set per field, `(sample, t, x, y)`, with the same coordinates (compressible flow);
- one group per sample, `0000/data (t, x, y, channel)` and `0000/grid/{t,x,y}` (diffusion-reaction,
  shallow water, diffusion-sorption);
- `velocity (sample, t, x, y, 2)`, `particles (..., 1)` and `t` (incompressible flow).
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import yaml

from datamodules.files.decoded_array import texts, with_texts
from datamodules.files.formats.format import Contents, StoredVariable
from datamodules.files.formats.hdf5_format import HDF5Format, stored_part
from datamodules.files.formats.plain_arrays import Values
from datamodules.files.part import StackedArray, open_part

COORDINATE = "-coordinate"
AXES = "xyz"
NAMES = {"Du": ["u", "v"], "gravity": ["h"], "por": ["u"]}  # channels, by a key of the settings


class PDEBench(HDF5Format):
    """HDF5 files of PDEBench.

    Spatial dimensions are `x-coordinate` and `y-coordinate`, or `x` and `y` where each sample has a
    group. Files do not say whether the domain is periodic: set `data.periodic`. Numbers in
    attributes and in the settings of the samples can be named in `data.parameters`.

    Args:
        order: Spatial axes of files with one group per sample, where the sizes do not tell:
            `[y, x]` for diffusion-reaction, `[x, y]` for shallow water.

    Example:
        A file in the layout of the Burgers equation, whose times are one more than its snapshots:

        >>> with h5py.File("burgers.hdf5", "w") as file:
        ...     file["tensor"] = np.zeros((2, 3, 4))  # sample, t, x
        ...     file["t-coordinate"] = 0.5 * np.arange(4)
        ...     file["x-coordinate"] = np.arange(4)
        >>> with PDEBench().open(Path("burgers.hdf5")) as contents:
        ...     print(contents.variables["tensor"].dimensions)
        ...     print(contents.variables["time"].values())
        ('trajectory', 'time', 'x-coordinate')
        [0.  0.5 1. ]
    """

    label = "PDEBench"

    def __init__(self, order: Sequence[str] = ()) -> None:
        self.order = list(order)

    def fits(self, file: h5py.File) -> bool:
        names = set(file)
        flat = any(name + COORDINATE in names for name in AXES)
        return flat or {"velocity", "particles", "t"} <= names or bool(samples(file))

    def contents(self, file: h5py.File, path: Path) -> Contents:
        if samples(file):
            variables = self._of_groups(file, path)
        elif "t" in file:
            variables = of_flow(file, path)
        elif f"t{COORDINATE}" in file:
            variables = of_fields(file, path)
        else:
            raise ValueError(
                f"{path} has no t-coordinate, expected trajectories in time: maps, as in Darcy "
                "flow, cannot be rolled out; remove it from data.SPLIT.files."
            )
        attributes = with_texts(file.attrs) | numbers(file.attrs.get("config"))
        return Contents(path, {variable.name: variable for variable in variables}, attributes)

    def _of_groups(self, file: h5py.File, path: Path) -> list[StoredVariable]:
        """Return the channels of the samples, each in a group of its own."""
        groups = samples(file)
        data, grid = file[f"{groups[0]}/data"], file[f"{groups[0]}/grid"]
        for group in groups:
            if file[f"{group}/data"].shape != data.shape:
                raise ValueError(
                    f"{path}: '{group}/data' has the shape {file[f'{group}/data'].shape}, "
                    f"'{groups[0]}/data' {data.shape}; expected equal shapes; write "
                    "the others to files of their own, or remove it from data.SPLIT.files."
                )
        check_grids(file, path, groups)
        settings = [numbers(file[group].attrs.get("config")) for group in groups]
        space = self._order_of(path, data.shape[1:-1], grid, settings[0])
        channels = next((found for key, found in NAMES.items() if key in settings[0]), [])
        if len(channels) != data.shape[-1]:
            channels = [f"channel_{number}" for number in range(data.shape[-1])]
        found = [stored_part(path, grid["t"], "time", ("time",))]
        found += [stored_part(path, grid[name], name, (name,)) for name in space]
        whole = [slice(None)] * (data.ndim - 1)
        names = [f"{group}/data" for group in groups]
        for number, channel in enumerate(channels):
            shape = (len(groups), *data.shape[:-1])
            parts = [partial(open_part, path, name, [*whole, number]) for name in names]
            part = partial(StackedArray, path, parts, shape[1:])
            dimensions = ("trajectory", "time", *space)
            found.append(StoredVariable(channel, dimensions, shape, data.dtype, {}, part))
        for key in sorted(set.intersection(*map(set, settings))):
            values = np.array([one[key] for one in settings], float)
            read = partial(Values, path, values)
            found.append(StoredVariable(key, ("trajectory",), values.shape, values.dtype, {}, read))
        return found

    def _order_of(
        self, path: Path, shape: tuple[int, ...], grid: h5py.Group, settings: dict[str, float]
    ) -> list[str]:
        """Return the names of the spatial axes of the samples, in the order of the file.

        Raises:
            ValueError: Sizes and settings do not decide, or contradict the option.
        """
        names = [name for name in AXES if name in grid]
        sizes = {name: grid[name].shape[0] for name in names}
        orders = [list(order) for order in (names, names[::-1])]
        fitting = [order for order in orders if tuple(sizes[n] for n in order) == shape]
        if self.order:
            fitting = [order for order in fitting if order == self.order]
        elif len(fitting) == 2 and len(names) > 1:  # y first in diffusion-reaction alone
            known = {"Du": orders[1], "gravity": orders[0]}
            fitting = [order for key, order in known.items() if key in settings]
        if not fitting:
            raise ValueError(
                f"{path}: the samples have {shape} points and the grid {sizes}, so that the order "
                f"of the axes is not known; set data.format.init_args.order to [{', '.join(names)}]"
                f" or [{', '.join(names[::-1])}]."
            )
        return fitting[0]


def samples(file: h5py.File) -> list[str]:
    """Return the names of the groups of a file in numerical order; none if not all are samples."""
    for group in file.values():
        if not isinstance(group, h5py.Group) or not {"data", "grid"} <= set(group):
            return []
    return sorted(file, key=lambda name: (len(name), name))


def check_grids(file: h5py.File, path: Path, groups: Sequence[str]) -> None:
    """Check that all samples have the axes of the first one.

    Raises:
        ValueError: An axis of a sample is missing or has other values.
    """
    first = {name: axis[()] for name, axis in file[f"{groups[0]}/grid"].items()}
    for group in groups[1:]:
        for name, values in first.items():
            axis = f"{group}/grid/{name}"
            own = file[axis][()] if axis in file else None
            slack = 1e-3 * np.abs(np.diff(values)).min(initial=np.inf) if len(values) > 1 else 0.0
            if own is not None and own.shape == values.shape:
                apart = np.abs(own - values)
                if (apart <= slack).all():
                    continue
                at = int(apart.argmax())
                what = f"is {own[at]:.8g} at point {at}, '{groups[0]}/grid/{name}' {values[at]:.8g}"
            else:
                size = "no" if own is None else len(own)
                what = f"has {size} values, '{groups[0]}/grid/{name}' {len(values)}"
            raise ValueError(
                f"{path}: '{axis}' {what}, expected the same axes for all samples of a file; write "
                "samples with other axes to files of their own, or remove it from "
                "data.SPLIT.files."
            )


def of_fields(file: h5py.File, path: Path) -> list[StoredVariable]:
    """Return the fields of a file with one data set per field; its times have one extra entry."""
    space = [name + COORDINATE for name in AXES if name + COORDINATE in file]
    found, times = [], None
    for name, dataset in file.items():
        if name.endswith(COORDINATE) or not isinstance(dataset, h5py.Dataset):
            continue
        more = dataset.ndim - 2 - len(space)  # a leading axis of length 1, by version 0.1.0
        if more not in (0, 1) or (more and dataset.shape[0] != 1):
            continue
        times = dataset.shape[more + 1]
        found.append(stored_part(path, dataset, name, ("trajectory", "time", *space), [0] * more))
    dataset = file[f"t{COORDINATE}"]
    extra = times is not None and len(dataset) == times + 1
    stamps = [slice(0, times if extra else None)]
    found.append(stored_part(path, dataset, "time", ("time",), stamps))
    return found + [stored_part(path, file[name], name, (name,)) for name in space]


def of_flow(file: h5py.File, path: Path) -> list[StoredVariable]:
    """Return the fields of a file of incompressible flow, with the times of the first row."""
    times = file["t"]
    if times.ndim == 2 and not (times[()] == times[0]).all():
        raise ValueError(
            f"{path}: the times 't' of its samples differ, expected one time axis for all; "
            "write the others to files of their own, or remove it from data.SPLIT.files."
        )
    found = [stored_part(path, times, "time", ("time",), [0] * (times.ndim - 1))]
    for name in ("velocity", "particles", "force"):
        if name not in file:
            continue
        dataset = file[name]
        steady = name == "force"
        space = AXES[: dataset.ndim - 3 + steady]
        dimensions = ("trajectory", *([] if steady else ["time"]), *space)
        whole = [slice(None)] * (dataset.ndim - 1)
        for component in range(dataset.shape[-1]):
            label = name if dataset.shape[-1] == 1 else f"{name}_{AXES[component]}"
            found.append(stored_part(path, dataset, label, dimensions, [*whole, component]))
    return found


def numbers(settings: object) -> dict[str, float]:
    """Return the numbers, by name, in the YAML text in which PDEBench keeps its settings."""
    try:
        found = yaml.safe_load("".join(texts(settings)))
    except yaml.YAMLError:
        return {}
    found = found if isinstance(found, dict) else {}
    inner = found.get("sim")
    found = inner if isinstance(inner, dict) else found
    kinds = (int, float)
    return {
        str(key): float(value)
        for key, value in found.items()
        if isinstance(value, kinds) and not isinstance(value, bool)
    }
