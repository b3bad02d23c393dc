"""Weights of grid points in means over space: areas on a sphere, zero where points are masked."""

from collections.abc import Sequence
from math import prod

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from datamodules.files.axis_roles import full_turn
from datamodules.files.space_axis import SpaceAxis

Mask = Bool[Tensor, "channel *space"]
Weights = Float[Tensor, "channel *space"]
BEYOND = 1e-3  # degrees by which a pole may be rounded


def latitude_weights(axes: Sequence[SpaceAxis]) -> Float[Tensor, "*space"]:
    """Return the areas of grid cells on a sphere, with mean 1.

    The cell of a row at latitude φ reaches halfway to the neighbouring rows, at most to the pole;
    its area is proportional to sin φ₊ - sin φ₋.

    Args:
        axes: Spatial axes, of which one is a latitude.

    Raises:
        ValueError: No axis, or more than one, is a latitude with coordinates; or a latitude lies
            beyond a pole.

    Example:
        The polar rows extend over 45 degrees of latitude, the equatorial row over 90 degrees:

        >>> rows = SpaceAxis("lat", 3, np.array([-90.0, 0.0, 90.0]), {"units": "degrees_north"})
        >>> columns = SpaceAxis("lon", 1, np.array([0.0]), {"units": "degrees_east"})
        >>> latitude_weights([rows, columns]).flatten().numpy().round(3).tolist()
        [0.439, 2.121, 0.439]
    """
    found = [n for n, axis in enumerate(axes) if axis.spherical and axis.role == "y"]
    values = axes[found[0]].values if len(found) == 1 else None
    if values is None:
        names = ", ".join(axis.name for axis in axes)
        raise ValueError(
            f"data.weights is latitude, but of the axes {names} {len(found)} are latitudes with "
            "coordinates, expected one, with units such as degrees_north; leave data.weights out "
            "or add the units to the files."
        )
    axis = axes[found[0]]
    degrees = values * 360 / full_turn(axis.attributes)
    beyond = degrees[np.abs(degrees) > 90 + BEYOND]
    if len(beyond):
        raise ValueError(
            f"data.weights is latitude, but '{axis.name}' has {beyond[0]:g} degrees (units: "
            f"{axis.units}), expected latitudes from -90 to 90; leave data.weights out, or write "
            "latitudes into the files."
        )
    edges = cell_edges(degrees).clip(-90, 90)
    area = np.abs(np.diff(np.sin(np.deg2rad(edges))))
    shape = [-1 if number == found[0] else 1 for number in range(len(axes))]
    full = torch.from_numpy(area / area.mean()).reshape(shape)
    return full.expand([axis.size for axis in axes]).contiguous()


def cell_edges(centres: Float[np.ndarray, " point"]) -> Float[np.ndarray, " edge"]:
    """Return cell edges: midpoints between centres, and outer edges at the same distance outside.

    Example:
        >>> cell_edges(np.array([0.0, 2.0, 6.0])).tolist()
        [-1.0, 1.0, 4.0, 8.0]
    """
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[:-1] + centres[1:]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def point_weights(
    channels: int, mask: Mask | None, area: Float[Tensor, "*space"] | None
) -> Weights | None:
    """Return the weight of each point of each channel in a mean over space, or None if all are 1.

    The weights of a channel have the mean 1, so that the mean over all points of weight · value is
    the weighted mean. Channels with equal weights share memory.

    Args:
        channels: Number of channels.
        mask: True where there are values, False where a point is masked; None for no masked point.
        area: Area of each point in any unit; None for equal areas.

    Example:
        >>> point_weights(1, torch.tensor([[True, False, True, False]]), None).tolist()
        [[2.0, 0.0, 2.0, 0.0]]
    """
    if mask is None and area is None:
        return None
    weights = torch.ones((), dtype=torch.float64) if area is None else area.double()
    if mask is None:
        weights = weights[None]
    else:
        weights = weights * (mask[:1] if bool((mask == mask[:1]).all()) else mask)
    weights = weights / weights.flatten(1).mean(1).reshape(-1, *[1] * (weights.dim() - 1))
    return weights.expand(channels, *weights.shape[1:])


def apply_weights(field: Float[Tensor, "*any"], weights: Float[Tensor, "*some"]) -> Tensor:
    """Return the product w q at each point, zero where w is zero, even if q is NaN there.

    Args:
        field: Field q.
        weights: Weights w, which broadcast to the field.

    Example:
        >>> apply_weights(torch.tensor([4.0, torch.nan]), torch.tensor([0.5, 0.0])).tolist()
        [2.0, 0.0]
    """
    return field.masked_fill(weights == 0, 0.0) * weights


def packed(mask: Mask) -> dict[str, object]:
    """Return a mask as its shape and packed bits, for a checkpoint.

    Example:
        >>> mask = torch.tensor([[True, False, False, True, True]])
        >>> bool((unpacked(packed(mask)) == mask).all())
        True
    """
    bits = np.packbits(mask.cpu().numpy().ravel())
    return {"shape": list(mask.shape), "bits": torch.from_numpy(bits)}


def unpacked(saved: dict) -> Mask:
    """Return the mask that `packed` stored."""
    shape = saved["shape"]
    bits = np.unpackbits(saved["bits"].cpu().numpy(), count=prod(shape))
    return torch.from_numpy(bits.astype(bool)).reshape(shape)
