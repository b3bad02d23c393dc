"""Balances of one or several variables, with named coefficients and terms.

    m ∂u/∂t = Σ terms = m K(u; c),    c = coefficients by name

with a capacity m of each variable (a heat capacity, a porosity), 1 where none is named.
A name that a term reads is, in this order: a variable of the state; a closure, computed from other
names (a constitutive curve, a network); or a coefficient, given from outside as a tensor (a known
number or field, a field that a network gives). To learn a coefficient, give its tensor from a
network; to learn a curve, put a network into a closure of that name; to learn a term, put a `Term`
of your own in its place.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from datamodules.solvers.finite_volume.boundaries import Boundary
from datamodules.solvers.finite_volume.domain import Domain
from datamodules.solvers.finite_volume.matrix import Matrix, stacked
from datamodules.solvers.finite_volume.stencil import Stencil
from datamodules.solvers.finite_volume.terms import AtState, Term
from datamodules.solvers.variable import State, Variable

Coefficients = Mapping[str, Tensor]
"""Coefficients of a balance by name, each a field, or a number for each sample."""


class Closure(nn.Module):
    """Field computed from others, c = f(fields).

    Args:
        names: Names of the fields that it reads.
        function: Module or function f from those fields, each (batch, *space), to another.

    Example:
        >>> square = Closure(("u",), torch.square)
        >>> square(torch.tensor([[1.0, 2.0]])).tolist()
        [[1.0, 4.0]]
    """

    def __init__(self, names: tuple[str, ...], function: Callable) -> None:
        super().__init__()
        self.names = tuple(names)
        self.function = function

    def forward(self, *fields: Tensor) -> Tensor:
        return self.function(*fields)


class Balance(nn.Module):
    """Balance ∂u/∂t = K(u; c) of the variables of a state, by finite volumes.

    Args:
        domain: Cells and boundaries.
        variables: Names and units of the channels of a state.
        terms: Terms of the right-hand sides, by name.
        closures: Fields that depend on others, by name.
        capacities: Names of the fields m of m ∂u/∂t, by variable; 1 by default.
        boundaries: Boundaries by variable, one for each axis, where they differ from the domain's.

    Raises:
        ValueError: A term, a capacity or boundaries belong to no variable, a closure has the name
            of a variable, or closures read each other.

    Example:
        The balance ∂u/∂t = -r u:

        >>> from datamodules.solvers import Grid, Variable
        >>> from datamodules.solvers.finite_volume import Decay
        >>> domain, u = Domain(Grid((4,), (4.0,))), Variable("u", "u", "1")
        >>> balance = Balance(domain, (u,), {"decay": Decay("r")})
        >>> balance.coefficients
        ('r',)
        >>> balance.bind({"r": torch.tensor(2.0)})(torch.ones(1, 1, 4)).tolist()
        [[[-2.0, -2.0, -2.0, -2.0]]]
    """

    def __init__(
        self,
        domain: Domain,
        variables: tuple[Variable, ...],
        terms: Mapping[str, Term],
        closures: Mapping[str, Closure] | None = None,
        capacities: Mapping[str, str] | None = None,
        boundaries: Mapping[str, tuple[Boundary, ...]] | None = None,
    ) -> None:
        super().__init__()
        self.domain = domain
        self.variables = tuple(variables)
        self.terms = dict(terms)
        self.closures = dict(closures or {})
        self.capacities = dict(capacities or {})
        self.boundaries = dict(boundaries or {})
        self.parts = nn.ModuleDict(
            {f"term_{name}": term for name, term in self.terms.items()}
            | {f"closure_{name}": closure for name, closure in self.closures.items()}
        )
        self.channels = {variable.name: n for n, variable in enumerate(self.variables)}
        owners = {f"Term '{name}' belongs": term.variable for name, term in self.terms.items()}
        owners |= {f"Capacity '{m}' belongs": name for name, m in self.capacities.items()}
        owners |= {f"The boundaries of '{name}' belong": name for name in self.boundaries}
        for owner, variable in owners.items():
            if variable is not None and variable not in self.channels:
                raise ValueError(
                    f"{owner} to variable '{variable}', but the variables are "
                    f"{sorted(self.channels)}."
                )
        for name in set(self.closures) & set(self.channels):
            raise ValueError(f"A closure has the name '{name}' of a variable; rename one of them.")
        domains = {name: Domain(domain.grid, ends) for name, ends in self.boundaries.items()}
        self.domains = [domains.get(variable.name, domain) for variable in self.variables]
        self.sequence = sequence(self.closures)
        self.moving = set(self.channels)  # names that change with the state
        for name, closure in self.sequence.items():
            if self.moving & set(closure.names):
                self.moving.add(name)

    def channel(self, term: Term) -> int:
        """Return the channel of the variable to which a term belongs."""
        return 0 if term.variable is None else self.channels.get(term.variable, 0)

    def names_of(self, term: Term) -> set[str]:
        """Return the names of the fields that a term and the boundaries of its variable read."""
        ends = self.domains[self.channel(term)].boundaries
        return {*term.names, *(name for end in ends for name in end.names)}

    @property
    def names(self) -> set[str]:
        """All names that are read."""
        read = [self.names_of(term) for term in self.terms.values()]
        read += [set(closure.names) for closure in self.closures.values()]
        return set().union(*read, self.capacities.values())

    @property
    def coefficients(self) -> tuple[str, ...]:
        """Names of the coefficients that the caller must give."""
        return tuple(sorted(self.names - set(self.closures) - set(self.channels)))

    def bind(self, coefficients: Coefficients) -> "Tendency":
        """Return u ↦ K(u; c); everything independent of u is computed once, here.

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
        for name, closure in self.sequence.items():
            if name not in self.moving:
                fields[name] = closure(*(fields[n] for n in closure.names))
        return Tendency(self, fields)

    def assemble(self, fields: Mapping[str, Tensor], moving: bool) -> list[Stencil | None]:
        """Return, for each variable, the sum of some terms; None if there are none.

        Args:
            fields: Fields that the terms read, by name.
            moving: Whether to sum the terms that change with the state, or the others.
        """
        sums: list[Stencil | None] = [None] * len(self.variables)
        for term in self.terms.values():
            if bool(self.moving & self.names_of(term)) == moving:
                channel = self.channel(term)
                stencil, so_far = term.assemble(fields, self.domains[channel]), sums[channel]
                sums[channel] = stencil if so_far is None else so_far + stencil
        return sums


def sequence(closures: Mapping[str, Closure]) -> dict[str, Closure]:
    """Return the closures in an order in which each follows the closures that it reads.

    Raises:
        ValueError: Closures read each other or themselves.
    """
    waiting, found = dict(closures), {}
    while waiting:
        ready = [name for name, closure in waiting.items() if not waiting.keys() & closure.names]
        if not ready:
            raise ValueError(
                f"The closures {sorted(waiting)} read each other or themselves; let one of them "
                "read something else."
            )
        found[ready[0]] = waiting.pop(ready[0])
    return found


class Tendency:
    """Tendency u ↦ K(u; c) for given coefficients.

    Args:
        balance: K.
        fields: Coefficients, and closures that do not change with the state.

    Example:
        ∂u/∂t = -u u, decay at a rate that is the state itself; with the rate lagged it is -p u:

        >>> from datamodules.solvers import Grid
        >>> from datamodules.solvers.finite_volume import Decay
        >>> domain, u = Domain(Grid((4,), (4.0,))), Variable("u", "u", "1")
        >>> tendency = Balance(domain, (u,), {"decay": Decay("u")}).bind({})
        >>> state, previous = torch.full((1, 1, 4), 3.0), torch.full((1, 1, 4), 2.0)
        >>> tendency(state)[0, 0, 0].item(), tendency.lagged(previous)(state)[0, 0, 0].item()
        (-9.0, -6.0)
    """

    def __init__(self, balance: Balance, fields: Mapping[str, Tensor]) -> None:
        self.balance = balance
        self.fields = fields
        self.still = balance.assemble(fields, moving=False)
        self.nonlinear = bool(balance.moving & balance.names)

    def __call__(self, state: State) -> State:
        return self.lagged(state)(state)

    def fields_at(self, state: State) -> dict[str, Tensor]:
        """Return variables, coefficients and closures at a state, by name.

        Args:
            state: State (batch, channel, *space).
        """
        fields = AtState(self.fields)
        for name, channel in self.balance.channels.items():
            fields[name] = state[:, channel]
        for name, closure in self.balance.sequence.items():
            if name in self.balance.moving:
                fields[name] = closure(*(fields[n] for n in closure.names))
        return fields

    def lagged(self, previous: State) -> "AffineTendency":
        """Return u ↦ K(u) with all coefficients at a previous state, so that it is affine in u.

        Args:
            previous: State (batch, channel, *space) at which coefficients are evaluated.
        """
        if not self.nonlinear:
            return self.affine()
        fields = self.fields_at(previous)
        moving = self.balance.assemble(fields, moving=True)
        stencils = [
            b if a is None else a if b is None else a + b
            for a, b in zip(self.still, moving, strict=True)
        ]
        return AffineTendency(stencils, self.capacities(fields))

    def affine(self) -> "AffineTendency":
        """Return K, if it is affine in u."""
        return AffineTendency(self.still, self.capacities(self.fields))

    def capacities(self, fields: Mapping[str, Tensor]) -> list[Tensor | None]:
        """Return the capacity m of each variable, or None where it is 1."""
        names = (self.balance.capacities.get(name) for name in self.balance.channels)
        return [None if name is None else fields[name] for name in names]


class AffineTendency:
    """Affine tendency u ↦ K u + g with given coefficients.

    Args:
        stencils: Stencil of m K u + m g of each variable; None if it does not change.
        capacities: m of each variable; None for 1.
    """

    def __init__(self, stencils: list[Stencil | None], capacities: list[Tensor | None]) -> None:
        self.stencils = stencils
        self.capacities = capacities

    def __call__(self, state: Tensor) -> Tensor:
        parts = [
            torch.zeros_like(field) if stencil is None else stencil(field)
            for stencil, field in zip(self.stencils, state.unbind(1), strict=True)
        ]
        return self.weighted(stacked(parts))

    def matrix(self, factor: float) -> Matrix:
        """Return u ↦ u + f K u.

        Args:
            factor: f [T]; 0 is the identity and costs nothing.
        """
        if factor == 0:
            return Matrix([None] * len(self.stencils))
        rows = [
            None if stencil is None else stencil.rows(factor if m is None else factor / m)
            for stencil, m in zip(self.stencils, self.capacities, strict=True)
        ]
        return Matrix(rows)

    @property
    def homogeneous(self) -> bool:
        """True if no term has a constant part, so that g = 0."""
        return all(stencil is None or stencil.constant is None for stencil in self.stencils)

    def constant(self, shape: tuple[int, ...]) -> Tensor:
        """Return g, (1 or batch, channel, *space), on a grid of this shape."""
        own = (stencil.constant for stencil in self.stencils if stencil is not None)
        like = next(constant for constant in own if constant is not None)
        return self(like.new_zeros(1, len(self.stencils), *shape))

    def weighted(self, values: Tensor) -> Tensor:
        """Return values (batch, channel, *space) divided by the capacities."""
        if all(m is None for m in self.capacities):
            return values
        channels = zip(values.unbind(1), self.capacities, strict=True)
        return torch.stack([v if m is None else v / m for v, m in channels], 1)
