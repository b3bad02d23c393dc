"""Snapshots that stay in their files and are read window by window."""

from collections.abc import Sequence

import numpy as np
import torch

from datamodules.files.disk_array import LARGEST
from datamodules.files.reader import TrajectoryReader
from datamodules.storage.storage import Place, Snapshots, Storage, Windows, empty


class Streamed(Storage):
    """Snapshots in their files, of which few are open at a time; only windows are in RAM.

    Args:
        spans: File, number within the file and range of snapshots of each trajectory.
        masked: Points of the state that are masked, (channel, *space); where they have no value
            they are 0 here. The forcing is masked where all channels are.
        missing: Whether all masked points of the state are without a value in every snapshot.

    Raises:
        ValueError: A value that is not masked is not finite, or was never written; or a point has a
            value in some snapshots and not in others. Raised when it is read.
    """

    def __init__(
        self,
        spans: Sequence[tuple[TrajectoryReader, int, range]],
        masked: np.ndarray | None = None,
        missing: bool = False,
    ) -> None:
        self.spans = list(spans)
        self.missing = missing
        self.lengths = [len(span) for _, _, span in self.spans]
        first = self.spans[0][0] if self.spans else None
        channels = len(first.variables) + len(first.forcing) if first else 0
        self.shape = (channels, *first.space) if first else ()
        self.masked: np.ndarray | None = None
        if masked is not None and first:
            forced = np.broadcast_to(masked.all(0), (len(first.forcing), *first.space))
            self.masked = np.flatnonzero(np.concatenate([masked, forced]))
            self._of_state = np.count_nonzero(masked)  # these come first

    def read(self, k: int, start: int, stop: int) -> Snapshots:
        return self.windows([(k, start)], stop - start)[0]

    def windows(self, places: Sequence[Place], length: int) -> Windows:
        windows = empty(len(places), length, *self.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            for window, (k, start) in zip(windows, places, strict=True):
                file, index, span = self.spans[k]
                file.copy_to(window, index, span.start + start)
                if self.masked is not None:
                    self._fill(window, self.masked, file, index, span.start + start)
                values = window.ravel()
                if not np.isfinite(np.dot(values, values)):  # cheap; finite if all are small
                    check_finite_window(window, file, index, span.start + start)
        return torch.from_numpy(windows)

    def _fill(
        self,
        window: np.ndarray,
        points: np.ndarray,
        file: TrajectoryReader,
        index: int,
        start: int,
    ) -> None:
        """Set masked points without a value to 0."""
        values = window.reshape(len(window), -1)
        masked = values[:, points]
        absent = ~(np.abs(masked) < LARGEST)
        if self.missing and not (gone := absent[:, : self._of_state]).all():
            snapshot, number = map(int, np.argwhere(~gone)[0])
            channel, *point = np.unravel_index(points[number], window.shape[1:])
            raise ValueError(
                f"{file.path}: variable '{file.variables[channel].name}' has a value at trajectory "
                f"{index}, snapshot {start + snapshot}, point {tuple(map(int, point))}, where the "
                "first snapshot of the data set has none, expected the same missing points at all "
                "times; give a variable that is the mask by data.mask, or fill missing values."
            )
        masked[absent] = 0
        values[:, points] = masked


def check_finite_window(window: np.ndarray, file: TrajectoryReader, index: int, start: int) -> None:
    """Raise an error if a value is infinite, NaN or NetCDF's fill value.

    Args:
        window: Snapshots (time, channel, *space).
        file: Reader that they come from, for the message.
        index: Number of the trajectory in the file.
        start: Number of the first snapshot.

    Raises:
        ValueError: Such a value exists; the message names the first one.
    """
    bad = ~(np.abs(window) < LARGEST)
    if not bad.any():
        return
    snapshot, channel, *point = map(int, np.unravel_index(bad.argmax(), bad.shape))
    value = float(window[(snapshot, channel, *point)])
    name = [*file.variables, *file.forcing][channel].name
    advice = "fill or cut out missing values"
    if channel < len(file.variables) and not abs(value) >= LARGEST:
        advice += ", or set data.mask if the same points are missing at all times"
    if abs(value) >= LARGEST:
        advice = f"it is {value:.3g} in single precision; rescale the variable, or fill or cut out"
        advice += " what was never written"
    chunks = (part.absent_chunk(channel) for part in file.files)
    if chunk := next(filter(None, chunks), ""):
        advice = (
            f"a chunk may be missing, since {chunk} is not in the store: restore it, or {advice}"
        )
    raise ValueError(
        f"{file.path}: variable '{name}' is not finite at "
        f"trajectory {index}, snapshot {start + snapshot}, point {tuple(point)}; {advice}."
    )
