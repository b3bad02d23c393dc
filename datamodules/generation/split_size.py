"""Sizes of the splits of a simulated data set, and what is different in one of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from datamodules.solvers import InitialCondition
from datamodules.solvers.finite import check_finite

LARGEST = 1_000_000  # trajectories or snapshots of a split


@dataclass(frozen=True)
class SplitSize:
    """Size of one split.

    Args:
        trajectories: Number of independent trajectories.
        snapshots: Number of snapshots of each trajectory.
        operating_points: Physical parameters that differ between trajectories, by name: trajectory
            k has entry k, modulo their number; by default all have the parameters of the solver.
        initial: Distribution of the initial states of this split, to test an emulator on states
            that its training had none of; None for the `initial` of the generator.

    Example:
        >>> SplitSize(trajectories=4, snapshots=100).points(first=0, count=2)
        []
        >>> SplitSize(4, 100, operating_points=[{"beta": 0.0}, {"beta": 5.0}]).points(1, 2)
        [{'beta': 5.0}, {'beta': 0.0}]
    """

    trajectories: int
    snapshots: int
    operating_points: Sequence[dict[str, float]] = ()
    initial: InitialCondition | None = None

    def __post_init__(self) -> None:
        for name in ("trajectories", "snapshots"):
            number = getattr(self, name)
            if not 1 <= number <= LARGEST:
                raise ValueError(
                    f"{name} of data.generator.splits must lie in 1..{LARGEST}, got {number}."
                )
        check_finite("data.generator.splits", operating_points=self.operating_points)

    def points(self, first: int, count: int) -> list[dict[str, float]]:
        """Return the operating points of trajectories, in turns; an empty list if none are set.

        Args:
            first: Number of the first trajectory.
            count: Number of trajectories.
        """
        every = self.operating_points
        return [dict(every[k % len(every)]) for k in range(first, first + count) if every]
