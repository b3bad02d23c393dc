"""Options for reading a data set, and notes on the files of a split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

from datamodules.files.dimensions import Dimensions
from datamodules.files.formats.detect import format_of
from datamodules.files.formats.format import FileFormat
from datamodules.files.input_fields import NO_INPUTS, InputNames
from datamodules.files.paths import find_files
from datamodules.files.reader import TrajectoryReader
from datamodules.files.runs import Join, join_runs
from datamodules.files.selected import Select
from datamodules.files.selection import Range, SplitFiles
from datamodules.files.subset import WHOLE, Subset
from datamodules.files.trajectory_file import TrajectoryFile
from datamodules.overlap import overlaps
from datamodules.solvers.finite import check_finite


@dataclass(frozen=True)
class Reading:
    """Options of a data set that determine how its files are read.

    Args:
        variables: Names of the variables of the state in the files.
        dimensions: Names of the dimensions.
        parameters: Names of the physical parameters.
        format: Format of the files, or None to find it from the first file.
        select: Items of further dimensions.
        interval: Time between snapshots of files without time stamps, or None.
        join: `time` if the files are parts of one run, `folder` if the files of each folder are, or
            `name` if files whose names differ in the last number or date alone are; or None.
        inputs: Names of static fields, forcing and the mask.
        subset: Part of the domain that is read, and blocks of points that are averaged.

    Raises:
        ValueError: An option is out of its range.
    """

    variables: tuple[str, ...]
    dimensions: Dimensions = Dimensions()
    parameters: tuple[str, ...] = ()
    format: FileFormat | None = None
    select: Select = field(default_factory=dict)
    interval: float | None = None
    join: Join | None = None
    inputs: InputNames = NO_INPUTS
    subset: Subset = WHOLE

    def __post_init__(self) -> None:
        check_finite("data", select=self.select, interval=self.interval)
        if self.interval is not None and not (self.interval > 0 and self.join is None):
            raise ValueError(
                f"data.interval is {self.interval} with data.join: {self.join}, expected a "
                "positive number without data.join; files that are joined need stamps of their own."
            )
        self.subset.check(self.dimensions.space)

    @property
    def stored(self) -> list[str]:
        """Names of all variables whose values are read."""
        return [*self.variables, *self.inputs.variables]

    def open(self, paths: Sequence[Path], times: Range) -> list[TrajectoryReader]:
        """Return the trajectories in files, with all time stamps relative to one origin.

        Args:
            paths: Files, in the order of their names.
            times: Range of the snapshots that are used.
        """
        names = self.variables, self.dimensions, self.parameters
        read = partial(
            TrajectoryFile,
            format=self.format or format_of(paths[0]),
            select=self.select,
            interval=self.interval or 0.0,
            inputs=self.inputs,
            subset=self.subset,
        )
        first = read(paths[0], *names, times, part=True)
        readers: list[TrajectoryReader] = []
        if self.join is not None or (first.snapshots == 1 and len(paths) > 1):
            parts = [first, *(read(path, *names, part=True) for path in paths[1:])]
            # files of one snapshot each can mean nothing else than one run
            if self.join is not None or all(part.snapshots == 1 for part in parts):
                readers = [*join_runs(parts, self.join, times)]
        if not readers:
            first.interval = first.time.within(first.used).interval
            readers = [first, *(read(path, *names, times) for path in paths[1:])]
        for reader in readers[1:]:
            time = reader.time.expressed_like(readers[0].time)
            if time is not reader.time:
                reader.time, reader.interval = time, time.within(reader.used).interval
        return readers


def remarks(
    split: str, readers: list[TrajectoryReader], sources: Mapping[str, SplitFiles], root: Path
) -> list[str]:
    """Return notes on snapshots shared with other splits, and on files that seem parts of one run.

    Args:
        split: Name of the split.
        readers: Trajectories of the split.
        sources: Files of all splits, by the name of the split.
        root: Folder of the data set.
    """
    others = {
        name: (source, find_files(root, source.files))
        for name, source in sources.items()
        if name != split
    }
    found = overlaps(split, readers, sources[split], others)
    runs = sorted(readers, key=lambda reader: reader.time.values[0])
    seams = [
        (two.time.values[0] - one.time.values[-1]) / one.interval for one, two in pairwise(runs)
    ]
    single = all(len(reader.files) == 1 for reader in readers)
    if seams and single and all(min(abs(gap), abs(gap - 1)) < 0.01 for gap in seams):
        found.append(
            f"the stamps of the {len(readers)} files of the {split} split continue each other, "
            "but each file is read as separate trajectories; if they are one run, set "
            "data.join: time."
        )
    return found
