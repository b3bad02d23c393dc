"""Scores of tested runs, read and checked against each other."""

import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray

from callbacks.comparison.found_diagnostics import (
    all_diagnostics,
    columns_of,
    find_diagnostics,
    layouts,
    library_diagnostics,
)
from callbacks.comparison.scores_file import check_layouts, read_scores
from callbacks.comparison.summary_file import read_own
from callbacks.diagnostics.compared import Run
from callbacks.run.run_folder import newer_weights

ENSEMBLE = ("members", "initial_noise")
"""Entries of the rollouts that may differ between compared runs."""

REMEDIES = {
    "breeding": "it moves the initial conditions; test both with the same "
    "data.test_rollouts.breeding, which leaves the first member as it is",
    "data_hash": "test both on the same data",
    **dict.fromkeys(
        ("training_data_hash", "training_std"),
        "their scores are in units of different training data; train both on the same",
    ),
}
"""What to do about settings that differ."""

OF_MEMBERS = ("rank", "forecast_probability")
"""Dimensions of scores that have as many entries as an ensemble has members, and one more."""


def load_runs(folders: Sequence[Path], modules: Collection[str] = ()) -> list[Run]:
    """Return the scores of tested runs.

    Args:
        folders: Folders of tested runs.
        modules: Names of modules of the user's own diagnostics, which may be anywhere.

    Raises:
        FileNotFoundError: A folder holds no scores.
        ValueError: Scores cannot be read, a run is given twice, or two runs were scored
            on different data or by different definitions.
    """
    folders = [Path(folder) for folder in folders]
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise ValueError(f"{folder} is given twice; name each run once.")
    runs = [
        load_run(folder, readable(place.name), modules)
        for folder, place in zip(folders, places, strict=True)
    ]
    for run in runs:
        warn_of_newer_weights(run)
    names = [run.name for run in runs]
    if len(set(names)) < len(names):  # whole paths differ
        runs = [replace(run, name=readable(str(run.folder))) for run in runs]
    for run in runs[1:]:
        found, wanted = (compared_settings(one, runs[0], run) for one in (run, runs[0]))
        for key in (*wanted, *found):
            if found.get(key) != wanted.get(key):
                verb = "differ" if key == "rollouts" else "differs"
                raise ValueError(
                    f"{run.name} and {runs[0].name} cannot be compared: their {key} {verb} "
                    f"({found.get(key)} and {wanted.get(key)}); "
                    f"{REMEDIES.get(key, 'test both in the same way')}."
                )
    return runs


def load_run(folder: Path, name: str, modules: Collection[str] = ()) -> Run:
    """Return the tested run in a folder.

    Args:
        folder: Folder of the run.
        name: Name of the run in the comparison.
        modules: Names of modules of the user's own diagnostics, which may be anywhere.
    """
    scores, about = read_scores(folder)
    kinds = find_diagnostics(about, modules)
    ours = library_diagnostics()
    own = tuple(kind for kind in kinds.values() if kind is not None and kind not in ours)
    check_layouts(folder, scores, layouts((*ours, *own)))
    if "diagnostics" not in about:
        return Run(name, scores, about, folder, read_own(folder))
    with_columns = {
        number
        for kind_name, kind in kinds.items()
        if kind is not None and columns_of(kind) is not None
        for number in about["diagnostics"][kind_name]["summary"]
    }
    return Run(name, scores, about, folder, read_own(folder, with_columns), own)


def readable(name: str) -> str:
    """Return the name of a file as text, with a replacement mark for bytes that are not UTF-8."""
    return os.fsencode(name).decode(errors="replace")


def warn_of_newer_weights(run: Run) -> None:
    """Print a line if the weights in a folder are newer than its scores."""
    newer = newer_weights(run.folder, run.about.get("steps"))
    if newer is not None:
        print(
            f"{run.folder}: its scores are of step {run.about.get('steps')}, last.ckpt is of step "
            f"{newer}; run `emulate test --ckpt_path {run.folder}/last.ckpt` again.",
            file=sys.stderr,
        )


def compared_settings(run: Run, *among: Run) -> dict[str, Any]:
    """Return the settings that compared runs must share: data, rollouts, options and shapes.

    The ensemble is part of a method: a deterministic run is compared with a stochastic one, and
    ensembles of several sizes with each other.

    Args:
        run: Run to describe.
        among: Runs that are compared; only metrics and scores that all of them have are included.
    """
    keys = ("data_hash", "training_data_hash", "training_std", "rollouts")
    entries = {key: run.about.get(key) for key in keys}
    if isinstance(entries["rollouts"], dict):
        rollouts = {key: v for key, v in entries["rollouts"].items() if key not in ENSEMBLE}
        entries["breeding"] = rollouts.pop("breeding", 0)
        entries["rollouts"] = rollouts
    if all("domain" in one.about for one in among):  # scores of earlier versions have none
        entries["domain"] = run.about["domain"]
    shared = set.intersection(*(set(one.about.get("metrics", {})) for one in among))
    for name in sorted(shared):
        options = sorted({key for one in among for key in one.about["metrics"][name]})
        entries |= {f"{name}.{key}": run.about["metrics"][name].get(key) for key in options}
    shapes = {
        f"shape of {name}": shape_among_runs(run.scores[name])
        for name in layouts(all_diagnostics(among))
        if all(name in one.scores.data_vars for one in among)
    }
    return entries | shapes


def shape_among_runs(score: xarray.DataArray) -> tuple[int, ...]:
    """Return the sizes of the dimensions of a score that are equal in runs that are compared."""
    return tuple(size for name, size in score.sizes.items() if name not in OF_MEMBERS)
