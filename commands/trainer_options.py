"""Checks of options of Lightning's Trainer that this program does not support."""

import math
from collections.abc import Mapping
from typing import Any

REFUSED = {
    "overfit_batches": (
        0.0,
        "windows are drawn again in every epoch; to train on few of them, narrow "
        "data.train.trajectories or data.train.times",
    ),
    "use_distributed_sampler": (
        True,
        "every process would then do all the rollouts; leave it out",
    ),
}
DURATION = ("days", "hours", "minutes", "seconds", "weeks", "milliseconds", "microseconds")
AT_LEAST_ONE = ("accumulate_grad_batches", "log_every_n_steps", "num_nodes")


def check_trainer(options: Mapping[str, Any]) -> None:
    """Raise an error for options that Lightning accepts but this program does not support.

    Raises:
        ValueError: Such an option is set; the message names it.
    """
    for name, (harmless, reason) in REFUSED.items():
        if options.get(name) not in (None, harmless):
            raise ValueError(f"trainer.{name}={options[name]} has no use here: {reason}.")
    for name, value in options.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"trainer.{name} must be a finite number, got {value}.")
    for name in AT_LEAST_ONE:
        value = options.get(name)
        if value is not None and value < 1:
            raise ValueError(f"trainer.{name} must be at least 1, got {value}.")
    threshold = options.get("gradient_clip_val")
    if threshold is not None and not 0 <= threshold < math.inf:
        raise ValueError(
            f"trainer.gradient_clip_val must be a number of at least 0, or null, got {threshold}."
        )
    for name in ("max_time", "val_check_interval"):
        value = options.get(name)
        if isinstance(value, Mapping) and not set(value) <= set(DURATION):
            wrong = ", ".join(map(str, set(value) - set(DURATION)))
            raise ValueError(f"trainer.{name} has {wrong}; its parts are {', '.join(DURATION)}.")
