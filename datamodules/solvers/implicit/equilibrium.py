"""Deep equilibrium networks: the output is a fixed point of a layer.

Reference: S. Bai, J. Z. Kolter and V. Koltun, "Deep equilibrium models", NeurIPS 2019.
"""

import torch
from torch import Tensor, nn

from datamodules.solvers.implicit.layer import ImplicitLayer
from datamodules.solvers.implicit.residual import Map, Residual, same
from datamodules.solvers.implicit.root_solvers.anderson import Anderson


class DeepEquilibrium(nn.Module):
    """z with z = f(z, x), for a module f: a network of infinite depth with the memory of one layer.

    Args:
        cell: f, a module of (z, x) that returns the shape of z; without dropout or other noise.
        layer: Solver and gradient; Anderson acceleration and the adjoint by default.
    """

    def __init__(self, cell: nn.Module, layer: ImplicitLayer | None = None) -> None:
        super().__init__()
        self.cell = cell
        self.layer = layer or ImplicitLayer(Anderson(rtol=1e-4))

    def forward(self, x: Tensor, start: Tensor | None = None) -> Tensor:
        """Return the fixed point, searched from `start`, or from 0 in the shape of x."""
        start = torch.zeros_like(x) if start is None else start
        z, _ = self.layer(FixedPoint(self.cell), start, x)
        return z


class FixedPoint(Residual):
    """F(z; inputs) = z - f(z, *inputs).

    Args:
        function: f; its parameters are differentiated.
    """

    def __init__(self, function: nn.Module) -> None:
        self.function = function

    def bind(self, *inputs: Tensor) -> Map:
        return lambda z: z - same(self.function(z, *inputs), z)

    def parameters(self) -> tuple[Tensor, ...]:
        return tuple(self.function.parameters())
