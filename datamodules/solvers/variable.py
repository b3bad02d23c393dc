"""Names and units of fields."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

State = Float[Tensor, "batch channel *space"]


@dataclass(frozen=True)
class Variable:
    """Name and units of a field.

    Args:
        name: Name in files and options.
        long_name: Description for people, as in CF's `long_name`.
        units: Units, as in CF's `units`.

    Example:
        >>> Variable("vorticity", "relative vorticity", "s-1").units
        's-1'
    """

    name: str
    long_name: str
    units: str
