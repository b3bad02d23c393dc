"""The command that describes data files and writes a configuration that reads them."""

import os
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datamodules.files.inspection import Inspection
    from datamodules.files.trajectory_file import TrajectoryFile


MOST = 60  # levels of which the configuration lists all


def inspect_paths(args: list[str]) -> None:
    """Describe data files, draw a snapshot of each variable, and write a configuration."""
    from commands.help import Parser

    parser = Parser(prog="emulate inspect", description=inspect_paths.__doc__)
    parser.add_argument("paths", nargs="+", type=Path, help="Data files, or folders of stores.")
    parser.add_argument(
        "--output", type=Path, default=Path("."), help="Folder for the configuration and pictures."
    )
    options = parser.parse_args(args)
    from callbacks.plotting.snapshots import draw_snapshots
    from datamodules.files.atomic import atomic_write
    from datamodules.files.inspection import first_snapshots, inspect_file

    paths = [path.expanduser() for path in options.paths]
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file.")
    found = [inspect_file(path, files=len(paths)) for path in paths]
    files = [opened(inspection) for inspection in found]
    for inspection, file in zip(found, files, strict=True):
        print("\n".join(lines(inspection, file)), end="\n\n")
    readable = [inspection for inspection in found if inspection.fields]
    if not readable:
        raise ValueError(
            f"{paths[0]} has no variable with a time and one or two spatial dimensions, so that no "
            "configuration can be written; name the dimensions in data.dimensions."
        )
    folder = options.output.expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    text = configuration(readable, files[found.index(readable[0])])
    atomic_write(folder / "data.yaml", text)
    picture = folder / "data.png"
    atomic_write(picture, draw_snapshots(first_snapshots(readable[0])))
    print(text)
    print(f"wrote {picture}", f"wrote {folder / 'data.yaml'}", sep="\n")
    print(f"next: emulate fit -c {folder / 'data.yaml'} --model Baseline")


def lines(found: "Inspection", file: "TrajectoryFile | ValueError | None") -> list[str]:
    """Return the lines that describe a file."""
    from datamodules.files.inspection import range_of

    text = [f"{found.path}: {found.format.label}"]
    for name, variable in found.variables.items():
        sizes = ", ".join(
            f"{d}: {s}" for d, s in zip(variable.dimensions, variable.shape, strict=True)
        )
        units = variable.attributes.get("units", "")
        text.append(f"  {name} ({sizes}) {variable.dtype} [{units}]  {range_of(variable)}".rstrip())
    if isinstance(file, ValueError):
        text.append(f"  not readable as it is: {file}")
    elif file is not None:
        text += _axes(file)
    if found.parameters:
        text.append(f"  numbers that may be parameters: {', '.join(found.parameters)}")
    return text


def _axes(file: "TrajectoryFile") -> list[str]:
    """Return the lines that describe the axes of time and space."""
    time = file.time
    text = [f"  time: {len(time)} snapshots"]
    try:
        text[0] += f", interval {time.interval:g} {time.unit}"
    except ValueError as error:
        text[0] += f"; {error}"
    for axis in file.axes:
        spacing = "no coordinate"
        if axis.values is not None:
            spacing = f"spacing {axis.step:.6g} {axis.units}" if axis.step else "uneven spacing"
        periodic, reason = axis.periodicity
        around = f"{'periodic' if periodic else 'not periodic'} ({reason})"
        if not reason:
            around = "not periodic unless data.periodic says so (the file says nothing)"
        text.append(f"  {axis.name}: {axis.size} points, {spacing}, {around}")
    return text


def opened(found: "Inspection") -> "TrajectoryFile | ValueError | None":
    """Return the fields of a file, or the reason why they cannot be read; None without fields."""
    from datamodules.files.trajectory_file import TrajectoryFile

    if found.dimensions is None:
        return None
    fields, names, select = found.fields[:1], found.dimensions, found.select
    try:
        return TrajectoryFile(
            found.path, fields, names, part=True, format=found.format, select=select
        )
    except ValueError as error:
        return error


def configuration(found: "list[Inspection]", file: "TrajectoryFile | ValueError | None") -> str:
    """Return the YAML of the data: a split for each of three files, or else ranges of times.

    Args:
        found: Files with fields.
        file: First of these files, or the reason why it cannot be read.
    """
    import yaml

    from datamodules.files.inspection import has_masked_points

    first = found[0]
    paths = [inspection.path.resolve() for inspection in found]
    root = paths[0].parent
    names, layout = first.dimensions, first.layout
    assert names is not None
    dimensions: dict[str, Any] = {"space": list(names.space)}
    if names.time != "time":
        dimensions["time"] = names.time
    field = first.variables[first.fields[0]]
    sizes = dict(zip(field.dimensions, field.shape, strict=True))
    if names.trajectory in sizes and names.trajectory != "trajectory":
        dimensions["trajectory"] = names.trajectory
    data: dict[str, Any] = {
        "root": str(root),
        "variables": list(first.fields),
        "dimensions": dimensions,
        **(
            {"format": {"class_path": type(first.format).__name__, "init_args": layout.options}}
            if layout.options
            else {}
        ),
        **({"select": first.select} if first.select else {}),
        **({"mask": "missing"} if has_masked_points(first) else {}),
    }
    splits, count = ("train", "val", "test"), sizes[names.time]
    if count == 1:  # files of one snapshot are joined
        count = len(paths)
    same = len(paths) != len(splits) and count < 2 * len(splits)  # too few for three ranges
    if len(paths) == len(splits):
        for split, path in zip(splits, paths, strict=True):
            data[split] = {"files": os.path.relpath(path, root)}
    elif same:
        data |= {split: {"files": _pattern([path.name for path in paths])} for split in splits}
    else:
        part = max(2, int(0.15 * count))
        ends = [0, count - 2 * part, count - part, None]
        for split, start, stop in zip(splits, ends[:-1], ends[1:], strict=True):
            times = {"start": start, **({} if stop is None else {"stop": stop})}
            data[split] = {"files": _pattern([path.name for path in paths]), "times": times}
    text = yaml.safe_dump({"data": data}, sort_keys=False, default_flow_style=None, width=100)
    text += "".join(f"# {remark}\n" for remark in layout.remarks)
    if same:
        text += "# all splits have the same snapshots: name other files for val and test\n"
    if first.select:
        more = ", ".join(first.select)
        text += f"# select one item of {more}, or a list of the ones that become channels\n"
        for name, items in first.items.items():
            if len(items) <= MOST:
                every = ", ".join(f"{item:.10g}" for item in items)
                text += f"# all of them as channels:  select: {{{name}: [{every}]}}\n"
    if first.static:
        text += "# to give fields without time to the emulator, add to data:  "
        text += f"static: [{', '.join(first.static)}]\n"
    if first.forcing:
        text += "# to give fields that are known ahead to the emulator, add to data:  "
        text += f"forcing: [{', '.join(first.forcing)}]\n"
    axes = getattr(file, "axes", ())
    if any(axis.spherical and axis.role == "y" for axis in axes):
        text += "# to weight points by the area of their cells, add to data:  weights: latitude\n"
    if not all(axis.periodicity[1] for axis in axes):
        text += "# if the domain is periodic, add to data:  periodic: true\n"
    return text


def _pattern(names: list[str]) -> str:
    """Return a pattern that matches some names: their common beginning and ending."""
    least, most = min(names), max(names)
    if least == most:
        return least
    front = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(least, most, strict=False))
    )
    rest = [name[front:][::-1] for name in names]
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*rest, strict=False))
    return f"{least[:front]}*{''.join(letters[0] for letters in same)[::-1]}"
