"""Which files are parts of one run, by their folders and names."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from datamodules.files.joined import JoinedFiles
from datamodules.files.numbered_names import NUMBER, without_last_number
from datamodules.files.selection import Range
from datamodules.files.trajectory_file import TrajectoryFile
from datamodules.notices import notify

Join = Literal["time", "folder", "name"]


def run_of(path: Path, join: Join | None) -> str:
    """Return a text that is the same for all files of one run.

    Example:
        >>> [run_of(Path(f"a/re40_{n}.nc"), join) for join in ("name", "folder") for n in (1, 20)]
        ['a/re40_#', 'a/re40_#', 'a', 'a']
    """
    if join == "folder":
        return str(path.parent)
    return str(path.parent / without_last_number(path.stem)) if join == "name" else ""


def join_runs(
    parts: Sequence[TrajectoryFile], join: Join | None, times: Range = Range()
) -> list[JoinedFiles]:
    """Return the runs of which some files are parts.

    Args:
        parts: Files, each opened with `part=True`.
        join: Value of `data.join`; if None, all files must seem to be of one run.
        times: Range of the snapshots that are used, counted over all files of a run.

    Raises:
        ValueError: Files without `data.join` may be of several runs, or a run of a single file
            continues another one.
    """
    if join is None:
        _check_one_run(parts)
    runs: dict[str, list[TrajectoryFile]] = defaultdict(list)
    for part in parts:
        runs[run_of(part.path, join)].append(part)
    joined = {name: JoinedFiles(run, times) for name, run in runs.items()}
    _check_single_parts(joined, join)
    return list(joined.values())


def _check_one_run(parts: Sequence[TrajectoryFile]) -> None:
    """Check that files of one snapshot are in one folder and have names that differ in numbers.

    Raises:
        ValueError: They are not, so that they may be of several runs.
    """
    first = parts[0].path
    for part in parts:
        path = part.path
        apart = path.parent != first.parent
        # names with the times are checked when they are put in order
        alike = part.time.named or NUMBER.sub("#", path.stem) == NUMBER.sub("#", first.stem)
        if apart or not alike:
            raise ValueError(
                f"{first} and {path} hold one snapshot each in different "
                f"{'folders' if apart else 'series of names'}, so that they may be of one run or "
                "of several, expected one folder and names that differ in numbers alone; set "
                "data.join to time if they are of one run, or to folder or name if each "
                "folder or name is of another."
            )


def _check_single_parts(runs: dict[str, JoinedFiles], join: Join | None) -> None:
    """Print a note on runs of a single file, which may be a part of a run of another name.

    Raises:
        ValueError: Such a run begins where another one ends.
    """
    single = [name for name, run in runs.items() if len(run.files) == 1]
    if not single or len(runs) == 1:
        return
    taken = "folder" if join == "folder" else "name without its last number or date"
    text = (
        f"data.join is {join}, which takes the {taken} as the name of a run, and the run "
        f"'{single[0]}' has the single file {runs[single[0]].path}"
    )
    if len(single) == len(runs) and (pair := _continued(list(runs.values()))):
        raise ValueError(
            f"{text}, but {pair[1].path} begins where {pair[0].path} ends, so that they may be "
            "parts of one run; name the parts of a run so that they differ in the last number or "
            "put them in one folder, or leave data.join out if each file is a run."
        )
    notify(f"{text}; if it is a part of another run, give both the same {join} of a run.")


def _continued(runs: Sequence[JoinedFiles]) -> tuple[JoinedFiles, JoinedFiles] | None:
    """Return a run and another that begins where it ends, or None."""
    times = [run.time.expressed_like(runs[0].time).values for run in runs]
    steps = [values[1] - values[0] if len(values) > 1 else np.nan for values in times]
    ends = np.array([values[-1] + step for values, step in zip(times, steps, strict=True)])
    begins = np.array([values[0] for values in times])
    near = np.abs(begins - ends[:, None]) < 0.01 * np.abs(np.array(steps))[:, None]
    found = np.argwhere(near)
    return (runs[found[0, 0]], runs[found[0, 1]]) if len(found) else None
