"""Fields as grey levels of a picture, small enough to keep many of them."""

import numpy as np

POINTS = 128
"""Most points along an axis of a field that is kept as a picture."""


def to_levels(fields: np.ndarray, limit: float) -> np.ndarray:
    """Return grey levels 1 to 255 of values from -limit to limit, and 0 where they are not finite.

    Example:
        >>> to_levels(np.array([-9.0, -3.0, 0.0, 1.5, 3.0, np.nan]), limit=3.0).tolist()
        [1, 1, 128, 192, 255, 0]
    """
    finite = np.isfinite(fields)
    scaled = np.clip(np.where(finite, fields, 0.0) / (limit or 1.0), -1.0, 1.0)
    return np.where(finite, np.round(128 + 127 * scaled), 0).astype(np.uint8)


def coarsened(fields: np.ndarray, points: int = POINTS) -> np.ndarray:
    """Return fields (..., y, x) averaged over blocks, with at most some points along an axis.

    Points at the end that fill no block are left out.

    Example:
        >>> coarsened(np.arange(12.0).reshape(2, 6), points=3).tolist()
        [[3.5, 5.5, 7.5]]
    """
    factor = -(-max(fields.shape[-2:]) // points)
    height, width = (max(size // factor, 1) for size in fields.shape[-2:])
    block = min(factor, fields.shape[-2]), min(factor, fields.shape[-1])
    cut = fields[..., : height * block[0], : width * block[1]]
    return cut.reshape(*fields.shape[:-2], height, block[0], width, block[1]).mean((-3, -1))
