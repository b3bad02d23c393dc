"""Scores of tested runs, and the methods that they are seeds of."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray


@dataclass(frozen=True)
class Run:
    """Scores of one tested run: its name, its labelled arrays, what determined them, its folder."""

    name: str
    scores: xarray.Dataset
    about: dict[str, Any]
    folder: Path

    @property
    def method(self) -> str:
        """Name without a final `-seedN`, which marks runs that differ by the seed alone."""
        return re.sub(r"-seed\d+$", "", self.name)

    def mean(self, name: str, **at: int) -> float | None:
        """Return the mean of a score over initial conditions, or None if it was not computed."""
        if name not in self.scores:
            return None
        return float(self.scores[name].isel(at).mean(skipna=False))


@dataclass(frozen=True)
class Method:
    """Runs of one method, one per seed."""

    name: str
    runs: list[Run]

    def each(self, name: str, over: Sequence[str] = ("initial_condition",)) -> np.ndarray:
        """Return the means (seed, ...) of a labelled array over some of its dimensions."""
        return np.stack([run.scores[name].mean(over, skipna=False).values for run in self.runs])


def methods(runs: Sequence[Run]) -> list[Method]:
    """Return the methods in the order in which they first appear."""
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.method, []).append(run)
    return [Method(name, group) for name, group in grouped.items()]


def load_runs(folders: Sequence[Path]) -> list[Run]:
    """Return the scores of tested runs.

    Raises:
        FileNotFoundError: A folder holds no scores.
        ValueError: Scores are not readable as such, or two runs were scored on different data or by
            different definitions.
    """
    runs = []
    for folder in map(Path, folders):
        path = folder / "scores.nc"
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: no such file; run `emulate test --ckpt_path {folder}/last.ckpt` first."
            )
        try:
            with xarray.open_dataset(path, decode_times=False) as dataset:
                scores = dataset.load()
            about = json.loads(scores.attrs["provenance"])
        except (OSError, ValueError, KeyError):
            raise ValueError(
                f"{path} does not hold scores; run `emulate test --ckpt_path {folder}/last.ckpt` "
                "again."
            ) from None
        runs.append(Run(folder.resolve().name, scores, about, folder))
    for run in runs[1:]:
        for key in ("data_hash", "rollouts", "metric_versions"):
            if run.about.get(key) != runs[0].about.get(key):
                raise ValueError(
                    f"{run.name} and {runs[0].name} cannot be compared: their {key} differ "
                    f"({run.about.get(key)} and {runs[0].about.get(key)}); test both in the same "
                    "way."
                )
    return runs
