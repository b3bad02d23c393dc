"""The base class of diagnostics that project states onto principal components of the data."""

from collections.abc import Mapping
from math import prod
from typing import Any, ClassVar

import numpy as np
import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.diagnostics.climate import Split
from callbacks.metrics.pca import principal_components
from datamodules.point_weights import apply_weights
from emulators.rollout import State


class ComponentDiagnostic(RolloutDiagnostic):
    """Projections of states onto the leading principal components of the reference split.

    Components come from a singular value decomposition of all states of the split. Where points
    have weights, fields are multiplied by √w, so that components are orthogonal in the weighted
    mean. The sign of a component makes its largest entry positive.

    Args:
        components: Number of leading components.
        centre: If true, the mean over the reference is removed from the states.
        reference: Split from which the components are computed.

    Attributes:
        count_option: Name of the option that sets the number of components.
        basis: Mean and components of the reference, on the device of the rollouts.
        reference: `mean`, `components` and the `share` of the variance that each explains; `series`
            (time, component) of all states and `lengths` of their trajectories; and `residual`, the
            error of components that are approximate.
    """

    count_option: ClassVar[str] = "components"

    def __init__(self, components: int, centre: bool = True, reference: Split = "train") -> None:
        super().__init__()
        self.components = components
        self.centre = centre
        self.reference_split = reference
        self.basis: tuple[Tensor, Tensor]  # with the reference
        self.reference: Mapping[str, np.ndarray] = {}

    def definition(self) -> dict[str, Any]:
        return {**super().definition(), "components": self.components, "centre": self.centre}

    def start(self, device: torch.device) -> None:
        super().start(device)
        if self.reference:
            mean, components = self.basis
            self.basis = mean.to(device), components.to(device)

    def prepare(self) -> None:
        if self.reference:
            return
        self.reference = self.reference_of(self.reference_split, self._reference)
        mean, components = (torch.from_numpy(self.reference[n]) for n in ("mean", "components"))
        self.basis = mean, components

    def _reference(self) -> Mapping[str, np.ndarray]:
        split = self.source.trajectories(self.reference_split)
        values = len(self.data.variables) * prod(axis.size for axis in self.data.axes)
        self._check_number(values, "values of a state")
        self._check_number(split.snapshots, f"states of the {self.reference_split} split")

        def chunks():  # noqa: ANN202
            return map(self.apply_root_weights, split.chunks("principal components"))

        mean, components, variances = principal_components(chunks, self.components, self.centre)
        self.basis = (mean, components)
        series, total, image = [], 0.0, 0.0
        for chunk in split.chunks("principal components: series"):
            departure = self.departure(chunk)
            series.append(departure @ components.T)
            total = total + departure.square().sum()
            image = image + series[-1].T @ departure
        rest = image / split.snapshots - variances[:, None] * components
        return {
            "residual": (rest.norm(dim=1) / variances[0]).numpy(),
            "mean": mean.numpy(),
            "components": components.numpy(),
            "share": (variances * split.snapshots / total).numpy(),
            "series": torch.cat(series).numpy(),
            "lengths": np.array(split.lengths),
        }

    def _check_number(self, most: int, what: str) -> None:
        """Check that there are as many components as needed."""
        if self.components > most:
            raise ValueError(
                f"{type(self).__name__}.{self.count_option} must be at most {most}, the number of "
                f"{what}, got {self.components}."
            )

    def departure(self, state: State) -> Float[Tensor, "batch value"]:
        """Return the departure of each weighted state from the mean of the reference, in float64.

        Its projections onto components, which are unit vectors, have the units of `comparable`
        states.
        """
        return self.apply_root_weights(state).double().flatten(1) - self.basis[0]

    def apply_root_weights(self, state: State) -> State:
        """Return the comparable state times √w, with the weights w of points if there are any."""
        state = self.comparable(state)
        return state if self.weights is None else apply_weights(state.double(), self.weights.sqrt())

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        residual = float(self.reference["residual"].max())
        if residual <= 1e-9:
            return []
        return [
            f"{type(self).__name__}: the components are approximate, the covariance times one of "
            f"them differs from a multiple of it by {residual:.0e} of the largest variance."
        ]
