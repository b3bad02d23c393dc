"""Means over space that do not change in time."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.description import DataDescription
from datamodules.solvers.cpu import one_thread_without_gradients
from datamodules.solvers.variable import State
from emulators.constraints.constraint import Constraint, Snapshots, channels_of
from emulators.standardize import Standardize


class ConservedMean(Constraint):
    """Conservation of the mean over space: a prediction has the mean of the state before it.

    Means are weighted where the data are (`data.weights`, `data.mask`).

    Args:
        fields: Names of the fields whose mean is conserved; all by default.

    Raises:
        ValueError: The mean of a field changes in the training data by more than 1e-4 of its root
            mean square.

    Example:
        >>> state, prediction = torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[4.0, 8.0]]])
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> data = DataDescription.on_grid([Variable("u", "u", "1")], Grid((4,), (1.0,)), 1.0)
        >>> mean = ConservedMean()
        >>> mean.learn([torch.tensor([[[1.0, 3.0, 1.0, 3.0]]])], data, Standardize(channels=1))
        >>> state = torch.tensor([[[1.0, 3.0, 1.0, 3.0]]])
        >>> mean(torch.tensor([[[4.0, 8.0, 4.0, 8.0]]]), state).tolist()
        [[[0.0, 4.0, 0.0, 4.0]]]
    """

    learned = ("weights",)
    weights: Float[Tensor, "channel *space"] | None

    def __init__(self, fields: Sequence[str] | None = None) -> None:
        super().__init__()
        self.fields = fields

    def learn(self, snapshots: Snapshots, data: DataDescription, standardize: Standardize) -> None:
        chosen = channels_of("ConservedMean", self.fields, data)
        weights = torch.ones(data.channels, *data.shape) if data.weights is None else data.weights
        weights = weights.double() / weights.double().flatten(1).sum(1).reshape(
            -1, *[1] * len(data.shape)
        )
        for trajectory in snapshots:
            states = torch.where(weights > 0, trajectory.double(), 0.0)
            mean = (states * weights).flatten(2).sum(2)
            size = (states.square() * weights).flatten(2).sum(2).mean(0).sqrt()
            change = (mean - mean[0]).abs().amax(0) / size
            for channel in chosen:
                if not change[channel] <= 1e-4:
                    raise ValueError(
                        f"ConservedMean: the mean of {data.fields[channel].name} changes by "
                        f"{change[channel]:.1g} of its root mean square in the training data; "
                        "leave it out of ConservedMean.fields."
                    )
        for channel in set(range(data.channels)) - set(chosen):
            weights[channel] = 0
        self.weights = weights.float().to(standardize.mean.device)

    def forward(self, prediction: State, state: State) -> State:
        if self.weights is None:
            return prediction
        axes = tuple(range(2, prediction.dim()))
        with one_thread_without_gradients(prediction.device):  # several add in another order
            change = ((prediction - state) * self.weights).sum(axes, keepdim=True)
        return prediction - change
