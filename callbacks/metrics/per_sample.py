"""Results per initial condition that are the same on any number of ranks."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric


class PerSampleMetric(Metric):
    """Metric that collects named rows of numbers for each initial condition.

    Rows are gathered from all ranks, sorted by the number of their initial condition, and
    duplicates (samplers pad uneven sets) are dropped. Scores computed from them are therefore
    independent of ranks, batch sizes and order, to the last bit. Every update must bring one row
    of every name for each of its initial conditions, so that rows cannot be assigned to the wrong
    initial condition.

    Args:
        names: Names of the rows.

    Example:
        >>> metric = PerSampleMetric("energy")
        >>> metric.update(torch.tensor([1, 0]), energy=torch.tensor([0.5, 0.25]))
        >>> metric.compute()["energy"].tolist()
        [0.25, 0.5]
    """

    full_state_update = False

    def __init__(self, *names: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names = names
        for name in ("index", *names):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, index: Tensor, **rows: Tensor) -> None:
        """Add rows of some initial conditions.

        Args:
            index: Numbers (batch) of the initial conditions.
            rows: Rows (batch, ...) by name.

        Raises:
            ValueError: A name is missing or unknown, or has another number of rows than `index`.
        """
        if set(rows) != set(self.names):
            raise ValueError(
                f"Rows of {list(self.names)} are kept together, got {list(rows)}; give all of them "
                "at every update, NaN where nothing is known."
            )
        for name, row in rows.items():
            if len(row) != len(index):
                raise ValueError(
                    f"{len(index)} initial conditions need as many rows of '{name}', got "
                    f"{len(row)}."
                )
        self.index.append(index)
        for name, row in rows.items():
            getattr(self, name).append(row.to(index.device))

    def compute(self) -> dict[str, np.ndarray]:
        """Return the rows (initial condition, ...) of each name, sorted by initial condition.

        They are NumPy arrays, because torchmetrics squeezes tensors with one element to scalars
        (`torchmetrics.metric._squeeze_if_scalar`). `index` holds the numbers of the initial
        conditions.

        Raises:
            ValueError: Ranks have collected different names.
        """
        index = _concatenated(self.index)
        numbers, inverse = torch.unique(index, return_inverse=True)
        first = torch.full((len(numbers),), len(index), device=index.device)
        positions = torch.arange(len(index), device=index.device)
        first = first.scatter_reduce(0, inverse, positions, "amin")
        rows = {name: _concatenated(getattr(self, name)) for name in self.names}
        unequal = {name: len(row) for name, row in rows.items() if len(row) != len(index)}
        if unequal:  # processes that kept different names
            raise ValueError(
                f"Rows of {len(index)} initial conditions were gathered, but {unequal} of some "
                "names; the names of the rows must not differ between processes."
            )
        rows = {name: row[first] for name, row in rows.items()}
        return {name: row.cpu().numpy() for name, row in {"index": numbers, **rows}.items()}


def _concatenated(parts: Tensor | list[Tensor]) -> Tensor:
    return torch.cat(parts) if isinstance(parts, list) else parts
