"""Movies of rollouts."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray

from callbacks.diagnostics.compared import ScoreLayout
from callbacks.diagnostics.lead_times import spaced_leads
from callbacks.diagnostics.options import is_whole
from callbacks.diagnostics.snapshots import Snapshots
from callbacks.plotting.levels import coarsened, to_levels
from callbacks.plotting.style import colour_map

KEPT = 40  # most states that are kept as scores


class Movie(Snapshots):
    """GIF of the first initial condition: truth on the left, forecast on the right.

    At most 40 of its states, averaged over blocks of points to at most 128 along an axis, are kept
    as grey levels in `scores.nc`, for the page of a comparison: level n from 1 to 255 is the value
    (n - 128) / 127 of three standard deviations, 0 is not finite.

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
    layouts = (
        ScoreLayout(
            "movie_forecast",
            ("movie_lead_time", "movie_y", "movie_x"),
            needs=("movie_truth", "movie_lead_time"),
        ),
        ScoreLayout("movie_truth", ("movie_lead_time", "movie_y", "movie_x")),
        ScoreLayout("movie_lead_time", ("movie_lead_time",)),
    )

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

    @property
    def limit(self) -> float:
        """Value of the ends of the colours [units of the channel]."""
        return 3 * float(self.training_std[self.channel])

    def scores(self) -> xarray.Dataset:
        self.fields = self.forecast_and_truth()  # all ranks gather; one draws
        shown = [*range(0, len(self.leads), max(1, -(-len(self.leads) // KEPT)))]
        if not shown:
            return xarray.Dataset()
        variable = self.data.fields[self.channel]
        label = {"long_name": variable.long_name, "units": variable.units, "limit": self.limit}
        dims = ("movie_lead_time", "movie_y", "movie_x")
        named = zip(("forecast", "truth"), self.fields, strict=True)
        levels = {name: to_levels(coarsened(fields[shown]), self.limit) for name, fields in named}
        leads = [self.leads[number] for number in shown]
        return xarray.Dataset(
            {f"movie_{name}": (dims, level, label) for name, level in levels.items()},
            coords={"movie_lead_time": self.times("movie_lead_time", leads, "lead time")},
        )

    def movies(self, scores: xarray.Dataset) -> Mapping[str, np.ndarray]:
        limit = self.limit
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
