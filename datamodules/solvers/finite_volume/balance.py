"""Balances of one or several variables, whose coefficients and terms are known by name.

    ∂u/∂t = K(u; c),    c = coefficients by name

A name that a term reads is, in this order: a variable of the state; a closure, computed from other
names (a constitutive curve, a network); or a coefficient, given from outside as a tensor (a known
number or field, a field that a network gives). To learn a coefficient, give its tensor from a
network; to learn a curve, put a network into a closure of that name; to learn a term, put one's own
`Term` in its place.
"""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datamodules.solvers.equation import Variable
from datamodules.solvers.finite_volume.domain import Domain
from datamodules.solvers.finite_volume.stencil import Stencil
from datamodules.solvers.finite_volume.terms import Term

State = Float[Tensor, "batch channel *space"]
Coefficients = Mapping[str, Tensor]


class Closure(nn.Module):
    """A field computed from others: c = f(fields).

    Args:
        names: Fields that it reads.
        function: f, a module or function from those fields, each (batch, *space), to another.
    """

    def __init__(self, names: tuple[str, ...], function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.function = function

    def forward(self, *fields: Tensor) -> Tensor:
        return self.function(*fields)


class Balance(nn.Module):
    """∂u/∂t = K(u; c) for the variables of a state, by finite volumes.

    Args:
        domain: Cells and boundaries.
        variables: What the channels of a state are.
        terms: Terms of the right-hand sides, by name.
        closures: Fields that depend on others, by name, in an order in which they can be computed.

    Raises:
        ValueError: A term belongs to no variable, or a closure has the name of a variable.
    """

    def __init__(
        self,
        domain: Domain,
        variables: tuple[Variable, ...],
        terms: Mapping[str, Term],
        closures: Mapping[str, Closure] | None = None,
    ) -> None:
        super().__init__()
        self.domain = domain
        self.variables = tuple(variables)
        self.terms = dict(terms)
        self.closures = dict(closures or {})
        self.parts = nn.ModuleDict(
            {f"term_{name}": term for name, term in self.terms.items()}
            | {f"closure_{name}": closure for name, closure in self.closures.items()}
        )
        self.channels = {variable.name: n for n, variable in enumerate(self.variables)}
        for name, term in self.terms.items():
            if term.variable is not None and term.variable not in self.channels:
                raise ValueError(
                    f"Term '{name}' belongs to variable '{term.variable}', but the variables are "
                    f"{sorted(self.channels)}."
                )
        for name in set(self.closures) & set(self.channels):
            raise ValueError(f"A closure has the name '{name}' of a variable; rename one of them.")
        self.moving = set(self.channels)  # names that change with the state
        for name, closure in self.closures.items():
            if self.moving & set(closure.names):
                self.moving.add(name)

    @property
    def coefficients(self) -> tuple[str, ...]:
        """Names that must be given from outside."""
        readers = (*self.terms.values(), *self.closures.values())
        names = {name for reader in readers for name in reader.names}
        return tuple(sorted(names - set(self.closures) - set(self.channels)))

    def bind(self, coefficients: Coefficients) -> "Tendency":
        """Return u ↦ K(u; c); what does not depend on u is computed here, once.

        Args:
            coefficients: Tensors by name, each a number, (*space) or (batch, *space).

        Raises:
            ValueError: A coefficient is missing.
        """
        missing = [name for name in self.coefficients if name not in coefficients]
        if missing:
            raise ValueError(
                f"The balance of {sorted(self.channels)} needs the coefficient '{missing[0]}', got "
                f"{sorted(coefficients)}."
            )
        fields = dict(coefficients)
        for name, closure in self.closures.items():
            if name not in self.moving:
                fields[name] = closure(*(fields[n] for n in closure.names))
        return Tendency(self, fields)

    def assemble(self, fields: Mapping[str, Tensor], moving: bool) -> list[Stencil | None]:
        """Return the sum of the terms of each variable that change with the state, or do not."""
        sums: list[Stencil | None] = [None] * len(self.variables)
        for term in self.terms.values():
            if bool(self.moving & set(term.names)) == moving:
                channel = self.channels.get(term.variable, 0)
                stencil, so_far = term.assemble(fields, self.domain), sums[channel]
                sums[channel] = stencil if so_far is None else so_far + stencil
        return sums


class Tendency:
    """u ↦ K(u; c) for given coefficients.

    Args:
        balance: K.
        fields: Coefficients, and closures that do not change with the state.
    """

    def __init__(self, balance: Balance, fields: Mapping[str, Tensor]) -> None:
        self.balance = balance
        self.fields = fields
        self.still = balance.assemble(fields, moving=False)
        readers = (*balance.terms.values(), *balance.closures.values())
        self.nonlinear = any(balance.moving & set(reader.names) for reader in readers)

    def __call__(self, state: State) -> State:
        return self.lagged(state)(state)

    def lagged(self, previous: State) -> "AffineTendency":
        """Return u ↦ K(u) with all coefficients at the previous state: affine in u."""
        stencils = self.still
        if self.nonlinear:
            fields = dict(self.fields)
            for name, channel in self.balance.channels.items():
                fields[name] = previous[:, channel]
            for name, closure in self.balance.closures.items():
                if name in self.balance.moving:
                    fields[name] = closure(*(fields[n] for n in closure.names))
            moving = self.balance.assemble(fields, moving=True)
            stencils = [
                b if a is None else a if b is None else a + b
                for a, b in zip(self.still, moving, strict=True)
            ]
        return AffineTendency(stencils)


class AffineTendency:
    """u ↦ K u + g with coefficients given.

    Args:
        stencils: Of each variable; None where it stays.
    """

    def __init__(self, stencils: list[Stencil | None]) -> None:
        self.stencils = stencils

    def __call__(self, state: Tensor) -> Tensor:
        return self.each(Stencil.__call__, state)

    def linear(self, state: Tensor) -> Tensor:
        """Return K u."""
        return self.each(Stencil.linear, state)

    def transposed(self, state: Tensor) -> Tensor:
        """Return Kᵀ u."""
        return self.each(Stencil.transposed, state)

    def each(self, function: Callable[[Stencil, Tensor], Tensor], state: Tensor) -> Tensor:
        """Return what a function of a stencil and a field gives for each variable."""
        parts = [
            torch.zeros_like(field) if stencil is None else function(stencil, field)
            for stencil, field in zip(self.stencils, state.unbind(1), strict=True)
        ]
        return parts[0].unsqueeze(1) if len(parts) == 1 else torch.stack(parts, 1)
