"""Projection of all members of a few ensembles onto a principal component, by lead time."""

from torch import Tensor

from callbacks.diagnostics.climate import Split
from callbacks.diagnostics.components import ComponentDiagnostic
from callbacks.diagnostics.options import is_whole
from callbacks.diagnostics.plume import Plume
from callbacks.diagnostics.units import comparable_units
from emulators.rollout import State


class ComponentPlume(Plume, ComponentDiagnostic):
    """Projection of all members and of the truth onto a principal component of the data.

    The projection of a state q onto component e is

        a = Σ √w (q - q̄) e,    with the sum over all points and channels,

    with q̄ the time mean of the reference split and w the weights of points, 1 if they have none.
    Components are as in `PCAAutocorrelation` with `centre: true`: unit vectors, whose largest entry
    is positive, of channels that are divided by their training standard deviations if there are
    several. As a is a sum and no mean, it grows with the square root of the number of points.

    The truth lies within the plume of the members of a reliable ensemble. As members forget the
    initial state, the plume fills the range of the component in the data. The projection of the
    mean state is the mean of the projections.

    Args:
        component: Number of the principal component, from 1 on.
        initial_conditions: Number of initial conditions that are drawn, evenly spaced among all.
        reference: Split from which the component is computed.

    Example:
        >>> ComponentPlume(component=2).options
        {'component': 2, 'initial_conditions': 4, 'reference': 'train'}
    """

    version = 1
    of_forecasts = frozenset({"initial_conditions", "reference"})
    score = "component_plume"
    picture = "component_plume"
    count_option = "component"

    def __init__(
        self, component: int = 1, initial_conditions: int = 4, reference: Split = "train"
    ) -> None:
        if not is_whole(component):
            raise ValueError(
                "ComponentPlume.component must be a whole number of at least 1, the number of the "
                f"component with the largest variance, got {component}."
            )
        super().__init__(initial_conditions, components=component, reference=reference)

    def value(self, state: State) -> Tensor:
        # a sum over each row is the same to the last bit in any batch; a product of matrices is not
        return (self.departure(state) * self.basis[1][-1]).sum(1)

    def value_label(self) -> tuple[str, str]:
        share = 100 * float(self.reference["share"][-1])
        name = f"principal component {self.components} ({share:.0f} % of the variance)"
        return name, comparable_units(self.data.fields)

    def mean_of_data(self) -> float:
        return 0.0  # the mean of the data is removed
