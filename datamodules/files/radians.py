"""Latitudes and longitudes without units that seem to be radians, and would be read as degrees."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datamodules.files.paths import inspection_of
from datamodules.files.space_axis import SpaceAxis

LARGEST = {"y": np.pi / 2, "x": 2 * np.pi}  # angle in radians along each axis
ROUNDING = 1e-5


def refuse_radians(path: Path, axes: Sequence[SpaceAxis]) -> None:
    """Check that no angles without units extend over the globe if they are radians.

    They are not radians if another angle has units or is larger than radians can be.

    Args:
        path: File, for messages.
        axes: Spatial axes of the file.

    Raises:
        ValueError: All angles may be radians, and one axis of them extends over the globe.
    """
    angles = [axis for axis in axes if axis.spherical and axis.role and axis.values is not None]
    for axis in angles if all(map(_may_be_radians, angles)) else []:
        if _covers_the_globe(axis):
            low, high = axis.values[[0, -1]]  # type: ignore[index]
            raise ValueError(
                f"{path}: the angles of '{axis.name}' extend from {low:.4g} to {high:.4g} and have "
                "no units, but cover the globe if they are radians, expected degrees or units; "
                "write degrees, or units such as radian where the format has units; "
                f"{inspection_of(path)}"
            )


def _may_be_radians(axis: SpaceAxis) -> bool:
    """Return whether angles have no units and are no larger than radians can be."""
    assert axis.values is not None
    assert axis.role is not None
    largest = LARGEST[axis.role] * (1 + ROUNDING)
    return axis.units in ("", "1") and bool((np.abs(axis.values) <= largest).all())


def _covers_the_globe(axis: SpaceAxis) -> bool:
    """Return whether angles in radians extend from pole to pole, or around the globe."""
    assert axis.values is not None
    low, high = axis.values[[0, -1]]
    if axis.size < 4:
        return False
    step = (high - low) / (axis.size - 1)
    if axis.role == "y":
        return bool(low < -np.pi / 2 + step and high > np.pi / 2 - step)
    lengths = np.array([high - low, high - low + step])  # with both ends, or one
    return bool((np.abs(lengths - 2 * np.pi) < 0.1 * step).any())
