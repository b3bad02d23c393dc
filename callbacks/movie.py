"""A moving picture of a rollout."""

from collections.abc import Mapping

import matplotlib
import numpy as np
import torch
import xarray

from callbacks.diagnostic import RolloutDiagnostic
from callbacks.metrics.rows import Rows
from emulators.rollout import Start, State


class Movie(RolloutDiagnostic):
    """The first initial condition's forecast, beside the truth while there is one, as a GIF.

    Args:
        frames: Number of frames, evenly spaced over the rollout.
        steps: Length of the rollout that is shown; the whole if None.
        channel: Channel that is shown.
        width: Least width of a field in pixels; small fields are enlarged by whole factors.
    """

    stages = ("test",)
    version = 1

    def __init__(
        self, frames: int = 100, steps: int | None = 200, channel: int = 0, width: int = 128
    ) -> None:
        super().__init__()
        if frames < 1 or (steps is not None and steps < 1):
            raise ValueError(
                f"Movie needs frames and steps of at least 1, got frames={frames}, steps={steps}."
            )
        self.frames = frames
        self.steps = steps
        self.channel = channel
        self.width = width
        self.rows = Rows("forecast", "truth")

    def undefined(self) -> str:
        return "" if self.data.dimensions == 2 else "a moving picture needs two dimensions"

    def begin(self, start: Start) -> None:
        self.first = start.index == 0
        self.index = start.index[self.first]
        steps = min(start.steps, self.steps or start.steps)
        self.stride = max(1, -(-steps // self.frames))
        like = start.initial[self.first][:, None, self.channel]
        shape = (len(like), steps // self.stride, *like.shape[2:])
        self.forecast = torch.full(shape, float("nan"), device=like.device)
        self.truth = self.forecast.clone()

    def observe(self, lead: int, forecast: State, truth: State | None) -> None:
        frame, rest = divmod(lead, self.stride)
        if rest or frame > self.forecast.shape[1]:
            return
        self.forecast[:, frame - 1] = forecast[self.first][:, self.channel].float()
        if truth is not None:
            self.truth[:, frame - 1] = truth[self.first][:, self.channel].float()

    def end(self) -> None:
        self.rows.update(self.index, forecast=self.forecast, truth=self.truth)

    def scores(self) -> xarray.Dataset:
        rows = self.rows.compute()
        self.shown = {name: rows[name][0] for name in ("truth", "forecast")}
        return xarray.Dataset()  # a picture, not a number

    def movies(self, scores: xarray.Dataset) -> Mapping[str, np.ndarray]:
        limit = 3 * float(self.emulator.standardize.std[self.channel])
        colours = matplotlib.colormaps["RdBu_r"].with_extremes(bad="0.8")
        parts = []
        for field in self.shown.values():
            scaled = np.ma.masked_invalid(np.flip(field, axis=1) / (2 * limit) + 0.5)  # y points up
            parts.append((255 * colours(scaled)[..., :3]).round().astype(np.uint8))
        gap = np.full((*parts[0].shape[:2], 2, 3), 255, np.uint8)
        frames = np.concatenate((parts[0], gap, parts[1]), axis=2)
        enlarge = max(1, -(-self.width // parts[0].shape[2]))
        return {"movie": frames.repeat(enlarge, axis=1).repeat(enlarge, axis=2)}
