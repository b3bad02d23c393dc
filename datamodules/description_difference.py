"""First difference between training data and other data that matters to an emulator."""

from typing import TYPE_CHECKING, Any

import torch

from datamodules.files.levels import difference_of_levels
from datamodules.files.time_axis import same_time
from datamodules.files.units import same_units

if TYPE_CHECKING:
    from datamodules.description import DataDescription

Difference = tuple[str, Any, Any]


def first_difference(
    earlier: "DataDescription", present: "DataDescription", unknown: frozenset[str]
) -> Difference | None:
    """Return name, earlier and present value of the first entry that differs, or None.

    Args:
        earlier: Description of the training data.
        present: Description of the data of this run.
        unknown: Entries that are not compared, because the earlier description lacks them.
    """
    for name in ("variables", "shape", "parameters", "periodic"):
        one, two = list(getattr(earlier, name)), list(getattr(present, name))
        if name not in unknown and one != two:
            return name, one, two
    if "interval" not in unknown:
        units = [earlier.time_unit, present.time_unit]
        if "time unit" in unknown:
            units = [units["time unit" in earlier.unknown]] * 2
        steps = [(earlier.interval, units[0]), (present.interval, units[1])]
        if not same_time(*steps):
            texts = [f"{step:g} {unit}".removesuffix(" 1") for step, unit in steps]
            return "interval", texts[0], texts[1]
    if earlier.calendar and present.calendar and earlier.calendar != present.calendar:
        return "calendar", earlier.calendar, present.calendar
    if "units" not in unknown:
        both = [[field.units for field in one.fields] for one in (earlier, present)]
        if not all(map(same_units, *both)):
            return "units", both[0], both[1]
    for name in earlier.parameter_units.keys() & present.parameter_units.keys():
        before, now = earlier.parameter_units[name], present.parameter_units[name]
        if before and now and not same_units(before, now):
            return f"units of parameter '{name}'", before, now
    if found := difference_of_levels(earlier.levels, present.levels):
        return "level", found[0].removeprefix("the level "), found[1]
    if "axes" in unknown:
        return _lengths(earlier, present, unknown) or _inputs(earlier, present)
    for axis, other in zip(earlier.axes, present.axes, strict=True):
        if different := axis.difference(other):
            return "the grid", *different
    return _inputs(earlier, present)


def _inputs(earlier: "DataDescription", present: "DataDescription") -> Difference | None:
    """Return the first difference in static fields, forcing, mask and weights, or None."""
    for name in ("static", "forcing"):
        one, two = getattr(earlier, name), getattr(present, name)
        if [v.name for v in one] != [v.name for v in two] or not all(
            same_units(v.units, w.units) for v, w in zip(one, two, strict=True)
        ):
            texts = [[f"{v.name} [{v.units}]" for v in fields] for fields in (one, two)]
            return name, texts[0], texts[1]
    if present.weighting != earlier.weighting:
        return "weights", earlier.weighting, present.weighting
    before, now = earlier.mask, present.mask
    if (before is None) != (now is None) or (
        before is not None and now is not None and not torch.equal(before, now)
    ):
        counts = ["none" if m is None else int((~m).sum()) for m in (before, now)]
        return "masked points", counts[0], f"{counts[1]}, or others"
    return None


def _lengths(
    earlier: "DataDescription", present: "DataDescription", unknown: frozenset[str]
) -> Difference | None:
    """Return the difference in lengths from a description that has no coordinates."""
    lengths = [one.to_dict().get("domain lengths") for one in (earlier, present)]
    if "domain lengths" not in unknown and lengths[0] and lengths[0] != lengths[1]:
        return "domain lengths", lengths[0], lengths[1]
    if any(axis.descending for axis in present.axes):
        return "rows", "in the order of the file (earlier version)", "increasing coordinates"
    return None
