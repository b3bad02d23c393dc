"""The Fourier modes that the training data occupy."""

from math import prod

import torch
from jaxtyping import Bool
from torch import Tensor

from datamodules.description import DataDescription
from datamodules.solvers.fourier import irfftn, rfftn
from datamodules.solvers.variable import State
from emulators.constraints.constraint import Constraint, Snapshots
from emulators.standardize import Standardize

ROUNDING = 2.0**-15  # 512 units of rounding of float32, the sum of 512² steps of random sign


class DataModes(Constraint):
    """Fourier modes of the data: those that are empty in the training data stay empty.

    A mode m of a channel is empty if |û_m|² is below the rounding of float32 in each snapshot,

        N |û_m|² < ε² mean(u²),    ε = 2⁻¹⁵,

    where N is the number of points and the |û_m|² add up to the mean square of u less its mean.
    A solver in float32 adds about one unit of rounding, 2⁻²⁴, of random sign at each step to a mode
    that it conserves, as the mean: √n units in n steps. ε allows for 260,000 steps.
    There is no constraint if no mode is empty, on domains that are not periodic, and where points
    are masked.

    Example:
        Data that hold the waves 0 and 1 of four points, and a prediction that also holds wave 2:

        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> data = DataDescription.on_grid([Variable("u", "u", "1")], Grid((4,), (1.0,)), 1.0)
        >>> wave = torch.tensor([[[1.0, 0.0, -1.0, 0.0]], [[5.0, 4.0, 3.0, 4.0]]])
        >>> modes = DataModes()
        >>> modes.learn([wave], data, Standardize(channels=1))
        >>> modes.occupied.tolist()
        [[True, True, False]]
        >>> modes(torch.tensor([[[3.0, 0.0, 1.0, 0.0]]]), wave[:1]).tolist()
        [[[2.0, 1.0, 0.0, 1.0]]]
    """

    learned = ("occupied",)
    occupied: Bool[Tensor, "channel *mode"] | None

    def learn(self, snapshots: Snapshots, data: DataDescription, standardize: Standardize) -> None:
        self.occupied = None
        if not all(data.periodic) or data.mask is not None:
            return
        mean = standardize.mean.cpu().double().reshape(-1, *[1] * len(data.shape))
        axes = tuple(range(1, len(data.shape) + 1))
        points = prod(data.shape)
        occupied = torch.zeros(data.channels, *data.shape, dtype=torch.bool)
        for trajectory in snapshots:
            for snapshot in map(Tensor.double, trajectory):  # one by one: they take memory
                power = torch.fft.fftn(snapshot - mean, dim=axes, norm="forward").abs().square()
                scale = snapshot.square().mean(axes, keepdim=True)
                occupied |= ~(points * power < ROUNDING**2 * scale)
        opposite = occupied.flip(axes).roll([1] * len(axes), axes)  # mode -m of a real field
        occupied = (occupied | opposite)[..., : data.shape[-1] // 2 + 1]
        if not occupied.all():
            self.occupied = occupied.to(standardize.mean.device)

    def forward(self, prediction: State, state: State) -> State:
        if self.occupied is None:
            return prediction
        shape, axes = prediction.shape[2:], tuple(range(2, prediction.dim()))
        if self.occupied.shape[1:] != (*shape[:-1], shape[-1] // 2 + 1):
            raise ValueError(
                f"The Fourier modes of the training data are known on a grid of other sizes than "
                f"{tuple(shape)}; set model.project to null to train for several grids."
            )
        with torch.autocast(prediction.device.type, enabled=False):
            exact = prediction.to(torch.promote_types(prediction.dtype, torch.float32))
            spectrum = rfftn(exact, axes) * self.occupied
            return irfftn(spectrum, shape, axes).to(prediction.dtype)
