"""The first paragraph of a comparison: which method has the least error, and which are stable."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from callbacks.diagnostics.compared import Method, Run, methods
from callbacks.diagnostics.rollout_error import COMPARED, mse_column


class Best(NamedTuple):
    """Method with the least error at a lead.

    Attributes:
        lead: Lead [steps].
        name: Name of the method.
        error: Its mean squared error.
        next: Name of the method with the next larger error, or None if it is the only one.
        below: Difference to that method, as a share of its error.
    """

    lead: int
    name: str
    error: float
    next: str | None
    below: float


def summary(runs: Sequence[Run], unit: float | None = None) -> list[str]:
    """Return sentences on the errors and the stability of the methods.

    Args:
        runs: Runs that are compared.
        unit: Unit of the error, whose square is the unit of the MSE; by default the MSE is in
            units of the training variance.

    Example:
        Two methods, whose errors at lead 1 are 1 and 2:

        >>> from pathlib import Path
        >>> import xarray
        >>> runs = [
        ...     Run(name, xarray.Dataset({"mse": (("initial_condition", "lead_time"), [[error]])}),
        ...         {}, Path(name))
        ...     for name, error in (("fno", 1.0), ("unet", 2.0))
        ... ]
        >>> summary(runs)[0]
        'The mean squared error is least for fno at lead 1 (1; 50 % below unet).'
    """
    groups = methods(runs)
    found = [best for lead in COMPARED if (best := least(groups, lead, unit))]
    sentences = [errors(found), caution(groups) if found and len(groups) > 1 else ""]
    return [sentence for sentence in (*sentences, stability(groups)) if sentence]


def least(groups: Sequence[Method], lead: int, unit: float | None) -> Best | None:
    """Return the method with the least error at a lead, or None if there is no finite error."""
    column = mse_column(lead, unit)
    known = []
    for group in groups:
        values = [value for run in group.runs if (value := column.value(run)) is not None]
        if values and np.isfinite(np.mean(values)):
            known.append((float(np.mean(values)), group.name))
    if not known:
        return None
    (error, name), *others = sorted(known)
    below = 1 - error / others[0][0] if others and others[0][0] > 0 else 0.0
    return Best(lead, name, error, others[0][1] if others else None, below)


def errors(found: Sequence[Best]) -> str:
    """Return a sentence on the least error at each lead; empty without any."""
    if not found:
        return ""
    if found[0].next is None:
        leads, numbers = listed([f"{best.lead}" for best in found]), listed(written(found))
        plural = "s" if len(found) > 1 else ""
        return f"The mean squared error of {found[0].name} is {numbers} at lead{plural} {leads}."
    parts = []
    for name, group in groupby(found, key=lambda best: best.name):
        same = list(group)
        leads, plural = listed([f"{best.lead}" for best in same]), "s" if len(same) > 1 else ""
        text = f"for {name} at lead{plural} {leads} ({listed(written(same))}"
        followers = {best.next for best in same}
        if None not in followers:
            after = "the next" if len(followers) > 1 else f"{same[0].next}"
            text += f"; {shares(same)} below {after}"
        parts.append(f"{text})")
    return f"The mean squared error is least {listed(parts)}."


def written(found: Sequence[Best]) -> list[str]:
    """Return the errors as texts."""
    return [f"{best.error:.2g}" for best in found]


def shares(found: Sequence[Best]) -> str:
    """Return the differences to the next method in percent, such as `4 to 8 %`."""
    percent = sorted({round(100 * best.below) for best in found})
    if percent[-1] < 1:
        return "less than 1 %"
    low, high = max(percent[0], 1), percent[-1]
    return f"{low} %" if low == high else f"{low} to {high} %"


def caution(groups: Sequence[Method]) -> str:
    """Return a sentence on the number of samples behind a difference."""
    seeds = min(len(group.runs) for group in groups)
    starts = groups[0].runs[0].about.get("rollouts", {}).get("initial_conditions")
    over = f" {starts} initial conditions" if starts else " the initial conditions"
    if seeds > 1:
        return f"These are means over{over} and at least {seeds} seeds of each method."
    return (
        f"These are means over{over}, and some methods have a single seed: another seed may change "
        "the order where differences are small."
    )


def stability(groups: Sequence[Method]) -> str:
    """Return a sentence on the share of stable rollouts; empty if it was not computed."""
    shares: dict[str, list[str]] = {}
    for group in groups:
        values = [value for run in group.runs if (value := run.mean("stable")) is not None]
        if values:
            shares.setdefault(f"{100 * np.mean(values):.0f} %", []).append(group.name)
    steps = groups[0].runs[0].about.get("rollouts", {}).get("steps")
    length = f"all {steps:,} steps" if steps else "the whole rollout"
    if len(shares) == 1:
        (share,) = shares
        who = "every method" if len(groups) > 1 else groups[0].name
        return f"{share} of the rollouts of {who} are stable for {length}."
    ordered = sorted(shares.items(), key=lambda item: -float(item[0].split()[0]))
    parts = [f"{share} of {listed(names)}" for share, names in ordered]
    return f"Stable for {length} are {listed(parts)}." if parts else ""


def listed(parts: Sequence[str]) -> str:
    """Return texts joined by commas and a last `and`.

    Example:
        >>> listed(["1", "25", "50"]), listed(["1"])
        ('1, 25 and 50', '1')
    """
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
