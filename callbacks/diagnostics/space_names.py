"""Names of the dimensions of space among scores, whose names the data may also use."""

import re
from collections.abc import Sequence

RESERVED = re.compile(
    "anomaly_correlation|autocorrelation.*|band|bin|brier.*|channel|climate|component.*|crps.*"
    "|curve.*|density|energy.*|ensemble.*|enstrophy|exceedance.*|explained_variance|failed"
    "|failure|field|forecast_probability|hovmoeller.*|initial_.*|lag|last_good_state"
    "|latent.*|lead_time|limit.*|long_lead_time|mean_map.*|member|movie.*|mse.*|panel.*"
    "|pattern_correlation|persistence_correlation|plume.*|predictability.*|quantile|rank.*"
    "|reference.*|relative_error.*|return.*|rmse|spectrum.*|spread.*|stability_rate|stable"
    "|survival_time|twin|valid.*|value"
    "|variance_map.*|vrmse|wasserstein|wavenumber.*|zonal.*"
)


def space_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the dimensions of space in scores.

    A name that scores use for something else, such as `lead_time`, gets the ending `_of_space`.
    """
    return tuple(f"{name}_of_space" if RESERVED.fullmatch(name) else name for name in names)
