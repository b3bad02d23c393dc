"""Blocks double backward through an implicit gradient."""

from typing import Any

import torch
from torch import Tensor


class FirstOrderOnly(torch.autograd.Function):
    """Identity on a gradient, which raises an error when the gradient is differentiated again."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *others: Tensor) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> None:
        raise ValueError(
            "An implicit step with gradient Adjoint or OuterUnrolling can be differentiated once, "
            "not twice; use gradient FullUnrolling for second derivatives."
        )
