"""Chemical vapour infiltration: gas reacts in the pores of a preform until they are filled."""

from datamodules.solvers.infiltration.balance import Infiltration
from datamodules.solvers.infiltration.laws import (
    GAS_CONSTANT,
    Arrhenius,
    Clamp,
    Conductivity,
    HeatCapacity,
    PoreDiffusivity,
    Sealing,
    ideal_gas,
    overlapping_fibres,
)
from datamodules.solvers.infiltration.solver import ChemicalVapourInfiltration

__all__ = [
    "GAS_CONSTANT",
    "Arrhenius",
    "ChemicalVapourInfiltration",
    "Clamp",
    "Conductivity",
    "HeatCapacity",
    "Infiltration",
    "PoreDiffusivity",
    "Sealing",
    "ideal_gas",
    "overlapping_fibres",
]
