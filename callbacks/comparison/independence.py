"""Number of independent initial conditions behind the scores of a comparison."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from callbacks.diagnostics.compared import Run

DECORRELATED = float(np.exp(-1))
"""Anomaly correlation with the initial condition below which states count as independent."""


@dataclass(frozen=True)
class Independence:
    """Initial conditions of a comparison, and how many of them are independent.

    Attributes:
        total: Number of initial conditions.
        count: Number of those that are a decorrelation time apart, or None if it is unknown.
        time: Decorrelation time [time unit of the data], or None if it is unknown or if the states
            are still correlated at the end of the truth.
        units: Time unit of the data.
    """

    total: int | None
    count: int | None = None
    time: float | None = None
    units: str = "1"

    @property
    def phrase(self) -> str:
        """Phrase that says how many initial conditions are independent."""
        total = "the" if self.total is None else f"{self.total}"
        if self.count is None:
            return (
                f"{total} initial conditions (taken to be independent: the scores do not say where "
                "in the data they are)"
            )
        if self.time is None:
            return (
                f"{total} initial conditions, of which at most {self.count} are independent "
                "(states are still correlated at the end of the truth)"
            )
        unit = "" if self.units == "1" else f" {self.units}"
        apart = f"at least {self.time:.3g}{unit} apart, the decorrelation time"
        if self.count == self.total:
            return f"{total} independent initial conditions ({apart})"
        verb = "is" if self.count == 1 else "are"
        return f"{total} initial conditions, of which {self.count} {verb} independent ({apart})"


def independence(runs: Sequence[Run]) -> Independence:
    """Return how many initial conditions of compared runs are independent.

    The decorrelation time is the first lead time at which the anomaly correlation of the truth
    with the initial condition, in the mean over initial conditions, is below 1/e. Initial
    conditions are independent if they are in different trajectories, or at least this time apart.

    Args:
        runs: Runs that are compared, which have the same initial conditions.

    Example:
        States that decorrelate after two intervals of 0.5, with starts at snapshots 0, 1 and 3:

        >>> from pathlib import Path
        >>> import xarray
        >>> scores = xarray.Dataset(
        ...     {
        ...         "mse": (("initial_condition", "lead_time"), np.ones((3, 3))),
        ...         "persistence_correlation": (
        ...             ("initial_condition", "lead_time"), [[0.8, 0.2, 0.0]] * 3
        ...         ),
        ...         "initial_trajectory": ("initial_condition", [0, 0, 0]),
        ...         "initial_snapshot": ("initial_condition", [0, 1, 3]),
        ...     },
        ...     {"lead_time": ("lead_time", [0.5, 1.0, 1.5], {"units": "s"})},
        ... )
        >>> found = independence([Run("unet", scores, {}, Path("runs/unet"))])
        >>> found.total, found.count, found.time
        (3, 2, 1.0)
    """
    total = runs[0].about.get("rollouts", {}).get("initial_conditions")
    needed = ("persistence_correlation", "initial_trajectory", "initial_snapshot")
    for run in runs:
        if not all(name in run.scores for name in needed) or not run.scores.sizes["lead_time"]:
            continue
        correlation = run.scores["persistence_correlation"].values.mean(0)
        below = np.flatnonzero(correlation < DECORRELATED)
        lead = run.scores["lead_time"]
        apart = int(below[0]) + 1 if below.size else len(correlation)
        time = float(lead[below[0]]) if below.size else None
        trajectories, snapshots = (run.scores[name].values for name in needed[1:])
        count = starts_apart(trajectories, snapshots, apart)
        return Independence(len(snapshots), count, time, str(lead.attrs.get("units", "1")))
    return Independence(total)


def starts_apart(trajectories: np.ndarray, snapshots: np.ndarray, apart: int) -> int:
    """Return the largest number of initial conditions that are some intervals apart.

    Args:
        trajectories: Number of the trajectory of each initial condition.
        snapshots: Number of the snapshot of each initial condition.
        apart: Least distance of two initial conditions of one trajectory [intervals].

    Example:
        >>> starts_apart(np.array([0, 0, 0, 1]), np.array([0, 3, 5, 1]), apart=5)
        3
    """
    count = 0
    last: dict[int, int] = {}
    for trajectory, snapshot in sorted(zip(trajectories.tolist(), snapshots.tolist(), strict=True)):
        if trajectory not in last or snapshot >= last[trajectory] + apart:
            last[trajectory] = snapshot
            count += 1
    return count
