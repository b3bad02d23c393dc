"""Values at the boundary that do not change in time."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from datamodules.description import DataDescription
from datamodules.solvers.variable import State
from emulators.constraints.constraint import Constraint, Snapshots, channels_of
from emulators.standardize import Standardize


class FixedBoundary(Constraint):
    """Boundary values that never change: points at the ends of axes keep the value of the state.

    These are the first and the last point along each axis that is not periodic.

    Args:
        fields: Names of the fields with fixed values at the boundary; all by default.

    Raises:
        ValueError: The domain is periodic along all axes, or a value at the boundary changes in the
            training data.

    Example:
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> fields, grid = [Variable("u", "u", "1")], Grid((4,), (1.0,))
        >>> data = DataDescription.on_grid(fields, grid, 1.0, periodic=(False,))
        >>> boundary = FixedBoundary()
        >>> states = torch.tensor([[[1.0, 3.0, 5.0, 2.0]], [[1.0, 4.0, 6.0, 2.0]]])
        >>> boundary.learn([states], data, Standardize(channels=1))
        >>> boundary(torch.tensor([[[0.0, 7.0, 8.0, 9.0]]]), states[:1]).tolist()
        [[[1.0, 7.0, 8.0, 2.0]]]
    """

    learned = ("fixed",)
    fixed: Bool[Tensor, "channel *space"] | None

    def __init__(self, fields: Sequence[str] | None = None) -> None:
        super().__init__()
        self.fields = fields

    def learn(self, snapshots: Snapshots, data: DataDescription, standardize: Standardize) -> None:
        if all(data.periodic):
            raise ValueError(
                "FixedBoundary: the domain is periodic along all axes and has no boundary; leave "
                "FixedBoundary out of model.project, or set data.periodic."
            )
        fixed = torch.zeros(data.channels, *data.shape, dtype=torch.bool)
        for channel in channels_of("FixedBoundary", self.fields, data):
            for axis, periodic in enumerate(data.periodic):
                if not periodic:
                    fixed[channel].index_fill_(axis, torch.tensor([0, data.shape[axis] - 1]), True)
        for trajectory in snapshots:
            change = ((trajectory - trajectory[:1]).abs() * fixed).amax(0).flatten(1).amax(1)
            size = trajectory.square().mean((0, *range(2, trajectory.dim()))).sqrt()
            for channel in range(data.channels):
                if not change[channel] <= 1e-4 * size[channel]:
                    raise ValueError(
                        f"FixedBoundary: {data.fields[channel].name} changes by "
                        f"{change[channel]:.3g} {data.fields[channel].units} at a point of the "
                        "boundary in the training data; leave it out of FixedBoundary.fields."
                    )
        self.fixed = fixed.to(standardize.mean.device)

    def forward(self, prediction: State, state: State) -> State:
        return prediction if self.fixed is None else torch.where(self.fixed, state, prediction)
