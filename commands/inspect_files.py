"""The command that describes data files and writes a configuration that reads them."""

import os
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datamodules.files.inspection import Inspection
    from datamodules.files.runs import Join
    from datamodules.files.space_axis import SpaceAxis
    from datamodules.files.trajectory_file import TrajectoryFile

SPLITS = ("train", "val", "test")
JOINS: "tuple[Join, ...]" = ("time", "folder", "name")
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
    from commands.garbage import resume_collections
    from datamodules.files.atomic import atomic_write
    from datamodules.files.inspection import first_snapshots, inspect_file

    resume_collections()
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
        text[0] += f", interval {with_units(f'{time.interval:g}', time.unit)}"
    except ValueError as error:
        text[0] += f"; {error}"
    for axis in file.axes:
        spacing = "no coordinate"
        if axis.values is not None:
            spacing = "uneven spacing"
            if axis.step:
                spacing = f"spacing {with_units(f'{axis.step:.6g}', axis.units)}"
        periodic, reason = axis.periodicity
        around = f"{'periodic' if periodic else 'not periodic'} ({reason})"
        if not reason:
            around = "not periodic unless data.periodic says so (the file says nothing)"
        text.append(f"  {axis.name}: {axis.size} points, {spacing}, {around}")
    return text


def with_units(number: str, units: str) -> str:
    """Return a number with its units, which are left out where they are 1."""
    return number if units in ("", "1") else f"{number} {units}"


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

    from commands.file_patterns import named_splits
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
    count = _sizes(first)[names.time]
    relative = [path.relative_to(root) for path in paths]
    named = named_splits(relative)
    in_splits = [
        [file for path, file in zip(relative, files, strict=True) if path in own]
        for own in named.values()
    ]
    run = joined(in_splits or [files])
    if run is not None:
        folders = [{path.parent for path in own} for own in (*named.values(), relative)]
        one_folder = all(len(own) == 1 for own in (folders[:-1] or folders))
        alone = count == 1 and run[0] == "time" and one_folder
        count = run[1]
        if not alone:  # files of one snapshot in one folder are joined in any case
            data["join"] = run[0]
    trajectories = _sizes(first).get(names.trajectory, 1)
    splits, remarks = _splits(relative, root, count, trajectories, run is not None)
    text = yaml.safe_dump(
        {"data": data | splits}, sort_keys=False, default_flow_style=None, width=100
    )
    text += "".join(f"# {remark}\n" for remark in (*layout.remarks, *remarks))
    if splits["train"] == splits["test"]:
        text += "# all splits have the same snapshots: name other files for val and test\n"
    return text + _suggestions(first, getattr(files[0], "axes", ()))


def _sizes(found: "Inspection") -> dict[str, int]:
    """Return the sizes of the dimensions of the fields."""
    field = found.variables[found.fields[0]]
    return dict(zip(field.dimensions, field.shape, strict=True))


def joined(
    splits: "Sequence[Sequence[TrajectoryFile | ValueError]]",
) -> "tuple[Join, int] | None":
    """Return how the files of splits are joined, and the length of the shortest run, or None.

    Args:
        splits: Files of each split, or the reasons why they cannot be read.
    """
    from datamodules.files.joined import JoinedFiles
    from datamodules.files.runs import run_of
    from datamodules.files.trajectory_file import TrajectoryFile

    splits = [files for files in splits if len(files) > 1]
    parts = [[file for file in files if isinstance(file, TrajectoryFile)] for files in splits]
    if not parts or parts != splits:
        return None
    for join in JOINS:
        runs: dict[tuple[int, str], list[TrajectoryFile]] = defaultdict(list)
        for number, own in enumerate(parts):
            for part in own:
                runs[number, run_of(part.path, join)].append(part)
        if min(map(len, runs.values())) > 1:
            try:
                return join, min(JoinedFiles(run).snapshots for run in runs.values())
            except ValueError:  # their stamps do not continue each other
                continue
    return None


def _splits(
    paths: list[Path], root: Path, count: int, trajectories: int, run: bool
) -> tuple[dict[str, Any], list[str]]:
    """Return the files of each split, and remarks on patterns that match other files, too.

    Splits are given by the names of files, or are one of three files each, or ranges of
    trajectories, or of times.

    Args:
        paths: Files, relative to the root.
        root: Folder of the data set.
        count: Number of snapshots of a trajectory.
        trajectories: Number of trajectories of a file.
        run: Whether files are joined.
    """
    from commands.file_patterns import named_splits, pattern_of

    if named := named_splits(paths):
        found = {split: pattern_of(own, root) for split, own in named.items()}
    elif len(paths) == len(SPLITS) and not run:
        found = {split: (str(path), []) for split, path in zip(SPLITS, paths, strict=True)}
    else:
        found = dict.fromkeys(SPLITS, pattern_of(paths, root))
    remarks = [
        f"{pattern} also matches files that were not inspected ({more[0].relative_to(root)}): "
        "move them, or name files by another pattern"
        for pattern, more in dict.fromkeys((p, tuple(m)) for p, m in found.values())
        if more
    ]
    splits: dict[str, Any] = {split: {"files": pattern} for split, (pattern, _) in found.items()}
    whole = len({pattern for pattern, _ in found.values()}) > 1
    enough = 2 * len(SPLITS)  # for three ranges
    if not whole and trajectories >= enough:
        _divide(splits, "trajectories", trajectories, least=1)
    elif not whole and count >= enough:
        _divide(splits, "times", count, least=2)
    return splits, remarks


def _divide(splits: dict[str, Any], name: str, count: int, least: int) -> None:
    """Give splits ranges of a dimension: the last two 15 % each, and no less than `least`."""
    part = max(least, int(0.15 * count))
    ends = [0, count - 2 * part, count - part, None]
    for split, a, b in zip(SPLITS, ends[:-1], ends[1:], strict=True):
        splits[split][name] = {"start": a, **({} if b is None else {"stop": b})}


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
    if first.forcing and first.items:  # such as a pressure at the surface
        names = ", ".join(first.forcing)
        text += f"# without {', '.join(first.items)}: {names}; add fields of the state to "
        text += "data.variables, and fields that are known ahead to data.forcing\n"
    elif first.forcing:
        text += "# to give fields that are known ahead to the emulator, add to data:  "
        text += f"forcing: [{', '.join(first.forcing)}]\n"
    if any(axis.spherical and axis.role == "y" for axis in axes):
        text += "# to weight points by the area of their cells, add to data:  weights: latitude\n"
    if not all(axis.periodicity[1] for axis in axes):
        text += "# if the domain is periodic, add to data:  periodic: true\n"
    return text
