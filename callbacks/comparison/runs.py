"""Scores of tested runs, and the methods that they are seeds of."""

import json
import re
from collections.abc import Sequence
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
        """Return the mean of a score over initial conditions, or None if it was not computed.

        Of forecast errors it includes lost ones; of the climate it is of those that have any.
        """
        if name not in self.scores:
            return None
        values = self.scores[name]
        return float(values.isel(at).mean(skipna="lead_time" not in values.dims))


@dataclass(frozen=True)
class Method:
    """Runs of one method, one per seed, and the colour and dashes of its curves."""

    name: str
    runs: list[Run]
    style: dict[str, Any]

    def each(self, name: str, over: str = "initial_condition") -> np.ndarray:
        """Return the means (seed, ...) of a labelled array over a dimension, if it has it.

        Forecast errors are means over all initial conditions, lost ones included; statistics of the
        climate are means over those that have any.
        """
        arrays = [run.scores[name].values for run in self.runs]
        dims = self.runs[0].scores[name].dims
        if over not in dims:
            return np.stack(arrays)
        moved = [np.moveaxis(array, dims.index(over), 0) for array in arrays]
        whole = "lead_time" in dims
        return np.stack([rows.mean(0) if whole else mean_of_finite(rows) for rows in moved])


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
