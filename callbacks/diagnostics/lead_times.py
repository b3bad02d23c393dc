"""Leads [intervals]: chosen ones, and ones that are evenly spaced over a rollout."""

from collections.abc import Iterable

from callbacks.diagnostics.options import is_whole


def whole_leads(name: str, leads: Iterable[int]) -> tuple[int, ...]:
    """Return leads in ascending order; refuse those below one step."""
    leads = tuple(leads)
    if not leads or not all(is_whole(lead) for lead in leads):
        raise ValueError(f"{name}.leads must be at least 1, whole numbers of steps, got {leads}.")
    return tuple(sorted(set(leads)))


def spaced_leads(steps: int, count: int) -> range:
    """Return at most `count` lead times, evenly spaced over a rollout of `steps` steps."""
    stride = max(1, -(-steps // count))
    return range(stride, steps + 1, stride)
