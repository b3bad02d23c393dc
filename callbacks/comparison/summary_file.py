"""Numbers of diagnostics that define no columns, from the summary of a test."""

import json
import math
from collections.abc import Collection
from pathlib import Path

OURS = {  # first parts of names, for scores of versions that recorded no diagnostics
    "autocorrelation_deviation",
    "crps",
    "crps_band",
    "curve",
    "energy_log_ratio",
    "energy_log_ratio_weighted",
    "energy_score",
    "latent",
    "limit_ratio_always",
    "limit_ratio_once",
    "mean_energy_ratio",
    "mean_enstrophy_ratio",
    "mean_map_error",
    "mse",
    "relative_error",
    "return_level_ratio",
    "spectrum_band_error",
    "spectrum_error",
    "spread_skill_ratio",
    "stability_rate",
    "survival_time",
    "valid_prediction_time",
    "variance_map_error",
    "wasserstein",
    "zonal_mean_error",
    "zonal_mean_error_absolute",
}


def read_own(folder: Path, shown: Collection[str] | None = None) -> dict[str, float]:
    """Return the numbers of `scores.json` that get their own columns, by name.

    These are the numbers of diagnostics that define no columns; NaN for a missing number.

    Args:
        folder: Folder of the run.
        shown: Names of numbers whose diagnostics define columns; by default the names of all
            numbers of this program's diagnostics.

    Raises:
        ValueError: The file was not written by a test.
    """
    path = folder / "scores.json"
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_bytes())["scores"].items()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(
            f"{path} does not hold the scores of a test; run `emulate test --ckpt_path "
            f"{folder}/last.ckpt` again."
        ) from None
    shown = [n for n, _ in found if n.partition("/")[0] in OURS] if shown is None else shown
    own = {name: value for name, value in found if name not in shown}
    for name, value in own.items():
        if not isinstance(value, int | float | None) or isinstance(value, bool):
            raise ValueError(
                f"{path}: '{name}' is {value!r:.80}, expected a number; let the summary of its "
                "diagnostic return numbers."
            )
    return {name: math.nan if value is None else float(value) for name, value in own.items()}
