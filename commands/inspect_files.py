"""The command that describes data files and writes a configuration that reads them."""

import os
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamodules.files.inspection import Inspection
    from datamodules.files.joined import JoinedFiles
    from datamodules.files.space_axis import SpaceAxis
    from datamodules.files.trajectory_file import TrajectoryFile

SPLITS = ("train", "val", "test")
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
    text = configuration(readable, [file for file in files if file is not None])
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


def configuration(found: "list[Inspection]", files: "list[TrajectoryFile | ValueError]") -> str:
    """Return the YAML of the data, with comments on what is guessed or may be added.

    Args:
        found: Files with fields.
        files: Each of these files, or the reason why it cannot be read.
    """
    import yaml

    from datamodules.files.inspection import has_masked_points

    first = found[0]
    names, layout = first.dimensions, first.layout
    assert names is not None
    dimensions: dict[str, Any] = {"space": list(names.space)}
    if names.time != "time":
        dimensions["time"] = names.time
    if names.trajectory in _sizes(first) and names.trajectory != "trajectory":
        dimensions["trajectory"] = names.trajectory
    paths = [inspection.path.resolve() for inspection in found]
    root = Path(os.path.commonpath([path.parent for path in paths]))
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
    run = None if _named([path.relative_to(root) for path in paths]) else joined(files)
    count = _sizes(first)[names.time]
    if count == 1:  # files of one snapshot are joined in any case
        count = len(paths)
    elif run is not None:
        data["join"], count = "time", run.snapshots
    splits = _splits([path.relative_to(root) for path in paths], count, run is not None)
    text = yaml.safe_dump(
        {"data": data | splits}, sort_keys=False, default_flow_style=None, width=100
    )
    text += "".join(f"# {remark}\n" for remark in layout.remarks)
    if splits["train"] == splits["test"]:
        text += "# all splits have the same snapshots: name other files for val and test\n"
    return text + _suggestions(first, getattr(files[0], "axes", ()))


def _sizes(found: "Inspection") -> dict[str, int]:
    """Return the sizes of the dimensions of the fields."""
    field = found.variables[found.fields[0]]
    return dict(zip(field.dimensions, field.shape, strict=True))


def joined(files: "list[TrajectoryFile | ValueError]") -> "JoinedFiles | None":
    """Return files as one run if their stamps continue each other, or None."""
    from datamodules.files.joined import JoinedFiles
    from datamodules.files.trajectory_file import TrajectoryFile

    parts = [file for file in files if isinstance(file, TrajectoryFile)]
    if len(parts) < max(2, len(files)):
        return None
    try:
        return JoinedFiles(parts)
    except ValueError:  # they do not
        return None


def _named(paths: list[Path]) -> dict[str, list[Path]]:
    """Return the files of each split by the words in their names; none if these do not decide."""
    words = [[split for split in SPLITS if split in str(path).lower()] for path in paths]
    if any(len(found) != 1 for found in words) or {found[0] for found in words} != {*SPLITS}:
        return {}
    return {
        split: [p for p, [w] in zip(paths, words, strict=True) if w == split] for split in SPLITS
    }


def _splits(paths: list[Path], count: int, run: bool) -> dict[str, Any]:
    """Return the files of each split: by their names, one of three each, or ranges of times.

    Args:
        paths: Files, relative to the root.
        count: Number of snapshots of a trajectory.
        run: Whether the files are one run.
    """
    if named := _named(paths):
        return {split: {"files": _pattern(own)} for split, own in named.items()}
    if len(paths) == len(SPLITS) and not run:
        return {split: {"files": str(path)} for split, path in zip(SPLITS, paths, strict=True)}
    pattern = _pattern(paths)
    if count < 2 * len(SPLITS):  # too few for three ranges
        return {split: {"files": pattern} for split in SPLITS}
    part = max(2, int(0.15 * count))
    ends = [0, count - 2 * part, count - part, None]
    return {
        split: {"files": pattern, "times": {"start": a, **({} if b is None else {"stop": b})}}
        for split, a, b in zip(SPLITS, ends[:-1], ends[1:], strict=True)
    }


def _suggestions(first: "Inspection", axes: "Sequence[SpaceAxis]") -> str:
    """Return comments on options that may be added."""
    text = ""
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
    if any(axis.spherical and axis.role == "y" for axis in axes):
        text += "# to weight points by the area of their cells, add to data:  weights: latitude\n"
    if not all(axis.periodicity[1] for axis in axes):
        text += "# if the domain is periodic, add to data:  periodic: true\n"
    return text


def _pattern(paths: list[Path]) -> str:
    """Return a pattern that matches some paths, with a pattern for each folder."""
    if len({len(path.parts) for path in paths}) > 1:
        return f"**/{_of_names([path.name for path in paths])}"
    return "/".join(map(_of_names, map(list, zip(*(path.parts for path in paths), strict=True))))


def _of_names(names: list[str]) -> str:
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
