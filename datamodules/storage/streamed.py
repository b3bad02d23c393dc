"""Snapshots that stay in their files and are read window by window."""

from collections.abc import Sequence

import numpy as np
import torch

from datamodules.files.reader import TrajectoryReader
from datamodules.storage.storage import Place, Snapshots, Storage, Windows, empty

LARGEST = 9.9e36  # NetCDF fills snapshots that were never written with 9.97e36


class Streamed(Storage):
    """Snapshots in their files, of which few are open at a time; only windows are in memory.

    Args:
        spans: File, number within the file and range of snapshots of each trajectory.

    Raises:
        ValueError: A value is not finite, or was never written; raised when it is read.
    """

    def __init__(self, spans: Sequence[tuple[TrajectoryReader, int, range]]) -> None:
        self.spans = list(spans)
        self.lengths = [len(span) for _, _, span in self.spans]
        first = self.spans[0][0] if self.spans else None
        self.shape = (len(first.variables), *first.space) if first else ()

    def read(self, k: int, start: int, stop: int) -> Snapshots:
        return self.windows([(k, start)], stop - start)[0]

    def windows(self, places: Sequence[Place], length: int) -> Windows:
        windows = empty(len(places), length, *self.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            for window, (k, start) in zip(windows, places, strict=True):
                file, index, span = self.spans[k]
                file.copy_to(window, index, span.start + start)
                values = window.ravel()
                if not np.isfinite(np.dot(values, values)):  # cheap; finite if all are small
                    check_finite_window(window, file, index, span.start + start)
        return torch.from_numpy(windows)


def check_finite_window(window: np.ndarray, file: TrajectoryReader, index: int, start: int) -> None:
    """Refuse values that are infinite, NaN or NetCDF's fill value, and name the first."""
    bad = ~(np.abs(window) < LARGEST)
    if not bad.any():
        return
    snapshot, channel, *point = map(int, np.unravel_index(bad.argmax(), bad.shape))
    value = float(window[(snapshot, channel, *point)])
    advice = "fill or cut out missing values"
    if abs(value) >= LARGEST:
        advice = f"it is {value:.3g} in single precision; rescale the variable, or fill or cut out"
        advice += " what was never written"
    raise ValueError(
        f"{file.path}: variable '{file.variables[channel].name}' is not finite at "
        f"trajectory {index}, snapshot {start + snapshot}, point {tuple(point)}; {advice}."
    )
