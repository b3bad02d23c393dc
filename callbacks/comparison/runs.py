"""Scores of tested runs, and the methods that they are seeds of."""

import os
import re
import sys
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray

from callbacks.comparison.scores_file import DIMENSIONS, read_scores
from callbacks.comparison.summary_file import read_own
from callbacks.plotting.style import literal, mean_of_finite, styles
from callbacks.run.run_folder import newer_weights


@dataclass(frozen=True)
class Run:
    """Scores of one tested run.

    Attributes:
        name: Name of its folder, or the whole path where others have the same name.
        scores: Labelled arrays.
        about: What determined them.
        folder: Where they are.
        own: Numbers of diagnostics that this program does not have, by name.
    """

    name: str
    scores: xarray.Dataset
    about: dict[str, Any]
    folder: Path
    own: dict[str, float] = field(default_factory=dict)

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

    @property
    def label(self) -> str:
        """Name in the legend of a figure."""
        return literal(self.name)

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
        ValueError: Scores are not readable as such, a run is given twice, or two runs were scored
            on different data or by different definitions.
    """
    folders = [Path(folder) for folder in folders]
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise ValueError(f"{folder} is given twice; name each run once.")
    runs = [
        Run(readable(place.name), *read_scores(folder), folder, read_own(folder))
        for folder, place in zip(folders, places, strict=True)
    ]
    for run in runs:
        say_if_older(run)
    names = [run.name for run in runs]
    if len(set(names)) < len(names):  # their whole paths tell them apart
        runs = [replace(run, name=readable(str(run.folder))) for run in runs]
    for run in runs[1:]:
        found, wanted = (definition(one, runs[0], run) for one in (run, runs[0]))
        for key in (*wanted, *found):
            if found.get(key) != wanted.get(key):
                raise ValueError(
                    f"{run.name} and {runs[0].name} cannot be compared: their {key} differs "
                    f"({found.get(key)} and {wanted.get(key)}); test both in the same way."
                )
    return runs


def readable(name: str) -> str:
    """Return a name of a file with a mark for each byte that is no text."""
    return os.fsencode(name).decode(errors="replace")


def say_if_older(run: Run) -> None:
    """Say where the weights in a folder are no longer those that were scored."""
    newer = newer_weights(run.folder, run.about.get("steps"))
    if newer is not None:
        print(
            f"{run.folder}: its scores are of step {run.about.get('steps')}, last.ckpt is of step "
            f"{newer}; run `emulate test --ckpt_path {run.folder}/last.ckpt` again.",
            file=sys.stderr,
        )


def definition(run: Run, *among: Run) -> dict[str, Any]:
    """Return what must be the same to compare scores: data, rollouts, metrics and shapes shared."""
    keys = ("data_hash", "training_data_hash", "training_std", "rollouts")
    entries = {key: run.about.get(key) for key in keys}
    if all("domain" in one.about for one in among):  # scores of earlier versions do not say
        entries["domain"] = run.about["domain"]
    shared = set.intersection(*(set(one.about.get("metrics", {})) for one in among))
    for name in sorted(shared):
        options = sorted({key for one in among for key in one.about["metrics"][name]})
        entries |= {f"{name}.{key}": run.about["metrics"][name].get(key) for key in options}
    shapes = {
        f"shape of {name}": run.scores[name].shape
        for name in DIMENSIONS
        if all(name in one.scores.variables for one in among)
    }
    return entries | shapes
