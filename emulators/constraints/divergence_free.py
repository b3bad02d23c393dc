"""Velocities without divergence."""

import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.description import DataDescription
from datamodules.solvers.fourier import irfftn, rfftn
from datamodules.solvers.variable import State
from emulators.constraints.constraint import Constraint, Snapshots, channels_of
from emulators.standardize import Standardize


class DivergenceFree(Constraint):
    """Velocity without divergence on a periodic domain, û - k (k·û)/|k|² for each wavenumber k.

    The projection is orthogonal in physical units. Derivatives are of the Fourier series; the mode
    of two points along an axis counts as constant along it.

    Args:
        fields: Names of the components of the velocity along x and y.

    Raises:
        ValueError: The domain is not a periodic one of two dimensions, or the divergence in the
            training data is above 1e-2 of the root mean square of the velocity's gradient.

    Example:
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> fields = [Variable("u", "wind along x", "m s-1"), Variable("v", "along y", "m s-1")]
        >>> data = DataDescription.on_grid(fields, Grid((8, 8), (1.0, 1.0)), 1.0)
        >>> wave = torch.linspace(0, 2 * torch.pi, 9)[:8].sin().expand(8, 8)
        >>> shear = torch.stack([wave.T, wave])[None]  # u(y), v(x)
        >>> flow = DivergenceFree()
        >>> flow.learn([shear], data, Standardize(channels=2))
        >>> converging = torch.stack([wave, torch.zeros(8, 8)])[None]  # u(x)
        >>> flow(shear + converging, shear).sub(shear).abs().max().item() < 1e-6
        True
    """

    learned = ("directions", "channels", "scale")
    directions: Float[Tensor, "2 *mode"] | None
    channels: Tensor | None
    scale: Tensor | None

    def __init__(self, fields: tuple[str, str] = ("u", "v")) -> None:
        super().__init__()
        self.fields = tuple(fields)

    def learn(self, snapshots: Snapshots, data: DataDescription, standardize: Standardize) -> None:
        grid = data.grid
        if grid is None or grid.dimensions != 2:
            reason = data.no_grid or "the data have one dimension"
            raise ValueError(
                f"DivergenceFree needs a periodic grid in two dimensions: {reason}; leave it out "
                "of model.project."
            )
        channels = channels_of("DivergenceFree", self.fields, data)
        along_y, along_x = (
            2 * torch.pi * torch.fft.fftfreq(size, length / size, dtype=torch.float64)
            for size, length in zip(grid.shape, grid.lengths, strict=True)
        )
        along_y[grid.shape[0] // 2] = along_x[grid.shape[1] // 2] = 0
        along_x = along_x[: grid.shape[1] // 2 + 1]
        wavenumber = torch.stack(
            [along_x.expand(len(along_y), -1), along_y[:, None].expand(-1, len(along_x))]
        )
        square = wavenumber.square().sum(0)
        for trajectory in snapshots:
            spectrum = torch.fft.rfft2(trajectory[:, channels].double())
            divergence = (spectrum * wavenumber).sum(1).abs().square().sum()
            gradient = (spectrum.abs().square() * square).sum()
            if not divergence <= 1e-4 * gradient:
                raise ValueError(
                    f"DivergenceFree: the divergence of {' and '.join(self.fields)} is "
                    f"{(divergence / gradient).sqrt():.2g} of their gradient in the training data; "
                    "leave it out of model.project."
                )
        length = torch.where(square > 0, square, 1.0).sqrt()
        device = standardize.mean.device
        self.directions = (wavenumber / length).float().to(device)
        self.channels = torch.tensor(channels, device=device)
        self.scale = standardize.std[self.channels].clone()

    def forward(self, prediction: State, state: State) -> State:
        if self.directions is None or self.channels is None or self.scale is None:
            return prediction
        with torch.autocast(prediction.device.type, enabled=False):
            exact = torch.promote_types(prediction.dtype, torch.float32)
            scale = self.scale.to(exact)[:, None, None]
            velocity = prediction[:, self.channels].to(exact) * scale
            spectrum = rfftn(velocity, (2, 3))
            along = (spectrum * self.directions).sum(1, keepdim=True) * self.directions
            flow = irfftn(spectrum - along, prediction.shape[2:], (2, 3)) / scale
        return prediction.index_copy(1, self.channels, flow.to(prediction.dtype))
