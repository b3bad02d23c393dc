"""What a field is called, and its units."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

State = Float[Tensor, "batch channel *space"]


@dataclass(frozen=True)
class Variable:
    """A prognostic field: its name in files, a name for people, and its units."""

    name: str
    long_name: str
    units: str
