"""The file of scores of a tested run, read and checked before it is compared."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray

from callbacks.diagnostics.compared import ScoreLayout
from callbacks.run.scores_seal import is_damaged

NUMBER = (int, float)
NOTHING = type(None)
KINDS = {  # types of the entries of the provenance, which are optional
    "metrics": dict,
    "diagnostics": dict,
    "method": (str, NOTHING),
    "seed": (int, NOTHING),
    "rollouts": dict,
    "training": dict,
    "training_std": list,
    "data_hash": str,
    "training_data_hash": (str, NOTHING),
    "commit": (str, NOTHING),
    "parameters": int,
    "steps": int,
}


def read_scores(folder: Path) -> tuple[xarray.Dataset, dict[str, Any]]:
    """Return the scores of a tested run and their provenance.

    Raises:
        FileNotFoundError: The folder does not exist or has no scores.
        ValueError: The file is damaged, or was not written by a test.
    """
    path = folder / "scores.nc"
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; give folders of tested runs.")
    if not path.is_file():
        test = f"`emulate test --ckpt_path {folder}/last.ckpt`"
        raise FileNotFoundError(f"{path}: no such file; run {test} first.")
    try:
        if is_damaged(path):  # the library for NetCDF may not return from a damaged file
            raise ValueError("it is not as the test wrote it")
        with xarray.open_dataset(path, engine="netcdf4", decode_times=False) as dataset:
            scores = dataset.load()
        about = json.loads(scores.attrs["provenance"])
        reason = provenance_error(about)
    except Exception as error:  # libraries raise errors of any kind
        reason = f"{type(error).__name__}: {error}"
    refuse(folder, reason)
    return scores, about


def check_layouts(folder: Path, scores: xarray.Dataset, layouts: Mapping[str, ScoreLayout]) -> None:
    """Check that scores have the dimensions that columns and panels read.

    Raises:
        ValueError: A score has other dimensions, is empty or not numeric, or lacks a needed score.
    """
    refuse(folder, layout_error(scores, layouts))


def refuse(folder: Path, reason: str) -> None:
    """Raise an error about the scores in a folder if there is a reason."""
    if reason:
        raise ValueError(
            f"{folder / 'scores.nc'} does not hold scores of this version; run "
            f"`emulate test --ckpt_path {folder}/last.ckpt` again "
            f"({' '.join(reason.split()):.200})."
        )


def provenance_error(about: Any) -> str:
    """Return the error in the provenance of scores as text; empty without an error."""
    if not isinstance(about, dict) or "metrics" not in about:
        return "its provenance names no metrics"
    for key, kind in KINDS.items():
        if key in about and (not is_of_type(about[key], kind) or (kind is int and about[key] < 0)):
            return f"{key} is {about[key]!r} in its provenance"
    for key, kind in (("metrics", dict), ("training", (*NUMBER, NOTHING))):
        for name, value in about.get(key, {}).items():
            if not is_of_type(value, kind):
                return f"{key}.{name} is {value!r} in its provenance"
    for name, entry in about.get("diagnostics", {}).items():
        module, summary = (
            is_of_type(entry, dict) and entry.get(key) for key in ("module", "summary")
        )
        texts = [module, *(summary if isinstance(summary, list) else [None])]
        if not all(isinstance(text, str) for text in texts):
            return f"diagnostics.{name} is {entry!r} in its provenance"
    for key in ("initial_conditions", "steps"):
        if not is_of_type(about.get("rollouts", {}).get(key, 1), int):
            return f"rollouts.{key} is {about['rollouts'][key]!r} in its provenance"
    return ""


def is_of_type(value: object, kind: Any) -> bool:
    """Return whether a value is of a type; true and false are not numbers."""
    return isinstance(value, kind) and not isinstance(value, bool)


def layout_error(scores: xarray.Dataset, layouts: Mapping[str, ScoreLayout]) -> str:
    """Return the error of the first score without its layout; empty without an error."""
    for name, layout in layouts.items():
        if name not in scores.variables:
            continue
        found, wanted = scores[name], layout.dims
        whole = len(found.dims) >= len(wanted) if ... in wanted else len(found.dims) == len(wanted)
        if not whole or any(w not in (..., f) for w, f in zip(wanted, found.dims, strict=False)):
            return f"'{name}' has the dimensions {found.dims}"
        if found.dtype.kind not in "biuf":
            return f"'{name}' holds {found.dtype}, not numbers"
        if not found.size:
            return f"'{name}' is empty"
    for name, layout in layouts.items():
        missing = [other for other in layout.needs if other not in scores.variables]
        if name in scores.variables and missing:
            return f"it has '{name}' without '{missing[0]}'"
    return ""
