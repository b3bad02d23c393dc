"""Checks of the parameters of a preform and a furnace, which detect wrong units."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from datamodules.solvers.finite import check_finite
from datamodules.solvers.finite_volume import Balance
from datamodules.solvers.variable import Variable

PARAMETERS = {
    variable.name: variable
    for variable in (
        Variable("temperature_left", "temperature of the wall at x = 0", "K"),
        Variable("temperature_right", "temperature of the wall at the other end of x", "K"),
        Variable("pressure", "total pressure", "Pa"),
        Variable("mole_fraction", "mole fraction of the precursor in the gas outside", "1"),
    )
}


@dataclass(frozen=True)
class ValidRange:
    """Range of a physical parameter.

    Args:
        low: Lower bound, excluded.
        high: Upper bound, excluded.
        unit: Unit of both bounds.
        hint: Advice for a value outside of the range.
    """

    low: float
    high: float
    unit: str
    hint: str

    def __post_init__(self) -> None:
        check_finite("ValidRange", low=self.low, high=self.high)


KELVIN = ValidRange(500.0, 3000.0, "K", "give kelvin: 1000 degrees Celsius are 1273")
RANGES = {
    "temperature_left": KELVIN,
    "temperature_right": KELVIN,
    "pressure": ValidRange(50.0, 1e7, "Pa", "give pascal: 10 kPa are 1.0e4, 1 atm is 101325"),
    "mole_fraction": ValidRange(0.0, 1.0, "1", "give a share of the gas: 15 % are 0.15"),
    "length": ValidRange(1e-5, 1.0, "m", "give metres in grid.lengths: 20 mm are 0.02"),
    "fibre_radius": ValidRange(1e-7, 1e-3, "m", "give metres: 7 micrometres are 7.0e-6"),
    "molar_volume": ValidRange(1e-6, 1e-3, "m3/mol", "give m3/mol: 12.5 cm3/mol are 1.25e-5"),
    "initial_porosity": ValidRange(0.0, 1.0, "1", "give a share of the volume: 60 % are 0.6"),
}


def check_in_units(name: str, value: float | Tensor) -> None:
    """Check that a value is plausible in its unit.

    Raises:
        ValueError: It lies outside its range somewhere.
    """
    allowed = RANGES[name]
    values = torch.as_tensor(value).flatten()
    wrong = ~((values > allowed.low) & (values < allowed.high))
    if wrong.any():
        raise ValueError(
            f"ChemicalVapourInfiltration: {name} is {values[wrong][0].item():g} {allowed.unit}, "
            f"expected between {allowed.low:g} and {allowed.high:g} {allowed.unit}; {allowed.hint}."
        )


def check_closures(balance: Balance, values: Mapping[str, Tensor]) -> None:
    """Check that pores are not sealed before gas has entered.

    Raises:
        ValueError: The bare fibres leave no more pores than those that are sealed.
    """
    sealing = balance.closures["reactive_surface"].function
    closed = getattr(sealing, "porosity", 0.0)
    least = values["initial_porosity"].amin().item()
    if not least > closed:
        raise ValueError(
            f"ChemicalVapourInfiltration: initial_porosity is {least:g}, but pores are sealed at "
            f"{closed:g}; nothing would infiltrate, so give more open fibres or a Sealing at a "
            "lower porosity."
        )


def check_porosity(porosity: Tensor) -> None:
    """Check that a porosity, (batch, *space), is between 0 and 1.

    Raises:
        ValueError: It lies outside (0, 1) somewhere, or is not a number.
    """
    wrong = ~((porosity > 0) & (porosity < 1))
    if wrong.any():
        sample, *cell = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"ChemicalVapourInfiltration: the porosity of trajectory {sample} is "
            f"{porosity[sample][tuple(cell)].item():g} at cell {tuple(cell)}, expected between 0 "
            "and 1; give channels in the order concentration, porosity, temperature."
        )
