"""Implicit layers: solve F(z; inputs) = 0 and differentiate by the implicit function theorem.

Usable on its own: `ImplicitLayer` for any F, `DeepEquilibrium` for a fixed point of a network,
`ThetaScheme` for implicit time steps. Solvers and gradients are parts that can be exchanged.
"""

from emulators.implicit.anderson import Anderson
from emulators.implicit.attach import Implicit
from emulators.implicit.bicgstab import BiCGSTAB
from emulators.implicit.block_tridiagonal import BlockTridiagonal
from emulators.implicit.checkpointing import Checkpointing, KeepAll, Segments
from emulators.implicit.equilibrium import DeepEquilibrium, FixedPoint
from emulators.implicit.fixed_point import Correction, Direct, Lagged, Picard
from emulators.implicit.gmres import GMRES
from emulators.implicit.gradients import (
    Adjoint,
    Gradient,
    JacobianFree,
    Phantom,
    Unrolled,
    UnrolledOuter,
)
from emulators.implicit.info import ImplicitSolveError, Monitor, SolveInfo, Status
from emulators.implicit.layer import ImplicitLayer
from emulators.implicit.linear import Dense, Fallback, LinearSolver
from emulators.implicit.minimal_residual import MinimalResidual
from emulators.implicit.newton import NewtonKrylov
from emulators.implicit.preconditioned import Preconditioned
from emulators.implicit.preconditioners import Identity, Jacobi, Preconditioner
from emulators.implicit.residual import FunctionResidual, Quasilinear, Residual
from emulators.implicit.root import Affine, Retry, RootSolver
from emulators.implicit.sdirk2 import SDIRK2
from emulators.implicit.theta_scheme import ThetaScheme

__all__ = [
    "GMRES",
    "SDIRK2",
    "Adjoint",
    "Affine",
    "Anderson",
    "BiCGSTAB",
    "BlockTridiagonal",
    "Checkpointing",
    "Correction",
    "DeepEquilibrium",
    "Dense",
    "Direct",
    "Fallback",
    "FixedPoint",
    "FunctionResidual",
    "Gradient",
    "Identity",
    "Implicit",
    "ImplicitLayer",
    "ImplicitSolveError",
    "Jacobi",
    "JacobianFree",
    "KeepAll",
    "Lagged",
    "LinearSolver",
    "MinimalResidual",
    "Monitor",
    "NewtonKrylov",
    "Phantom",
    "Picard",
    "Preconditioned",
    "Preconditioner",
    "Quasilinear",
    "Residual",
    "Retry",
    "RootSolver",
    "Segments",
    "SolveInfo",
    "Status",
    "ThetaScheme",
    "Unrolled",
    "UnrolledOuter",
]
