"""Known physics with learned parts in place of coefficients, closures and terms.

∂u/∂t = K(u; c_known, c_learned(x, t))
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datamodules.solvers.finite import check_finite
from datamodules.solvers.finite_volume import Balance, Closure, Profile, Term
from emulators.context import Times
from emulators.learned.field import LearnedField
from emulators.networks.interface import Parameters, State

LearnedPart = LearnedField | Closure | Term
"""Learned coefficient, closure or term."""


class Hybrid(nn.Module):
    """A balance with learned parts, which an emulator trains.

    Args:
        physics: Known part of the equation.
        learned: Learned parts: a `LearnedField` gives the coefficients that it names; a `Closure`
            replaces the closure or the coefficient of its key; a `Term` replaces the term of its
            key, or is added.
        coefficients: Known coefficients: a number or a `Profile`.
        conditioned_on: Coefficients that are physical parameters of the trajectories, in their
            order.
        origin: Lower corner of the domain [L], in the order of the axes; 0 by default.

    Raises:
        ValueError: A coefficient is given twice or not at all, or nothing reads what is given.

    Example:
        Decay -r u with a rate r(x) that is learned, and with a source s that is known:

        >>> from datamodules.solvers import Grid, Variable
        >>> from datamodules.solvers.finite_volume import Decay, Domain, Source
        >>> from emulators.learned import NeuralField
        >>> domain, u = Domain(Grid((8,), (1.0,))), Variable("u", "tracer", "1")
        >>> physics = Balance(domain, (u,), {"decay": Decay("r"), "source": Source("s")})
        >>> learned = {"rate": NeuralField(["r"], dimensions=1, width=8)}
        >>> hybrid = Hybrid(physics, learned, coefficients={"s": 3.0})
        >>> coefficients = hybrid.steady(torch.zeros(1, 1, 8))
        >>> {name: tuple(value.shape) for name, value in coefficients.items()}
        {'s': (), 'r': (8,)}
        >>> hybrid.balance.bind(coefficients)(torch.zeros(1, 1, 8))[0, 0, 0].item()  # at u = 0: s
        3.0
    """

    def __init__(
        self,
        physics: Balance,
        learned: Mapping[str, LearnedPart],
        coefficients: Mapping[str, float | Profile] | None = None,
        conditioned_on: Sequence[str] = (),
        origin: Sequence[float] | None = None,
    ) -> None:
        check_finite("Hybrid", coefficients=coefficients, origin=origin)
        super().__init__()
        kinds: dict[type, dict[str, LearnedPart]] = {
            kind: {name: part for name, part in learned.items() if isinstance(part, kind)}
            for kind in (LearnedField, Closure, Term)
        }
        self.balance = Balance(
            physics.domain,
            physics.variables,
            {**physics.terms, **kinds[Term]},
            {**physics.closures, **kinds[Closure]},
            physics.capacities,
            physics.boundaries,
        )
        self.fields = nn.ModuleDict(kinds[LearnedField])
        self.learned_closures = tuple(kinds[Closure])
        self.known = dict(coefficients or {})
        self.conditioned_on = tuple(conditioned_on)
        self.physical_parameters = len(self.conditioned_on)
        self._check()
        for name, value in self.known.items():
            if not isinstance(value, Profile):
                self.register_buffer(f"known_{name}", torch.tensor(float(value)), persistent=False)
        axes = physics.domain.centres(None if origin is None else tuple(origin))
        self.register_buffer("points", torch.stack(axes, -1), persistent=False)

    def _check(self) -> None:
        readers: tuple[Term | Closure, ...] = (
            *self.balance.terms.values(),
            *self.balance.closures.values(),
        )
        read = {name for reader in readers for name in reader.names}
        needed = set(self.balance.coefficients)
        given = [name for field in self.fields.values() for name in field.names]
        given += [*self.known, *self.conditioned_on]
        for name in self.learned_closures:
            if name not in read:
                raise ValueError(
                    f"Nothing reads the learned closure '{name}'; the terms and closures read "
                    f"{sorted(read)}."
                )
        for name in given:
            if given.count(name) > 1:
                raise ValueError(
                    f"Coefficient '{name}' is given twice; take it out of coefficients or of "
                    "learned."
                )
            if name not in needed:
                raise ValueError(
                    f"Coefficient '{name}' is given, but the physics needs {sorted(needed)}; "
                    "correct the name."
                )
        missing = sorted(needed - set(given))
        if missing:
            raise ValueError(
                f"The physics needs the coefficient '{missing[0]}', which is neither known nor "
                f"learned (given are {sorted(given)}); add it to coefficients or to learned."
            )

    def check(self, shape: tuple[int, ...]) -> None:
        """Check that a grid is the grid of the physics.

        Args:
            shape: Number of points along each axis, in the order of the axes.

        Raises:
            ValueError: The shapes differ.
        """
        own = self.balance.domain.grid.shape
        if tuple(shape) != own:
            raise ValueError(
                f"The physics is on a grid of {own}, the data on {tuple(shape)}; set "
                "model.physics.domain.grid to the grid of the data."
            )

    @property
    def is_steady(self) -> bool:
        """True if no coefficient changes in time."""
        known = (value for value in self.known.values() if isinstance(value, Profile))
        return all(part.steady for part in (*known, *self.fields.values()))

    def steady(self, like: State, parameters: Parameters | None = None) -> dict[str, Tensor]:
        """Return the coefficients that do not change in time, in the precision of a state.

        Args:
            like: A state.
            parameters: Physical parameters of the trajectories, (batch, parameter), in their units.
        """
        time, found = like.new_zeros(1, dtype=self.points.dtype), {}
        for name, value in self.known.items():
            if not isinstance(value, Profile):
                found[name] = getattr(self, f"known_{name}")
            elif value.steady:
                found[name] = value.field(self.balance.domain, 0.0)
        for field in self.fields.values():
            if field.steady:
                found |= field.at(self.points, time)
        for column, name in enumerate(self.conditioned_on):
            if parameters is None:
                raise ValueError(
                    f"The physics is conditioned on {', '.join(self.conditioned_on)}, but the "
                    "parameters of the trajectories are not known."
                )
            found[name] = parameters[:, column].view(-1, *[1] * (like.dim() - 2))
        return {name: value.to(like) for name, value in found.items()}

    def moving(self, like: State, times: Times) -> dict[str, Tensor]:
        """Return the coefficients that change in time, in the precision of a state.

        Args:
            like: A state.
            times: Time of each sample [T].
        """
        found: dict[str, Tensor] = {}
        for name, value in self.known.items():
            if isinstance(value, Profile) and not value.steady:
                different, place = torch.unique(times, return_inverse=True)
                fields = [value.field(self.balance.domain, float(t)) for t in different]
                found[name] = fields[0] if len(fields) == 1 else torch.stack(fields)[place.cpu()]
        for field in self.fields.values():
            if not field.steady:
                found |= field.at(self.points, times)
        return {name: value.to(like) for name, value in found.items()}

    def latent(self, times: Float[Tensor, " time"]) -> dict[str, Float[Tensor, "time *space"]]:
        """Return the learned coefficients by name, at several times.

        Args:
            times: Times [T]; a steady coefficient is returned for one of them.
        """
        found: dict[str, Tensor] = {}
        for field in self.fields.values():
            found |= field(self.points, times[:1] if field.steady else times)
        return found
