"""Observations of the training trajectories: sensors, times and variables.

The data files hold whole fields; what was not observed is NaN in a training window, so that no loss
can use it unnoticed. The initial state of a trajectory is fully observed.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from datamodules.solvers import Grid
from datamodules.solvers.finite import check_finite


class Sensors(ABC):
    """Set of observed grid points.

    Example:
        Sensors of your own, in the lower half of the domain:

        >>> class LowerHalf(Sensors):
        ...     def mask(self, grid, first=(0.0, 0.0)):
        ...         mask = torch.zeros(grid.shape, dtype=torch.bool)
        ...         mask[: grid.shape[0] // 2] = True
        ...         return mask
        >>> LowerHalf().mask(Grid((4,), (1.0,))).tolist()
        [True, True, False, False]
    """

    @abstractmethod
    def mask(self, grid: Grid, first: Sequence[float] = (0.0, 0.0)) -> Bool[Tensor, "*space"]:
        """Return which points of a grid are observed.

        Args:
            grid: Grid of the points.
            first: Coordinate [L] of the first point of each axis: half a cell if they are centres.
        """


class RandomSensors(Sensors):
    """Points drawn at random, without repetition.

    Args:
        count: Number of sensors.
        seed: Seed of the random choice.

    Example:
        >>> RandomSensors(count=3).mask(Grid((4, 4), (1.0, 1.0))).sum().item()
        3
    """

    def __init__(self, count: int, seed: int = 0) -> None:
        if count < 1:
            raise ValueError(f"RandomSensors.count must be at least 1, got {count}.")
        self.count = count
        self.seed = seed

    def mask(self, grid: Grid, first: Sequence[float] = (0.0, 0.0)) -> Bool[Tensor, "*space"]:
        points = torch.Size(grid.shape).numel()
        if self.count > points:
            raise ValueError(
                f"RandomSensors.count is {self.count}, the grid has {points} points; lower it."
            )
        chosen = torch.randperm(points, generator=torch.Generator().manual_seed(self.seed))
        mask = torch.zeros(points, dtype=torch.bool)
        mask[chosen[: self.count]] = True
        return mask.view(grid.shape)


class LatticeSensors(Sensors):
    """Every k-th point along each axis, beginning in the middle of the first block of k.

    Args:
        every: Distance k of two sensors [points].

    Example:
        >>> LatticeSensors(every=2).mask(Grid((4,), (1.0,))).tolist()
        [True, False, True, False]
    """

    def __init__(self, every: int) -> None:
        if every < 1:
            raise ValueError(f"LatticeSensors.every must be at least 1, got {every}.")
        self.every = every

    def mask(self, grid: Grid, first: Sequence[float] = (0.0, 0.0)) -> Bool[Tensor, "*space"]:
        if self.every > min(grid.shape):
            raise ValueError(
                f"LatticeSensors.every is {self.every}, the grid has {grid.shape} points; lower it."
            )
        mask = torch.zeros(grid.shape, dtype=torch.bool)
        mask[(slice((self.every - 1) // 2, None, self.every),) * grid.dimensions] = True
        return mask


class SensorsAt(Sensors):
    """Sensors at given positions; each observes the nearest grid point.

    Args:
        places: Coordinates [L] of each sensor, in the order of the axes, (y, x) or (x,), counted
            from the lower corner of the domain.

    Example:
        Of points at 0, 0.25, 0.5 and 0.75 the nearest one is observed:

        >>> SensorsAt([(0.3,)]).mask(Grid((4,), (1.0,))).tolist()
        [False, True, False, False]
    """

    def __init__(self, places: Sequence[Sequence[float]]) -> None:
        check_finite("SensorsAt", places=places)
        if not places:
            raise ValueError("SensorsAt.places must list at least one place, got none.")
        self.places = [tuple(place) for place in places]

    def mask(self, grid: Grid, first: Sequence[float] = (0.0, 0.0)) -> Bool[Tensor, "*space"]:
        mask = torch.zeros(grid.shape, dtype=torch.bool)
        for place in self.places:
            inside = len(place) == grid.dimensions and all(
                0 <= x <= length for x, length in zip(place, grid.lengths, strict=True)
            )
            if not inside:
                raise ValueError(
                    f"The sensor at {place} lies outside of the domain, which reaches from 0 to "
                    f"{grid.lengths}; correct SensorsAt.places."
                )
            axes = zip(place, first, grid.lengths, grid.shape, strict=False)
            mask[tuple(nearest(*axis) for axis in axes)] = True
        return mask


def nearest(x: float, first: float, length: float, size: int) -> int:
    """Return the index of the point nearest to x on a periodic axis.

    For x beyond the outermost points by at most half a spacing, as at the end of an axis of cells,
    the result is the outermost point on that side.

    Args:
        x: Coordinate [L].
        first: Coordinate of the first point [L].
        length: Length of the axis [L].
        size: Number of points.
    """
    position = (x - first) / length * size
    if -0.5 - 1e-6 <= position <= size - 0.5 + 1e-6:
        return min(max(round(position), 0), size - 1)
    return round(position) % size


@dataclass(frozen=True)
class Observations:
    """Observed part of the training trajectories, in addition to their initial states.

    Args:
        times: Times of observation, counted from the first snapshot of a trajectory; all by
            default.
        sensors: Points that are observed; all by default.
        variables: Names of the variables that are observed; all by default.

    Example:
        One time of a window of four snapshots; its initial state is known:

        >>> observations = Observations(times=(2.0,))
        >>> mask = observations.mask(4, 1.0, ["u"], (8,), grid=None)
        >>> mask[:, 0, 0].tolist()
        [True, False, True, False]
    """

    times: tuple[float, ...] | None = None
    sensors: Sensors | None = None
    variables: tuple[str, ...] | None = None

    def mask(
        self,
        window: int,
        interval: float,
        variables: Sequence[str],
        shape: tuple[int, ...],
        grid: Grid | None,
        first: Sequence[float] = (0.0, 0.0),
    ) -> Bool[Tensor, "time channel *space"]:
        """Return the mask of observed values for a window at the start of a trajectory.

        Args:
            window: Number of snapshots of the window.
            interval: Time between two snapshots.
            variables: Names of the channels.
            shape: Number of points of a field along each axis.
            grid: Grid of the points, or None if it is not known.
            first: Coordinate [L] of the first point of each axis.

        Raises:
            ValueError: A time is not the time of a snapshot of the window, a sensor lies outside of
                the domain, or a variable is not in the data.
        """
        mask = torch.zeros(window, len(variables), *shape, dtype=torch.bool)
        where = torch.ones(shape, dtype=torch.bool)
        if self.sensors is not None:
            own = grid or Grid(shape, tuple(float(n) for n in shape))
            where = self.sensors.mask(own, first if grid else (0.0,) * len(shape))
        unknown = sorted(set(self.variables or ()) - set(variables))
        if unknown:
            raise ValueError(
                f"data.observations.variables names '{unknown[0]}', the data have "
                f"{list(variables)}; correct the name."
            )
        channels = [n for n, name in enumerate(variables) if name in (self.variables or variables)]
        for snapshot in self.snapshots(window, interval):
            mask[snapshot, channels] = where
        mask[0] = True
        return mask

    def snapshots(self, window: int, interval: float) -> list[int]:
        """Return the indices of the observed snapshots of a window, without the initial one.

        Args:
            window: Number of snapshots of the window.
            interval: Time between two snapshots.

        Raises:
            ValueError: A time is not the time of a snapshot of the window after the first.
        """
        if self.times is None:
            return list(range(1, window))
        found = []
        for time in self.times:
            number = round(time / interval)
            if abs(number * interval - time) > 1e-3 * interval:
                raise ValueError(
                    f"The observation time {time:g} is not a multiple of the interval "
                    f"{interval:g} between snapshots; move it to one of them or store "
                    "the data at shorter intervals."
                )
            if not 1 <= number < window:
                raise ValueError(
                    f"The observation time {time:g} lies outside of the training rollout, "
                    f"({interval:g} to {(window - 1) * interval:g}); set model.unrolled_steps to "
                    "reach the last observation, or leave it out."
                )
            found.append(number)
        return found


def mask_unobserved(
    states: Float[Tensor, "batch time channel *space"],
    observed: Bool[Tensor, "time channel *space"],
) -> Float[Tensor, "batch time channel *space"]:
    """Return windows with NaN in place of values that are not observed.

    Args:
        states: Windows of snapshots.
        observed: Mask of the observed values, the same for all windows.
    """
    return torch.where(observed, states, torch.full_like(states, float("nan")))
