"""Scores of tested runs, and the methods that they are seeds of."""

import json
import re
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray

from callbacks.figures import mean_of_finite, styles


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
        """Return the mean of a score over all its dimensions, or None if it was not computed."""
        if name not in self.scores:
            return None
        return float(self.mean_over(name, self.scores[name].dims, **at))

    def mean_over(self, name: str, over: Collection[Hashable], **at: int) -> np.ndarray:
        """Return the mean of a score over those of the dimensions that it has.

        Of forecast errors it includes lost ones; of the climate it is of those that have any.
        """
        values = self.scores[name].isel(at)
        gone = [dimension for dimension in values.dims if dimension in over]
        array = values.transpose(*gone, ...).values
        rows = array.reshape(-1, *array.shape[len(gone) :])
        whole = "lead_time" in self.scores[name].dims
        return np.asarray(rows.mean(0) if whole else mean_of_finite(rows))


@dataclass(frozen=True)
class Method:
    """Runs of one method, one per seed, and the colour and dashes of its curves."""

    name: str
    runs: list[Run]
    style: dict[str, Any]

    def each(self, name: str, over: str = "initial_condition") -> np.ndarray:
        """Return the means (seed, ...) of a labelled array over a dimension, if it has it."""
        return np.stack([run.mean_over(name, [over]) for run in self.runs])


def methods(runs: Sequence[Run]) -> list[Method]:
    """Return the methods in the order in which they first appear."""
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.method, []).append(run)
    chosen = styles(grouped)
    return [Method(name, group, chosen[name]) for name, group in grouped.items()]


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
            if "metrics" not in about:
                raise ValueError("written by another version")
        except (OSError, ValueError, KeyError):
            raise ValueError(
                f"{path} does not hold scores of this version; run "
                f"`emulate test --ckpt_path {folder}/last.ckpt` again."
            ) from None
        runs.append(Run(folder.resolve().name, scores, about, folder))
    names = [run.name for run in runs]
    if len(set(names)) < len(names):  # their whole paths tell them apart
        runs = [replace(run, name=str(run.folder)) for run in runs]
    for run in runs[1:]:
        found, wanted = (definition(one, runs[0], run) for one in (run, runs[0]))
        for key in (*wanted, *found):
            if found.get(key) != wanted.get(key):
                raise ValueError(
                    f"{run.name} and {runs[0].name} cannot be compared: their {key} differs "
                    f"({found.get(key)} and {wanted.get(key)}); test both in the same way."
                )
    return runs


def definition(run: Run, *among: Run) -> dict[str, Any]:
    """Return what must be the same for scores to be comparable: data, rollouts, shared metrics."""
    keys = ("data_hash", "training_data_hash", "training_std", "rollouts")
    entries = {key: run.about.get(key) for key in keys}
    shared = set.intersection(*(set(one.about.get("metrics", {})) for one in among))
    for name in sorted(shared):
        options = sorted({key for one in among for key in one.about["metrics"][name]})
        entries |= {f"{name}.{key}": run.about["metrics"][name].get(key) for key in options}
    return entries
