"""Preforms for tests."""

import torch

from datamodules.solvers import ChemicalVapourInfiltration, Grid
from datamodules.solvers.finite_volume import ThetaScheme
from datamodules.solvers.implicit import (
    Adjoint,
    BiCGSTAB,
    BlockTridiagonal,
    ImplicitLayer,
    NewtonKrylov,
    Preconditioned,
)
from datamodules.solvers.infiltration import Infiltration, ideal_gas

HOUR = 3600.0
SCALES = (0.14, 0.6, 1000.0)
VALUES = {
    "pressure": 1e4,
    "mole_fraction": 0.15,
    "temperature_left": 1273.0,
    "temperature_right": 1273.0,
    "initial_porosity": 0.6,
    "fibre_radius": 7e-6,
    "molar_volume": 0.0401 / 3210,
    "reaction_enthalpy": 0.0,
}


def implicit(theta=1.0, rtol=1e-8):
    exact = BlockTridiagonal()
    adjoint = Adjoint(BiCGSTAB(rtol=1e-12, preconditioner=exact))
    layer = ImplicitLayer(Preconditioned(NewtonKrylov(rtol=rtol), exact), adjoint)
    return ThetaScheme(theta, layer, scales=SCALES)


def preform(shape=(16, 32), lengths=(0.02, 0.04), dt=1800.0, interval=HOUR, **options):
    options = {"stepper": implicit(), **options}
    return ChemicalVapourInfiltration(Grid(shape, lengths), dt=dt, interval=interval, **options)


def given(**values):
    return {name: torch.tensor(value) for name, value in {**VALUES, **values}.items()}


def at_rest(k, values, porosity=0.5999):
    """A state of uniform porosity; temperature linear in x, gas as outside."""
    (*_, x) = k.domain.centres()
    left, right = values["temperature_left"], values["temperature_right"]
    T = left + (right - left) * x / k.domain.grid.lengths[-1]
    C = ideal_gas(values["mole_fraction"], values["pressure"], T)
    return torch.stack((C, torch.full_like(T, porosity), T))[None]


def slab(cells=32, length=0.02, closures=None):
    return Infiltration(Grid((cells,), (length,)), closures)
