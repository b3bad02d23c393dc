"""The file of scores that a test left: read and checked, so that all that is compared is there."""

import json
from pathlib import Path
from typing import Any

import xarray

from callbacks.run.scores_seal import is_damaged

START, LEAD, LONG = "initial_condition", "lead_time", "long_lead_time"
DIMENSIONS = {  # of what a comparison shows; None stands for those of space
    "mse": (START, LEAD),
    "mse_physical": (START, LEAD, "channel"),
    "anomaly_correlation": (START, LEAD),
    "valid_prediction_time": (START,),
    "limit_once": ("twin", LEAD),
    "limit_always": ("twin", LEAD),
    "stable": (START,),
    "stability_rate": (LONG,),
    "energy": (START, LONG),
    "reference_energy_mean": (),
    "reference_energy_std": (),
    "band": (),
    "enstrophy": (START, LONG),
    "reference_enstrophy_mean": (),
    "spectrum_error": (START,),
    "spectrum_isotropic": (START, "wavenumber"),
    "reference_spectrum_isotropic": ("wavenumber",),
    "zonal_mean": (START, "channel", None),
    "reference_zonal_mean": ("channel", None),
    "zonal_velocity": (START, None),
    "reference_zonal_velocity": (None,),
    "density": (START, "field", "bin"),
    "reference_density": ("field", "bin"),
    "value": ("field", "bin"),
    "wasserstein": (START, "field"),
    "autocorrelation": (START, "component", "lag"),
    "reference_autocorrelation": ("component", "lag"),
    "return_level": (START, "return_period"),
    "return_level_of_all": ("return_period",),
    "reference_return_level": ("return_period",),
    "crps": (START, LEAD),
    "ensemble_spread": (START, LEAD),
    LEAD: (LEAD,),
    LONG: (LONG,),
    "wavenumber": ("wavenumber",),
    "lag": ("lag",),
    "return_period": ("return_period",),
    "panel_lead_time": ("panel_lead_time",),
    "panel_truth": ("panel_lead_time", None),
    "panel_forecast": ("panel_lead_time", None),
}
TOGETHER = {  # what is drawn with a score
    "mse": (LEAD,),
    "anomaly_correlation": (LEAD,),
    "limit_once": ("limit_always",),
    "stability_rate": (LONG,),
    "energy": ("reference_energy_mean", "reference_energy_std", "band", LONG),
    "enstrophy": ("reference_enstrophy_mean", LONG),
    "spectrum_isotropic": ("reference_spectrum_isotropic", "wavenumber"),
    "zonal_mean": ("reference_zonal_mean", "channel"),
    "zonal_velocity": ("reference_zonal_velocity",),
    "density": ("reference_density", "value", "field"),
    "autocorrelation": ("reference_autocorrelation", "lag"),
    "return_level_of_all": ("reference_return_level", "return_level", "return_period"),
    "crps": ("ensemble_spread", LEAD),
    "panel_lead_time": ("panel_truth", "panel_forecast"),
}
NUMBER = (int, float)
NOTHING = type(None)
KINDS = {  # of what determined the scores, where it is there
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
    """Return the scores of a tested run and what determined them.

    Raises:
        FileNotFoundError: There are none.
        ValueError: The file is damaged, or not one that a test left.
    """
    path, test = folder / "scores.nc", f"`emulate test --ckpt_path {folder}/last.ckpt`"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; run {test} first.")
    try:
        if is_damaged(path):  # before a library that may not come back from it
            raise ValueError("it is not as the test wrote it")
        with xarray.open_dataset(path, engine="netcdf4", decode_times=False) as dataset:
            scores = dataset.load()
        about = json.loads(scores.attrs["provenance"])
        reason = wrong_about(about) or wrong_scores(scores)
    except Exception as error:  # libraries meet bytes of other programs with errors of any kind
        reason = f"{type(error).__name__}: {error}"
    if reason:
        raise ValueError(
            f"{path} does not hold scores of this version; run {test} again "
            f"({' '.join(reason.split()):.200})."
        )
    return scores, about


def wrong_about(about: Any) -> str:
    """Return what is wrong with what determined scores, or nothing."""
    if not isinstance(about, dict) or "metrics" not in about:
        return "its provenance names no metrics"
    for key, kind in KINDS.items():
        if key in about and (not is_a(about[key], kind) or (kind is int and about[key] < 0)):
            return f"{key} is {about[key]!r} in its provenance"
    for key, kind in (("metrics", dict), ("training", (*NUMBER, NOTHING))):
        for name, value in about.get(key, {}).items():
            if not is_a(value, kind):
                return f"{key}.{name} is {value!r} in its provenance"
    for name, entry in about.get("diagnostics", {}).items():
        module, summary = (is_a(entry, dict) and entry.get(key) for key in ("module", "summary"))
        texts = [module, *(summary if isinstance(summary, list) else [None])]
        if not all(isinstance(text, str) for text in texts):
            return f"diagnostics.{name} is {entry!r} in its provenance"
    for key in ("initial_conditions", "steps"):
        if not is_a(about.get("rollouts", {}).get(key, 1), int):
            return f"rollouts.{key} is {about['rollouts'][key]!r} in its provenance"
    return ""


def is_a(value: Any, kind: Any) -> bool:
    """Return whether a value is of a kind, for which true and false are no numbers."""
    return isinstance(value, kind) and not isinstance(value, bool)


def wrong_scores(scores: xarray.Dataset) -> str:
    """Return which score is not what a comparison takes it for, or nothing."""
    for name, wanted in DIMENSIONS.items():
        if name not in scores.variables:
            continue
        found = scores[name]
        whole = len(found.dims) >= len(wanted) if None in wanted else len(found.dims) == len(wanted)
        if not whole or any(w not in (None, f) for w, f in zip(wanted, found.dims, strict=False)):
            return f"'{name}' has the dimensions {found.dims}"
        if found.dtype.kind not in "biuf":
            return f"'{name}' holds {found.dtype}, not numbers"
        if not found.size:
            return f"'{name}' is empty"
    for name, others in TOGETHER.items():
        missing = [other for other in others if other not in scores.variables]
        if name in scores.variables and missing:
            return f"it has '{name}' without '{missing[0]}'"
    return ""
