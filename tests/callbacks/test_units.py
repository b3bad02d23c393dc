import pytest

from callbacks.diagnostics.units import (
    channel_units,
    comparable_units,
    energy_units,
    enstrophy_units,
    mean_square_units,
    raised,
    velocity_units,
)
from datamodules.solvers import Variable


def fields(*units):
    return [Variable(f"u{n}", "a field", unit) for n, unit in enumerate(units)]


@pytest.mark.parametrize(
    ("units", "power", "expected"),
    [
        ("1", 2, "1"),
        ("m", 2, "m^2"),
        ("m s-1", 2, "(m s-1)^2"),
        ("s", -1, "s^-1"),
        ("s-1", 1, "s-1"),
    ],
)
def test_units_are_raised_to_a_power(units, power, expected):
    assert raised(units, power) == expected


def test_units_that_channels_share_are_named_once():
    assert channel_units(fields("K", "m s-1", "K")) == "K, m s-1"


def test_channels_that_are_added_are_in_units_of_their_std():
    assert comparable_units(fields("K")) == "K"
    assert comparable_units(fields("K", "K")) == "training std"


def test_several_channels_are_squared_in_units_of_their_variance():
    assert mean_square_units(fields("K")) == "K^2"
    assert mean_square_units(fields("K", "K")) == "training variance"


def test_units_of_a_flow_are_those_of_its_length_and_its_vorticity():
    both = fields("K", "s-1")
    assert enstrophy_units(both, 1) == "(s-1)^2"
    assert energy_units(both, "m", 1) == "m^2 (s-1)^2"
    assert energy_units(both, "m", None) == "training variance"
    assert velocity_units("m", "s") == "m s^-1"
