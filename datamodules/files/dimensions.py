"""Names of the dimensions of a field."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Dimensions:
    """Names of the dimensions of a field in the file.

    Args:
        trajectory: Dimension that counts trajectories; a file may lack it.
        time: Dimension of time.
        space: Spatial dimensions, (y, x) or (x,), in any order where attributes or names of the
            coordinates say which is x.
        time_variable: Variable with the time stamps, along the dimension of time; by default the
            coordinate variable of that name, or else the only variable along it with units of time.

    Example:
        Names of the files of an atmospheric model, one trajectory each:

        >>> Dimensions(space=("lat", "lon"))
        Dimensions(trajectory='trajectory', time='time', space=('lat', 'lon'), time_variable=None)
    """

    trajectory: str = "trajectory"
    time: str = "time"
    space: tuple[str, ...] = ("y", "x")
    time_variable: str | None = None
