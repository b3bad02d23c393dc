"""The first paragraph of a comparison: the least error, whether by chance, and stability."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from callbacks.comparison.differences import best_of, competing, with_weights
from callbacks.comparison.independence import Independence, independence
from callbacks.diagnostics.compared import Method, Run, methods
from callbacks.diagnostics.rollout_error import COMPARED, mse_column


class Least(NamedTuple):
    """Method with the least error at a lead.

    Attributes:
        lead: Lead [steps].
        name: Name of the method.
        error: Its mean squared error.
        next: Name of the method with the next larger error, or None if it is the only one.
        below: Difference to that method, as a share of its error.
        others: Number of other methods.
        surely_above: Names of the methods whose difference to this one is more than chance.
    """

    lead: int
    name: str
    error: float
    next: str | None
    below: float
    others: int
    surely_above: tuple[str, ...]


def summary(runs: Sequence[Run], unit: float | None = None) -> list[str]:
    """Return sentences on the errors and the stability of the methods.

    Args:
        runs: Runs that are compared.
        unit: Unit of the error, whose square is the unit of the MSE; by default the MSE is in
            units of the training variance.

    Example:
        Two methods, whose errors at lead 1 are 1 and 2 from one initial condition, and 2 and 3 from
        another:

        >>> from pathlib import Path
        >>> import xarray
        >>> dims = ("initial_condition", "lead_time")
        >>> runs = [
        ...     Run(name, xarray.Dataset({"mse": (dims, [[error], [error + 1]])}), {}, Path(name))
        ...     for name, error in (("fno", 1.0), ("unet", 2.0))
        ... ]
        >>> summary(runs)[:2]  # doctest: +NORMALIZE_WHITESPACE
        ['The mean squared error is least for fno at lead 1 (1.5; 40 % below unet).',
         'This is more than chance (95 % intervals).']
    """
    groups, starts = methods(runs), independence(runs)
    found = [best for lead in COMPARED if (best := least(groups, lead, unit, starts.count))]
    compared = bool(found) and len(competing(groups)) > 1
    sentences = [errors(found)]
    if compared:
        sentences += [chance(found), caution(competing(groups), starts), references(groups)]
    return [sentence for sentence in (*sentences, stability(groups)) if sentence]


def least(
    groups: Sequence[Method], lead: int, unit: float | None, independent: int | None
) -> Least | None:
    """Return the method with the least error at a lead, or None if there is no finite error."""
    column = mse_column(lead, unit)
    best = best_of(column, groups, independent)
    if best is None:
        return None
    (method,) = [group for group in groups if group.name == best.name]
    values = [value for run in method.runs if (value := column.value(run)) is not None]
    error = float(np.mean(values))
    if not best.others:
        return Least(lead, best.name, error, None, 0.0, 0, ())
    after = best.others[0]
    other = error - after.difference
    below = 1 - error / other if other > 0 else 0.0
    surely_above = tuple(one.other for one in best.others if one.more_than_chance)
    return Least(lead, best.name, error, after.other, below, len(best.others), surely_above)


def chance(found: Sequence[Least]) -> str:
    """Return a sentence on the differences that are more than chance, and at which leads."""
    compared = [one for one in found if one.others]
    groups: dict[tuple[str, ...] | None, list[str]] = {}  # None: the differences to all
    for one in compared:
        whole = len(one.surely_above) == one.others
        groups.setdefault(None if whole else one.surely_above, []).append(f"{one.lead}")
    if not compared:
        return ""
    if set(groups) == {()}:
        return "No such difference is more than chance (95 % intervals)."
    if set(groups) == {None}:
        return "This is more than chance (95 % intervals)."
    several = max(one.others for one in compared) > 1
    parts = []
    for names, leads in sorted(groups.items(), key=lambda group: group[0] is not None):
        at = f"at lead{'s' if len(leads) > 1 else ''} {listed(leads)}"
        if names is None:
            to = "the difference to each other method" if several else "the difference"
            parts.append(f"{at} {to} is more than chance")
        elif names:
            which = "differences" if len(names) > 1 else "difference"
            are = "are" if len(names) > 1 else "is"
            more = "" if parts else " more than chance"
            parts.append(f"{at} only the {which} to {listed(names)} {are}{more}")
        else:
            parts.append(f"{at} {'none is' if several else 'it may be chance'}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]} (95 % intervals)."


def errors(found: Sequence[Least]) -> str:
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


def written(found: Sequence[Least]) -> list[str]:
    """Return the errors as texts."""
    return [f"{best.error:.2g}" for best in found]


def shares(found: Sequence[Least]) -> str:
    """Return the differences to the next method in percent, such as `4 to 8 %`."""
    percent = sorted({round(100 * best.below) for best in found})
    if percent[-1] < 1:
        return "less than 1 %"
    low, high = max(percent[0], 1), percent[-1]
    return f"{low} %" if low == high else f"{low} to {high} %"


def caution(groups: Sequence[Method], starts: Independence) -> str:
    """Return a sentence on the number of samples behind a difference."""
    trained = with_weights(groups)
    if not trained:
        return f"These are means over {starts.phrase}."
    seeds = min(len(group.runs) for group in trained)
    if seeds > 1:
        return f"These are means over {starts.phrase} and at least {seeds} seeds of each method."
    single = all(len(group.runs) == 1 for group in trained)
    who = "each method has" if single else "some methods have"
    return (
        f"These are means over {starts.phrase}; {who} a single seed, and another "
        "seed may change the order where differences are small."
    )


def references(groups: Sequence[Method]) -> str:
    """Return a sentence on the methods that take no part in comparisons; empty without any."""
    names = [group.name for group in groups if group not in competing(groups)]
    if not names:
        return ""
    have, are = ("has", "is") if len(names) == 1 else ("have", "are")
    return f"{listed(names)} {have} no weights and {are} left out of these comparisons."


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
