"""The function F whose root is a step, and its linearisation.

A step solves F(z; inputs) = 0 for z. Samples of the batch must not interact in F, and F must give
the same value each time it is called.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from datamodules.solvers.implicit.batched import Vector

Map = Callable[[Vector], Vector]


class Residual(ABC):
    """Residual F(z; inputs) in two stages: what does not depend on z is computed in `bind`.

    Example:
        F(z; a) = z - exp(a), whose exponential is computed once per solve and not per iteration:

        >>> class Exponential(Residual):
        ...     def bind(self, a):
        ...         target = torch.exp(a)
        ...         return lambda z: z - target
        >>> Exponential().bind(torch.zeros(1, 1))(torch.tensor([[3.0]])).tolist()
        [[2.0]]
    """

    @abstractmethod
    def bind(self, *inputs: Tensor) -> Map:
        """Return z ↦ F(z; inputs), differentiable in z, in the inputs and in `parameters`.

        Args:
            inputs: All tensors besides z and `parameters` on which F depends.
        """

    def parameters(self) -> tuple[Tensor, ...]:
        """Return tensors besides the inputs that F depends on; they must be leaves."""
        return ()


class FunctionResidual(Residual):
    """Residual F given as a function or module of (z, *inputs).

    Args:
        function: Function F; the parameters of a module are differentiated like inputs.

    Raises:
        ValueError: F does not return the shape of z.

    Example:
        >>> F = FunctionResidual(lambda z, a: z * z - a).bind(torch.tensor([[4.0]]))
        >>> F(torch.tensor([[3.0]])).tolist()
        [[5.0]]
    """

    def __init__(self, function: Callable[..., Vector]) -> None:
        self.function = function

    def bind(self, *inputs: Tensor) -> Map:
        return lambda z: in_precision_of(self.function(z, *inputs), z)

    def parameters(self) -> tuple[Tensor, ...]:
        return tuple(self.function.parameters()) if isinstance(self.function, nn.Module) else ()


def in_precision_of(value: Tensor, z: Tensor) -> Tensor:
    """Return the value of a residual in the precision of z, and refuse a value of another shape.

    Args:
        value: Value of F, perhaps computed by a network in lower precision.
        z: Unknown.

    Raises:
        ValueError: The shapes differ.
    """
    if value.shape != z.shape:
        raise ValueError(
            f"The residual must have the shape of z, {tuple(z.shape)}, got {tuple(value.shape)}; "
            "a system has as many equations as unknowns."
        )
    return value.to(z.dtype)


class Quasilinear(ABC):
    """Bound residual that is affine in z once coefficients are lagged: F(z) = L(z; z).

    Example:
        F(z) = z² - 4 with one factor lagged, L(z; p) = p z - 4:

        >>> class Square(Quasilinear):
        ...     def lagged(self, previous):
        ...         return lambda z: previous * z - 4
        >>> F = Square()
        >>> F(torch.tensor([3.0])).item(), F.lagged(torch.tensor([1.0]))(torch.tensor([3.0])).item()
        (5.0, -1.0)
    """

    def __call__(self, z: Vector) -> Vector:
        return self.lagged(z)(z)

    @abstractmethod
    def lagged(self, previous: Vector) -> Map:
        """Return z ↦ L(z; previous), affine in z.

        Args:
            previous: Vector at which the coefficients are evaluated, of the shape of z.
        """


class AffineMap(ABC):
    """Affine map z ↦ A z - b with explicit products A v and Aᵀ w."""

    @abstractmethod
    def __call__(self, z: Vector) -> Vector:
        """Return A z - b."""

    @abstractmethod
    def linear(self, v: Vector) -> Vector:
        """Return A v."""

    @abstractmethod
    def transposed(self, w: Vector) -> Vector:
        """Return Aᵀ w."""


def linear_part(function: Map, start: Vector, value: Vector) -> Map:
    """Return v ↦ A v of an affine function A z - b, with its `value` at `start` known.

    For functions other than `AffineMap` it is a difference, with the rounding error of the function
    itself: a few units in the last place of b.
    """
    if isinstance(function, AffineMap):
        return function.linear
    return lambda v: function(start + v) - value


def graph_without_checkpoints() -> AbstractContextManager:
    """Return a context in which a graph keeps its tensors, also inside a checkpoint.

    Otherwise the checkpoint would drop them, and compute all of its steps again for every product.
    """
    return torch.autograd.graph.saved_tensors_hooks(lambda kept: kept, lambda kept: kept)


def derivative(function: Map, z: Vector) -> tuple[Vector, Map]:
    """Return F(z) and v ↦ F'(z) v.

    The product is the derivative of wᵀF'(z) with respect to w: two backward sweeps, once, then one
    per product. (torch's forward mode is several times slower on stencils.)
    """
    graph = torch.is_grad_enabled()
    with torch.enable_grad(), nullcontext() if graph else graph_without_checkpoints():
        # a tensor of its own: the start of a step is also an input of F
        point = z.view_as(z) if graph and z.requires_grad else z.detach().requires_grad_()
        value = function(point)
        weight = torch.zeros_like(value, requires_grad=True)
        (pulled,) = torch.autograd.grad(value, point, weight, create_graph=True)

    return (value if graph else value.detach()), VectorJacobianProduct(
        pulled, weight, create_graph=graph
    )


def transpose(function: Map, z: Vector) -> Map:
    """Return w ↦ F'(z)ᵀ w, with F evaluated once; each product is one backward sweep."""
    with torch.enable_grad():
        point = z.detach().requires_grad_()
        value = function(point)
    return VectorJacobianProduct(value, point)


class VectorJacobianProduct:
    """Map w ↦ wᵀ ∂value/∂point, which keeps the graph.

    Args:
        value: Value that is differentiated.
        point: Variable of differentiation.
        create_graph: Whether the result can be differentiated.
    """

    def __init__(self, value: Tensor, point: Tensor, create_graph: bool = False) -> None:
        self.value = value
        self.point = point
        self.create_graph = create_graph

    def __call__(self, w: Vector) -> Vector:
        return self.sweep(w, False)

    def sweep(self, w: Tensor, several: bool) -> Tensor:
        """Return the product with one vector, or with several along a leading axis at once."""
        (result,) = torch.autograd.grad(
            self.value,
            self.point,
            w,
            retain_graph=True,
            create_graph=self.create_graph,
            is_grads_batched=several,
            materialize_grads=True,
        )
        return result


def products(A: Map, vectors: Tensor) -> Tensor:
    """Return A v for several vectors, (vector, batch, ...), by one sweep where A is a graph."""
    if isinstance(A, VectorJacobianProduct):
        return A.sweep(vectors, True)
    return torch.stack([A(v) for v in vectors])
