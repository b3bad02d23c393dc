"""Movies of rollouts."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray

from callbacks.diagnostics.lead_times import spaced_leads
from callbacks.diagnostics.options import is_whole
from callbacks.diagnostics.snapshots import Snapshots
from callbacks.plotting.style import colour_map


class Movie(Snapshots):
    """GIF of the first initial condition: truth on the left, forecast on the right.

    Args:
        frames: Number of frames, evenly spaced over the rollout.
        steps: Length of the rollout that is shown [steps]; all of it if None.
        channel: Number of the channel.
        width: Smallest width of a field [pixels]; small fields are enlarged by whole factors.

    Example:
        Leads 2, 4 and 6 of a rollout on 4 by 8 points. Truth and forecast have 8 by 16 pixels each,
        with a gap of 4:

        >>> import torch
        >>> from callbacks import score_forecasts
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((4, 8), (1.0, 1.0))
        >>> data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
        >>> truth = torch.tensor([1.0, -1.0]).repeat(4).view(1, 8, 1, 1, 1).expand(1, 8, 1, 4, 8)
        >>> movie = Movie(frames=4, width=16)
        >>> scores = score_forecasts(movie, truth[:, 1:], truth, data)
        >>> {name: frames.shape for name, frames in movie.movies(scores).items()}
        {'movie': (3, 8, 36, 3)}
    """

    version = 1

    def __init__(
        self, frames: int = 100, steps: int | None = 200, channel: int = 0, width: int = 128
    ) -> None:
        super().__init__(channel)
        if not (is_whole(frames) and (steps is None or is_whole(steps))):
            raise ValueError(
                f"Movie needs frames and steps of at least 1, got frames={frames}, steps={steps}."
            )
        if not is_whole(width, 1, 8192):
            raise ValueError(f"Movie.width must lie in 1..8192 pixels, got {width}.")
        self.frames = frames
        self.steps = steps
        self.width = width

    def unsupported_reason(self) -> str | None:
        return None if self.data.dimensions == 2 else "a movie needs two dimensions"

    def kept_leads(self, steps: int) -> Sequence[int]:
        return spaced_leads(min(steps, self.steps or steps), self.frames)

    def scores(self) -> xarray.Dataset:
        self.fields = self.forecast_and_truth()  # all ranks gather; one draws
        return xarray.Dataset()

    def movies(self, scores: xarray.Dataset) -> Mapping[str, np.ndarray]:
        limit = 3 * float(self.training_std[self.channel])
        in_colour = colour_map("RdBu_r")
        parts = []
        forecast, truth = self.fields
        for field in (truth, forecast):
            scaled = np.ma.masked_invalid(np.flip(field, axis=1) / (2 * limit) + 0.5)  # y points up
            parts.append((255 * in_colour(scaled)[..., :3]).round().astype(np.uint8))
        gap = np.full((*parts[0].shape[:2], 2, 3), 255, np.uint8)
        frames = np.concatenate((parts[0], gap, parts[1]), axis=2)
        enlarge = max(1, -(-self.width // parts[0].shape[2]))
        return {"movie": frames.repeat(enlarge, axis=1).repeat(enlarge, axis=2)}
