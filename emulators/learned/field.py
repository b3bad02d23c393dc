"""Learned coefficients: fields of space, or of space and time, that replace known ones."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

Points = Float[Tensor, "*space dimension"]


class LearnedField(nn.Module, ABC):
    """Learned coefficients c(x, t) of known physics, by name.

    Args:
        names: Names of the coefficients.
        steady: Whether they are the same at all times.

    Example:
        A learned field of your own, one trained number for the whole domain:

        >>> class Number(LearnedField):
        ...     def __init__(self, name):
        ...         super().__init__([name], steady=True)
        ...         self.value = nn.Parameter(torch.tensor(2.0))
        ...     def forward(self, points, times):
        ...         return {self.names[0]: self.value.expand(len(times), *points.shape[:-1])}
        >>> points, times = torch.zeros(4, 1), torch.zeros(3)  # 4 cells of one dimension
        >>> Number("D").at(points, times)["D"].tolist()
        [2.0, 2.0, 2.0, 2.0]
    """

    def __init__(self, names: Sequence[str], steady: bool) -> None:
        super().__init__()
        if isinstance(names, str) or not names:
            raise ValueError(
                f"{type(self).__name__}.names must list at least one coefficient, got {names!r}; "
                "write [name]."
            )
        self.names = tuple(names)
        self.steady = steady

    @abstractmethod
    def forward(
        self, points: Points, times: Float[Tensor, " time"]
    ) -> dict[str, Float[Tensor, "time *space"]]:
        """Return each coefficient, in its physical units; one time is enough if they are steady.

        Args:
            points: Coordinates [L] of the cell centres, (*space, dimension), in the order of axes.
            times: Time [T], counted from the start of the data.
        """

    def at(self, points: Points, times: Float[Tensor, " batch"]) -> dict[str, Tensor]:
        """Return each coefficient at the time of each sample, or (*space) if all share one field.

        Each distinct time is evaluated once.
        """
        different, place = torch.unique(times[:1] if self.steady else times, return_inverse=True)
        fields = self(points, different)
        if len(different) == 1:
            return {name: field[0] for name, field in fields.items()}
        return {name: field[place] for name, field in fields.items()}
