"""Files of one simulation, joined in time and read as one."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import numpy as np

from datamodules.files.levels import difference_of_levels, level_text
from datamodules.files.numbered_names import check_order
from datamodules.files.reader import TrajectoryReader, check_agreement
from datamodules.files.selection import Range
from datamodules.files.time_axis import SHARE
from datamodules.files.trajectory_file import TrajectoryFile
from datamodules.solvers import Variable


class JoinedFiles(TrajectoryReader):
    """Trajectories whose snapshots are in several files, one after the other in time.

    Files are sorted by their time stamps. A stamp that a file shares with the end of the previous
    one (a restart) is used once; both must hold the same snapshot there.

    Args:
        parts: Files, each opened with `part=True`.
        times: Range of the snapshots that are used, counted over all files.

    Raises:
        ValueError: There is a gap or overlap in time between two files, or the files differ, in
            the snapshot of a stamp that they share or in their grid, units or trajectories.
    """

    def __init__(self, parts: Sequence[TrajectoryFile], times: Range = Range()) -> None:
        for part in parts:
            bad = np.flatnonzero(~np.isfinite(part.time.values))
            if len(bad):
                raise ValueError(
                    f"{part.path}: stamp {bad[0]} of '{part.time.name}' was never written; files "
                    "that are joined in time need all their stamps: write them, or leave "
                    "data.join out."
                )
        first = min(parts, key=lambda part: part.time.expressed_like(parts[0].time).values[0])
        for part in parts:  # all stamps are counted from the origin of the earliest part
            part.time = part.time.expressed_like(first.time)
        self.parts = sorted(parts, key=lambda part: (part.time.values[0], part.time.values[-1]))
        if any(part.time.named for part in parts):
            check_order([part.path for part in self.parts])
        for name in (
            "variables",
            "standard_names",
            "axes",
            "dimensions",
            "space",
            "trajectories",
            "parameter_units",
            "levels",
            "points",
        ):
            setattr(self, name, getattr(first, name))
        self.path = first.path
        self.parameters = first.parameters
        spans = self._spans()
        stamps = [p.time.values[skip:] for p, skip in zip(self.parts, spans, strict=True)]
        self.time = replace(first.time, values=np.concatenate(stamps))
        self.used = times.of(len(self.time))
        self._check_seams(stamps)
        self.interval = self.time.within(self.used).interval
        for part in self.parts:
            part.interval = self.interval
        check_agreement(self.parts)
        static = first.read_static() if first.static else None
        for part in self.parts[1:]:
            if part.trajectories != first.trajectories or not np.array_equal(
                part.parameters, first.parameters
            ):
                raise ValueError(
                    f"{part.path} has {part.trajectories} trajectories with parameters "
                    f"{part.parameters.tolist()}, {first.path} {first.trajectories} with "
                    f"{first.parameters.tolist()}; only parts of the same run can be joined: "
                    "choose them by data.SPLIT.files."
                )
            different = _difference_of_members(part, first)
            if different:
                raise ValueError(
                    f"{part.path} has {different[0]}, {first.path} {different[1]}; parts of one "
                    "run must have the same trajectories in the same order: write them so, "
                    "or leave data.join out."
                )
            if static is not None and not np.array_equal(
                part.read_static(), static, equal_nan=True
            ):
                raise ValueError(
                    f"{part.path} has other static fields than {first.path}, expected the same in "
                    "all parts of a run; leave data.join out, or list them in data.forcing if they "
                    "change with time."
                )
        self._check_shared_snapshots(spans)
        self._skip = spans
        self._starts = np.cumsum([0, *(len(part) for part in stamps)])

    def _spans(self) -> list[int]:
        """Return for each part how many of its stamps (0 or 1) are also in the previous part."""
        shared = [0]
        for before, part in zip(self.parts, self.parts[1:], strict=False):
            slack = 2 * max(before.time.resolution, part.time.resolution)
            slack = 0.0 if part.time.whole else slack
            last, begin = before.time.values[-1], part.time.values[0]
            same = abs(begin - last) <= slack
            if same and len(part.time) == 1 and len(before.time) == 1:
                raise ValueError(
                    f"{before.path} and {part.path} both hold the stamp {last:g}, so that they are "
                    "not parts of one run; set data.join to folder or name if there are several "
                    "runs, or name the files of one by data.SPLIT.files."
                )
            shared.append(int(same))
        return shared

    def _check_shared_snapshots(self, spans: Sequence[int]) -> None:
        """Check that parts that share a stamp hold the same snapshot there, up to rounding.

        Raises:
            ValueError: The snapshots differ, so that the parts are of different runs.
        """
        for before, part, skip in zip(self.parts, self.parts[1:], spans[1:], strict=False):
            for trajectory in range(part.trajectories if skip else 0):
                last = before.read(trajectory, len(before.time) - 1, len(before.time))[0]
                first = part.read(trajectory, 0, 1)[0]
                for channel, one, two in zip(part.variables, last, first, strict=False):
                    if not _same_up_to_rounding(one, two):
                        raise ValueError(
                            f"{before.path} and {part.path} share the stamp "
                            f"{part.time.values[0]:.10g}, at which '{channel.name}' differs by up "
                            f"to {np.nanmax(np.abs(one - two), initial=0):.3g}, expected the same "
                            "snapshot in parts of one run; name the files of one run by "
                            "data.SPLIT.files, or set data.join to folder or name."
                        )
            if skip:
                before.close()
                part.close()

    def _check_seams(self, stamps: Sequence[np.ndarray]) -> None:
        """Check that the stamps of each part continue the stamps of the previous one.

        Raises:
            ValueError: There is a gap or an overlap between two parts.
        """
        typical = float(np.median(np.diff(self.time.values))) if len(self.time) > 1 else 0.0
        slack = SHARE * abs(typical) + self.time.resolution * (1 if self.time.whole else 2)
        end = 0
        for before, part, own in zip(self.parts, self.parts[1:], stamps, strict=False):
            end += len(own)
            if not self.used.start < end < self.used.stop:
                continue
            gap = self.time.values[end] - self.time.values[end - 1]
            if gap <= 0 or abs(gap - typical) > slack:
                raise ValueError(
                    f"{part.path} begins at {self.time.values[end]:.10g}, {before.path} ends at "
                    f"{self.time.values[end - 1]:.10g} with steps of {typical:g}: the stamps "
                    "neither meet nor follow each other, so that they cannot be joined; complete "
                    "the run, set data.join to folder or name if there are several runs, or leave "
                    "data.join out to read each file as separate trajectories."
                )

    @property
    def files(self) -> list[TrajectoryFile]:
        return list(self.parts)

    @property
    def forcing(self) -> tuple[Variable, ...]:
        return self.parts[0].forcing

    @property
    def static(self) -> tuple[Variable, ...]:
        return self.parts[0].static

    def read_static(self) -> np.ndarray:
        return self.parts[0].read_static()

    def read_mask(self) -> np.ndarray | None:
        return self.parts[0].read_mask()

    def compute_hash(self) -> str:
        text = "".join(part.compute_hash() for part in self.parts)
        return sha256(text.encode()).hexdigest()

    def copy_to(self, out: np.ndarray, trajectory: int, start: int) -> None:
        done = 0
        number = int(np.searchsorted(self._starts, start, side="right")) - 1
        while done < len(out):
            here = start + done - int(self._starts[number])
            count = min(
                len(out) - done, int(self._starts[number + 1] - self._starts[number]) - here
            )
            part = self.parts[number]
            part.copy_to(out[done : done + count], trajectory, self._skip[number] + here)
            done, number = done + count, number + 1

    def close(self) -> None:
        for part in self.parts:
            part.close()


def _same_up_to_rounding(one: np.ndarray, two: np.ndarray) -> bool:
    """Return whether two fields are the same, as far as files of packed numbers can tell."""
    if not np.array_equal(np.isnan(one), np.isnan(two)):
        return False
    there = one[~np.isnan(one)]
    slack = 1e-4 * np.ptp(there) + 1e-6 * np.abs(there).max(initial=0) if there.size else 0.0
    return bool(np.nanmax(np.abs(one - two), initial=0) <= slack)


def _difference_of_members(one: TrajectoryFile, two: TrajectoryFile) -> tuple[str, str] | None:
    """Return the difference in the numbers of trajectories, as text for each, or None."""
    if one.members is None or two.members is None:
        return difference_of_levels(one.levels, two.levels, run=True)
    texts = [
        ", ".join(level_text((member, "")) for member in members)
        for members in (one.members, two.members)
    ]
    if texts[0] == texts[1]:
        return difference_of_levels(one.levels, two.levels, run=True)
    name = one.dimensions.trajectory
    texts = [", ".join(text.split(", ")[:8]) for text in texts]
    return f"the trajectories {name} = {texts[0]}", texts[1]
