"""Chemical vapour infiltration: gas reacts in the pores of a preform until they are filled."""

from datamodules.solvers.infiltration.balance import Infiltration
from datamodules.solvers.infiltration.laws import (
    GAS_CONSTANT,
    Arrhenius,
    Conductivity,
    HeatCapacity,
    PoreDiffusivity,
    Sealing,
    Within,
    ideal_gas,
    overlapping_fibres,
)
from datamodules.solvers.infiltration.solver import ChemicalVapourInfiltration

__all__ = [
    "GAS_CONSTANT",
    "Arrhenius",
    "ChemicalVapourInfiltration",
    "Conductivity",
    "HeatCapacity",
    "Infiltration",
    "PoreDiffusivity",
    "Sealing",
    "Within",
    "ideal_gas",
    "overlapping_fibres",
]
