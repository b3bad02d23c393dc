"""Search for the solver that generated the data, as the truth for learned parts."""

from collections.abc import Mapping

import torch
from torch import Tensor

from datamodules.solvers import ChemicalVapourInfiltration
from datamodules.solvers.finite_volume import FiniteVolumeSolver
from datamodules.source import ReferenceSource


def solver_of(source: ReferenceSource) -> FiniteVolumeSolver | None:
    """Return the finite-volume solver that generated the data of a data module, or None."""
    solver = source.generator.solver if source.generator else None
    if isinstance(solver, ChemicalVapourInfiltration):
        solver = solver.solver
    return solver if isinstance(solver, FiniteVolumeSolver) else None


def known_closures(solver: FiniteVolumeSolver, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return all closures of a solver that depend on given fields and numbers alone, by name.

    Args:
        solver: Solver, whose coefficients that are numbers are used; coefficients that vary in
            space are not.
        given: Fields by name; a closure of that name is replaced.
    """
    numbers = {name: value for name, value in solver.values(0.0).items() if value.dim() == 0}
    known = {**numbers, **given}
    with torch.no_grad():
        for name, closure in solver.balance.closures.items():
            if name not in given and all(n in known for n in closure.names):
                known[name] = closure(*(known[n] for n in closure.names))
    return known
