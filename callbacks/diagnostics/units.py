"""Units of scores, as text, from the units of the data."""

from collections.abc import Sequence

from datamodules.solvers import Variable


def raised(units: str, power: int) -> str:
    """Return a unit raised to a power, such as `s^-1` or `(m s-1)^2`; the unit `1` stays `1`."""
    if power == 1 or units == "1":
        return units
    return f"{units}^{power}" if units.isalpha() else f"({units})^{power}"


def channel_units(fields: Sequence[Variable]) -> str:
    """Return the units of the channels in their order, separated by commas, each unit once."""
    return ", ".join(dict.fromkeys(field.units for field in fields))


def comparable_units(fields: Sequence[Variable]) -> str:
    """Return the units of a state whose channels can be added.

    Several channels are divided by their standard deviations, which are the unit.
    """
    return "training std" if len(fields) > 1 else fields[0].units


def mean_square_units(fields: Sequence[Variable]) -> str:
    """Return the units of the mean square of all channels.

    Several channels are divided by their standard deviations: the unit is the training variance.
    """
    return "training variance" if len(fields) > 1 else raised(fields[0].units, 2)


def velocity_units(length: str, time: str) -> str:
    """Return the units of a velocity [L/T]."""
    return f"{length} {raised(time, -1)}"


def enstrophy_units(fields: Sequence[Variable], vorticity: int) -> str:
    """Return the units of ½ζ² [1/T²], from the units of the channel that is the vorticity ζ."""
    return raised(fields[vorticity].units, 2)


def energy_units(fields: Sequence[Variable], length: str, vorticity: int | None) -> str:
    """Return the units of the energy of a flow, or of half the mean square elsewhere.

    Args:
        fields: Name and units of each channel.
        length: Units of length.
        vorticity: Number of the channel that is the vorticity of a flow, or None.
    """
    if vorticity is None:
        return mean_square_units(fields)
    return f"{raised(length, 2)} {enstrophy_units(fields, vorticity)}"
