"""Input fields of a network in addition to the state: static fields, forcing and the mask."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datamodules.point_weights import Mask
from datamodules.solvers.variable import State
from emulators.context import Context

Fields = Float[Tensor, "batch field *space"]


class InputFields(nn.Module):
    """Standardised static fields and forcing of a step, and the mask, as input of a network.

    The input fields are, in this order, the static fields; the forcing at the beginning of the
    step; the forcing one interval later, at its end; for a call that predicts several states, the
    forcing at the time of each further one; and, for data with masked points, the fraction of
    channels that have a value at each point. Where no channel has one, all input fields are 0. Mean
    and standard deviation are buffers: computed by `fit` from the training split, saved in the
    checkpoint.

    Args:
        static: Number of static fields.
        forcing: Number of fields of the forcing.
        masked: Whether points of the data are masked.
        steps: Number of steps of one call of the network.

    Example:
        >>> inputs = InputFields(static=1, forcing=0)
        >>> inputs.set_statistics(torch.tensor([100.0]), torch.tensor([50.0]))
        >>> state, height = torch.zeros(1, 2, 4), torch.tensor([[[0.0, 50.0, 100.0, 150.0]]])
        >>> inputs(state, Context(static=height)).tolist()
        [[[-2.0, -1.0, 0.0, 1.0]]]
    """

    mean: Tensor
    std: Tensor
    share: Tensor | None

    def __init__(
        self, static: int = 0, forcing: int = 0, masked: bool = False, steps: int = 1
    ) -> None:
        super().__init__()
        self.times = steps + 1  # of the forcing
        self.static, self.forcing, self.masked = static, forcing, masked
        self.count = static + self.times * forcing + masked
        if static + forcing:
            self.register_buffer("mean", torch.zeros(static + forcing))
            self.register_buffer("std", torch.ones(static + forcing))
        self.register_buffer("share", None, persistent=False)

    def set_statistics(self, mean: Float[Tensor, " field"], std: Float[Tensor, " field"]) -> None:
        """Set the statistics of the static fields, then of the forcing, in their units."""
        self.mean.copy_(mean)
        self.std.copy_(std)

    def set_mask(self, mask: Mask | None) -> None:
        """Set the mask, True where a channel has values."""
        self.share = None if mask is None else mask.float().mean(0)

    def typical(self, state: State, steps: int) -> tuple[Fields | None, Tensor | None]:
        """Return static fields and forcing of rollouts that are equal to their means."""
        batch, space = len(state), state.shape[2:]
        shape = [1] * len(space)
        static = forcing = None
        if self.static:
            static = self.mean[: self.static].reshape(1, -1, *shape).expand(batch, -1, *space)
        if self.forcing:
            values = self.mean[self.static :].reshape(1, 1, -1, *shape)
            forcing = values.expand(batch, steps - 1 + self.times, -1, *space)
        return static, forcing

    def check(self, context: Context) -> None:
        """Check that the context has the fields that the network was made for.

        Raises:
            ValueError: A field is missing, or there are others.
        """
        static, forcing = context.static, context.forcing
        for name, wanted, found in (
            ("static fields", self.static, 0 if static is None else static.shape[1]),
            ("fields of forcing", self.forcing, 0 if forcing is None else forcing.shape[2]),
        ):
            if wanted and not found:
                option = "static" if name == "static fields" else "forcing"
                raise ValueError(
                    f"The network is given {wanted} {name} at every step, and they are not known "
                    f"here; give them to `rollout`, or to `step` and `loss` as "
                    f"`Context({option}=...)`."
                )
            if wanted != found:
                raise ValueError(
                    f"The emulator is made for {wanted} {name}, the batch has {found}; set "
                    "model.static and model.forcing to the numbers of data.static and "
                    "data.forcing."
                )
        if forcing is not None and forcing.shape[1] < self.times:
            raise ValueError(
                f"The forcing ends before step {context.lead + self.times - 1} of the rollout, "
                f"expected its values at the {self.times} times from the beginning of a call of "
                "the network to its last state; give the values of later times, or take fewer "
                "steps."
            )

    def forward(self, state: State, context: Context) -> Fields | None:
        """Return the fields of a step, or None if there are none.

        Args:
            state: States, which give batch size, precision and device.
            context: Context of the step.

        Raises:
            ValueError: The context lacks fields that the network was made for.
        """
        if not self.count and context.static is None and context.forcing is None:
            return None
        self.check(context)
        parts = []
        if context.static is not None:
            parts.append(self._standardized(context.static, slice(0, self.static)))
        if context.forcing is not None:
            own = slice(self.static, None)
            times = range(self.times)
            parts += [self._standardized(context.forcing[:, n], own) for n in times]
        if self.masked:
            if self.share is None:
                raise ValueError(
                    "The emulator is made for data with masked points, but no mask is known; train "
                    "it on data with data.mask, or set model.masked to false."
                )
            parts.append(self.share.expand(state.shape[0], 1, *self.share.shape))
        if not parts:
            return None
        fields = torch.cat([part.to(state) for part in parts], dim=1)
        return fields if self.share is None else fields.masked_fill(self.share == 0, 0.0)

    def _standardized(self, fields: Fields, own: slice) -> Fields:
        shape = (-1, *[1] * (fields.dim() - 2))
        mean, std = (values[own].reshape(shape) for values in (self.mean, self.std))
        return (fields.to(mean) - mean) / std
