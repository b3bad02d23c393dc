"""Mixed precision: F runs under the caller's autocast, the algebra of the solvers does not."""

from contextlib import AbstractContextManager

import torch
from torch import Tensor

from datamodules.solvers.implicit.batched import Vector
from datamodules.solvers.implicit.residual import Map, Quasilinear, Residual


def full_precision(like: Tensor) -> AbstractContextManager:
    """Return a context without autocast."""
    return torch.autocast(like.device.type, enabled=False)


def under_autocast_of_caller(residual: Residual, like: Tensor) -> Residual:
    """Return F such that it always runs under the autocast that is in effect now."""
    device = like.device.type
    if not torch.is_autocast_enabled(device):
        return residual
    return AutocastResidual(residual, device, torch.get_autocast_dtype(device))


class AutocastResidual(Residual):
    """Residual F evaluated under the caller's autocast.

    The cache of autocast is off: it would keep weights that were cast without a graph, and later
    gradients would miss them.

    Args:
        residual: F.
        device: Type of the device.
        dtype: Lower precision.
    """

    def __init__(self, residual: Residual, device: str, dtype: torch.dtype) -> None:
        self.residual = residual
        self.device = device
        self.dtype = dtype

    def context(self) -> AbstractContextManager:
        """Return the context in which F runs."""
        return torch.autocast(self.device, dtype=self.dtype, cache_enabled=False)

    def parameters(self) -> tuple[Tensor, ...]:
        return self.residual.parameters()

    def bind(self, *inputs: Tensor) -> Map:
        with self.context():
            bound = self.residual.bind(*inputs)
        kind = AutocastQuasilinear if isinstance(bound, Quasilinear) else AutocastMap
        return kind(bound, self)


class AutocastMap:
    """Map evaluated under the caller's autocast, with its result in the precision of its argument.

    Args:
        function: Map.
        setting: Residual whose context is used.
    """

    def __init__(self, function: Map, setting: AutocastResidual) -> None:
        self.function = function
        self.setting = setting

    def __call__(self, z: Vector) -> Vector:
        with self.setting.context():
            return self.function(z).to(z.dtype)


class AutocastQuasilinear(AutocastMap, Quasilinear):
    """`AutocastMap` for a `Quasilinear` map, whose lagged map runs under autocast, too."""

    function: Quasilinear

    def lagged(self, previous: Vector) -> Map:
        with self.setting.context():
            return AutocastMap(self.function.lagged(previous), self.setting)
