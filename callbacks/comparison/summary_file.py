"""Numbers of a user's own diagnostics, from the summary that a test left."""

import json
import math
from pathlib import Path

OURS = {  # first parts of the names of our diagnostics' numbers
    "autocorrelation_deviation",
    "crps",
    "curve",
    "latent",
    "limit_ratio_always",
    "limit_ratio_once",
    "mean_energy_ratio",
    "mean_enstrophy_ratio",
    "mean_map_error",
    "mse",
    "relative_error",
    "return_level_ratio",
    "spectrum_error",
    "spread_skill_ratio",
    "stability_rate",
    "survival_time",
    "valid_prediction_time",
    "variance_map_error",
    "wasserstein",
    "zonal_mean_error",
}


def read_own(folder: Path) -> dict[str, float]:
    """Return the numbers of `scores.json` that no diagnostic of this program leaves.

    Raises:
        ValueError: The file is not one that a test left.
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
    own = {name: value for name, value in found if name.partition("/")[0] not in OURS}
    for name, value in own.items():
        if not isinstance(value, int | float | None) or isinstance(value, bool):
            raise ValueError(
                f"{path}: '{name}' is {value!r:.80}, expected a number; let the summary of its "
                "diagnostic return numbers."
            )
    return {name: math.nan if value is None else float(value) for name, value in own.items()}
