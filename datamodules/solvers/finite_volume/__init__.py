"""Finite volumes: operators, balances made of them, and explicit time steppers."""

from datamodules.solvers.finite_volume.balance import Balance, Closure, Coefficients, Tendency
from datamodules.solvers.finite_volume.boundaries import (
    Boundary,
    Dirichlet,
    Neumann,
    Periodic,
    Wall,
    Walls,
)
from datamodules.solvers.finite_volume.domain import Domain
from datamodules.solvers.finite_volume.interpolated_noise import InterpolatedNoise
from datamodules.solvers.finite_volume.profile import Profile, Waves
from datamodules.solvers.finite_volume.random_field import RandomField
from datamodules.solvers.finite_volume.schemes import (
    Central,
    ConvectionScheme,
    DonorCell,
    Upwind,
    arithmetic,
    harmonic,
)
from datamodules.solvers.finite_volume.sdirk2 import SDIRK2
from datamodules.solvers.finite_volume.solver import FiniteVolumeSolver
from datamodules.solvers.finite_volume.stencil import Stencil
from datamodules.solvers.finite_volume.steppers import RK4, ExplicitEuler, Stepper
from datamodules.solvers.finite_volume.terms import Convection, Decay, Diffusion, Source, Term
from datamodules.solvers.finite_volume.theta_scheme import ThetaScheme

__all__ = [
    "RK4",
    "SDIRK2",
    "Balance",
    "Boundary",
    "Central",
    "Closure",
    "Coefficients",
    "Convection",
    "ConvectionScheme",
    "Decay",
    "Diffusion",
    "Dirichlet",
    "Domain",
    "DonorCell",
    "ExplicitEuler",
    "FiniteVolumeSolver",
    "InterpolatedNoise",
    "Neumann",
    "Periodic",
    "Profile",
    "RandomField",
    "Source",
    "Stencil",
    "Stepper",
    "Tendency",
    "Term",
    "ThetaScheme",
    "Upwind",
    "Wall",
    "Walls",
    "Waves",
    "arithmetic",
    "harmonic",
]
