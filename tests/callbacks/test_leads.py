import pytest

from callbacks.diagnostics.lead_times import spaced_leads, whole_leads


@pytest.mark.parametrize(
    ("steps", "count", "expected"),
    [(6, 3, [2, 4, 6]), (7, 3, [3, 6]), (2, 5, [1, 2]), (5, 1, [5]), (0, 4, [])],
)
def test_leads_are_evenly_spaced_and_at_most_so_many(steps, count, expected):
    assert list(spaced_leads(steps, count)) == expected


def test_leads_come_in_order_and_start_at_one():
    assert whole_leads("Panels", [25, 1]) == (1, 25)
    for leads, found in (([], r"\(\)"), ([0, 3], r"\(0, 3\)")):
        with pytest.raises(ValueError, match=rf"Panels\.leads must .* got {found}"):
            whole_leads("Panels", leads)
