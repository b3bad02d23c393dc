"""Implicit layers: solve F(z; inputs) = 0 and differentiate by the implicit function theorem.

It can be used on its own: `ImplicitLayer` for any F, such as the equilibrium of a network, and
`ThetaScheme` for implicit time steps. Solvers and gradients are parts that can be exchanged.
"""

from datamodules.solvers.implicit.differentiation.checkpointing import (
    Checkpointing,
    NoCheckpointing,
    SegmentCheckpointing,
)
from datamodules.solvers.implicit.differentiation.gradients import (
    Adjoint,
    FullUnrolling,
    Gradient,
    OuterUnrolling,
)
from datamodules.solvers.implicit.layer import ImplicitLayer
from datamodules.solvers.implicit.linear_solvers.bicgstab import BiCGSTAB
from datamodules.solvers.implicit.linear_solvers.gmres import GMRES
from datamodules.solvers.implicit.linear_solvers.implicitly_differentiated import (
    ImplicitlyDifferentiated,
)
from datamodules.solvers.implicit.linear_solvers.linear_solver import Fallback, LinearSolver
from datamodules.solvers.implicit.linear_solvers.minimal_residual import MinimalResidual
from datamodules.solvers.implicit.preconditioners.block_tridiagonal import BlockTridiagonal
from datamodules.solvers.implicit.preconditioners.preconditioner import (
    Identity,
    Jacobi,
    Preconditioner,
)
from datamodules.solvers.implicit.residual import FunctionResidual, Quasilinear, Residual
from datamodules.solvers.implicit.root_solvers.fixed_point import Correction, Direct, Lagged, Picard
from datamodules.solvers.implicit.root_solvers.newton import NewtonKrylov
from datamodules.solvers.implicit.root_solvers.preconditioned import Preconditioned
from datamodules.solvers.implicit.root_solvers.root_solver import Affine, RootSolver
from datamodules.solvers.implicit.solution import ImplicitSolveError, Monitor, SolveInfo, Status

__all__ = [
    "GMRES",
    "Adjoint",
    "Affine",
    "BiCGSTAB",
    "BlockTridiagonal",
    "Checkpointing",
    "Correction",
    "Direct",
    "Fallback",
    "FullUnrolling",
    "FunctionResidual",
    "Gradient",
    "Identity",
    "ImplicitLayer",
    "ImplicitSolveError",
    "ImplicitlyDifferentiated",
    "Jacobi",
    "Lagged",
    "LinearSolver",
    "MinimalResidual",
    "Monitor",
    "NewtonKrylov",
    "NoCheckpointing",
    "OuterUnrolling",
    "Picard",
    "Preconditioned",
    "Preconditioner",
    "Quasilinear",
    "Residual",
    "RootSolver",
    "SegmentCheckpointing",
    "SolveInfo",
    "Status",
]
