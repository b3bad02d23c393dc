"""Leads [intervals]: chosen ones, and ones that are evenly spaced over a rollout."""

from collections.abc import Iterable

from callbacks.diagnostics.options import is_whole


def whole_leads(name: str, leads: Iterable[int]) -> tuple[int, ...]:
    """Return the option `leads` of a diagnostic in ascending order, each lead once.

    Args:
        name: Name of the diagnostic, for the message.
        leads: Leads [steps].

    Raises:
        ValueError: The list is empty, or a lead is not a whole number of at least 1.
    """
    leads = tuple(leads)
    if not leads or not all(is_whole(lead) for lead in leads):
        raise ValueError(f"{name}.leads must be at least 1, whole numbers of steps, got {leads}.")
    return tuple(sorted(set(leads)))


def spaced_leads(steps: int, count: int) -> range:
    """Return at most `count` lead times, evenly spaced over a rollout of `steps` steps."""
    stride = max(1, -(-steps // count))
    return range(stride, steps + 1, stride)
