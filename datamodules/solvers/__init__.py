"""Known dynamics: equations, time steppers and the solvers made of them.

The mathematics is split as û_t = L û + N(û): an `Equation` is its symbol L and its tendency N on a
`Grid`, a `TimeStepper` advances it, a `SpectralSolver` is the pair with a snapshot interval.
Imports only torch, so that it can be used on its own.
"""

from datamodules.solvers.grid import Grid
from datamodules.solvers.infiltration import ChemicalVapourInfiltration
from datamodules.solvers.initial_conditions import GaussianField, InitialCondition
from datamodules.solvers.pseudo_spectral.beta_plane import BetaPlane, Wave
from datamodules.solvers.pseudo_spectral.equation import Equation
from datamodules.solvers.pseudo_spectral.kuramoto_sivashinsky import KuramotoSivashinsky
from datamodules.solvers.pseudo_spectral.operators import resample
from datamodules.solvers.pseudo_spectral.solver import SpectralSolver
from datamodules.solvers.pseudo_spectral.time_steppers import ETDRK2, ETDRK4, IFRK4, TimeStepper
from datamodules.solvers.solver import Solver
from datamodules.solvers.variable import Variable
from datamodules.solvers.vector_math import initialize

initialize()

__all__ = [
    "ETDRK2",
    "ETDRK4",
    "IFRK4",
    "BetaPlane",
    "ChemicalVapourInfiltration",
    "Equation",
    "GaussianField",
    "Grid",
    "InitialCondition",
    "KuramotoSivashinsky",
    "Solver",
    "SpectralSolver",
    "TimeStepper",
    "Variable",
    "Wave",
    "resample",
]
