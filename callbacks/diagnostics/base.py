"""The base class of diagnostics, which observe and score the rollouts of validation and test.

Rollouts arrive in batches of initial conditions. A diagnostic keeps what it needs in torchmetrics
states and computes its scores once, when all ranks have seen all their batches.
"""

import functools
import inspect
import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, cast

import numpy as np
import torch
import xarray
from lightning import LightningModule, Trainer
from lightning.pytorch import Callback
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torchmetrics import Metric

from callbacks.diagnostics.compared import Column, Method, Panel, ScoreLayout
from callbacks.diagnostics.options import is_whole
from callbacks.diagnostics.returned import check_attached, checked_scores, checked_summary
from callbacks.diagnostics.space_names import space_names
from callbacks.metrics.energy import has_kinetic_energy
from datamodules.description import DataDescription
from datamodules.point_weights import Weights
from datamodules.solvers import Grid
from datamodules.source import ReferenceSource
from emulators.checkpoint_checks import described
from emulators.context import EvaluatedEmulator, Steps
from emulators.rollout import RolloutBatch, RolloutObserver, State


def recording(init: Callable[..., None]) -> Callable[..., None]:
    """Return a constructor that stores the arguments of the outermost call in `options`."""
    signature = inspect.signature(init)

    @functools.wraps(init)
    def wrapped(self: "RolloutDiagnostic", *args: Any, **kwargs: Any) -> None:
        if "options" not in vars(self):
            try:
                bound = signature.bind(self, *args, **kwargs)
            except TypeError:  # init raises a clearer error
                return init(self, *args, **kwargs)
            bound.apply_defaults()
            named = dict(list(bound.arguments.items())[1:])
            self.options = json.loads(json.dumps(named, default=str))
        return init(self, *args, **kwargs)

    return wrapped


class RolloutDiagnostic(Callback, RolloutObserver):
    """Callback that observes rollouts, and scores, draws and logs them.

    Attributes:
        version: Version of the definition of the scores; raised when a score changes its meaning.
        of_forecasts: Names of the options that only concern forecasts; the statistics of the
            reference do not depend on them.
        layouts: Layouts of the scores that columns and panels read.
        options: Arguments of the constructor as JSON values; they are part of the definition of the
            scores.
        data: Description of the data: fields, grid, interval, units.
        weights: Weight of each point in means over space, (channel, *space), zero at masked points,
            on the device of the rollouts (in `prepare` on the CPU); None if all points count alike.
        source: Data module, which has the reference trajectories and the plan of the rollouts.
        emulator: Evaluated emulator; its `standardize.std` [units of the channels] is the unit of
            standardised scores.
        results: Scores of the last evaluation.

    Example:
        The largest forecast value, of a forecast with the values 2, 4 and 6:

        >>> class Largest(RolloutDiagnostic):
        ...     def begin(self, start):
        ...         self.largest = self.unknown(start)
        ...     def observe(self, lead, forecast, truth):
        ...         self.largest = torch.fmax(self.largest, forecast.flatten(1).amax(1))
        ...     def scores(self):
        ...         return xarray.Dataset({"largest": ("initial_condition", self.largest)})
        >>> from callbacks import score_forecasts
        >>> from datamodules.solvers import Variable
        >>> wind, grid = Variable("u", "wind", "m s-1"), Grid((8,), (1.0,))
        >>> data = DataDescription.on_grid([wind], grid, interval=6.0, time_unit="h")
        >>> truth = torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 1, 8)
        >>> score_forecasts(Largest(), 2 * truth[:, 1:], truth, data)["largest"].values.tolist()
        [6.0]
    """

    stages: ClassVar[tuple[str, ...]] = ("validate", "test")
    version: ClassVar[int] = 1
    of_forecasts: ClassVar[frozenset[str]] = frozenset({"reference"})
    layouts: ClassVar[tuple[ScoreLayout, ...]] = ()
    options: Mapping[str, Any] = MappingProxyType({})
    weights: Weights | None = None
    data: DataDescription  # with `source` from `attach` on
    source: ReferenceSource

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Wrap the constructor of a subclass so that it records its arguments."""
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = recording(cls.__init__)  # type: ignore[method-assign] # on purpose

    def __init__(self) -> None:
        self.emulator = cast(EvaluatedEmulator, None)  # until `attach`
        self.results: xarray.Dataset | None = None

    # Properties and methods for subclasses ------------------------------------------------------

    @property
    def vorticity(self) -> int | None:
        """Number of the channel that is the vorticity of a flow on a periodic plane, or None."""
        name, variables = self.data.vorticity, self.data.variables
        if self.spherical or name is None:
            return None
        known = has_kinetic_energy(variables, self.data.grid, name)
        return variables.index(name) if known else None

    @property
    def spherical(self) -> bool:
        """True if the axes are degrees of a sphere, on which derivatives are not implemented."""
        return self.data.spherical

    @property
    def no_grid(self) -> str:
        """Reason why there is no uniform periodic grid of lengths; empty if there is one."""
        if self.spherical:
            return "the horizontal axes are degrees of a sphere"
        return self.data.no_grid

    @property
    def periodic_grid(self) -> Grid:
        """Uniform grid that is periodic along all axes.

        Raises:
            ValueError: The data have no such grid; `no_grid` gives the reason.
        """
        if self.data.grid is None:
            raise ValueError(f"{type(self).__name__} needs a periodic grid: {self.data.no_grid}.")
        return self.data.grid

    def flow_is_left_out(self, what: str) -> list[str]:
        """Return a remark on a score of the flow if there is a vorticity but no periodic grid.

        Args:
            what: Name of the score, which would be computed from the vorticity.
        """
        name = self.data.vorticity
        if name not in self.data.variables or self.vorticity is not None:
            return []
        reason = self.no_grid or "a flow has two dimensions"
        return [f"{type(self).__name__}: {what} from {name} is left out: {reason}."]

    @property
    def space(self) -> tuple[str, ...]:
        """Names of the dimensions of space in scores."""
        return space_names(self.data.dimension_names.space)

    @property
    def training_std(self) -> np.ndarray:
        """Standard deviation of each channel over the training split, (channel,)."""
        return self.emulator.standardize.std.double().cpu().numpy()

    @property
    def mixed(self) -> bool:
        """True if there are several channels, whose units may differ."""
        return len(self.data.variables) > 1

    def comparable(self, state: State) -> State:
        """Return a state whose channels can be added: divided by `std` if there are several."""
        if not self.mixed:
            return state
        std = self.emulator.standardize.std.to(state.device)
        return state / std.reshape(-1, *[1] * (state.dim() - 2))

    def hide_masked(self, state: State) -> State:
        """Return states with NaN at masked points, for maps and pictures."""
        if self.data.mask is None or self.weights is None:
            return state
        return torch.where(self.weights > 0, state, float("nan"))

    def times(self, dimension: str, steps: Iterable[int], what: str) -> tuple[str, Any, dict]:
        """Return a coordinate of times [time unit of the data].

        Args:
            dimension: Name of the dimension.
            steps: Times [steps].
            what: Long name of the coordinate.
        """
        attributes = {"long_name": what, "units": self.data.units[1]}
        return dimension, np.asarray(list(steps)) * self.data.interval, attributes

    def definition(self) -> dict[str, Any]:
        """Return the definition of a reference without the data: class, options, std, weights."""
        return {
            "name": type(self).__name__,
            "module": type(self).__module__,
            "version": self.version,
            "options": {k: v for k, v in self.options.items() if k not in self.of_forecasts},
            "variables": list(self.data.variables),
            "std": self.training_std.tolist(),
            **self.data.mask_and_weighting,
        }

    @staticmethod
    def unknown(start: RolloutBatch, *shape: int) -> Tensor:
        """Return rows (batch, *shape) of NaN in float64, to be filled during a rollout."""
        size = (len(start.index), *shape)
        return torch.full(size, float("nan"), dtype=torch.float64, device=start.initial.device)

    def reference_of(self, split: str, compute: Callable[[], Any]) -> Mapping[str, np.ndarray]:
        """Return statistics of a split, computed or from the cache.

        Raises:
            FileNotFoundError: The data have no such split.
        """
        try:
            return self.source.reference(split, self.definition(), compute)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{type(self).__name__} compares with the {split} split: {error} Or set its "
                "reference to a split of the data."
            ) from None

    def beyond(self, leads: Iterable[int], steps: int, end: str) -> list[str]:
        """Return a remark on lead times beyond the end of the rollout or of the truth, if any.

        Args:
            leads: Leads [intervals].
            steps: Last lead time [steps].
            end: Name of the series that ends there.
        """
        times = ", ".join(str(lead) for lead in leads if lead > steps)
        name, past = type(self).__name__, f"lie past the end of {end} ({steps} steps)"
        return [f"{name}: lead times {times} {past} and are left out."] if times else []

    # Methods that a subclass overrides ----------------------------------------------------------

    def unsupported_reason(self) -> str | None:
        """Return the reason why the scores are not defined for these data, or None."""
        return None

    def check(self) -> None:
        """Check that the options fit the data, before anything is computed."""

    def check_channel(self, channel: int) -> None:
        """Check that the data have a channel of this number."""
        names = list(self.data.variables)
        if not is_whole(channel, 0, len(names) - 1):
            known = ", ".join(f"{number} ({name})" for number, name in enumerate(names))
            raise ValueError(
                f"{type(self).__name__}.channel must be one of {known}, got {channel}."
            )

    def prepare(self) -> None:
        """Compute statistics of the data before the first rollout."""

    @abstractmethod
    def scores(self) -> xarray.Dataset:
        """Return all scores, with labelled dimensions, long names and units."""

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        """Return the numbers that the terminal, TensorBoard and `scores.json` show, by name."""
        return {}

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        """Return remarks on options that could not be applied, and on diverged rollouts."""
        return []

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        """Return figures by name, drawn from the scores of all diagnostics of the evaluation."""
        return {}

    def movies(self, scores: xarray.Dataset) -> Mapping[str, np.ndarray]:
        """Return movies by name: frames (time, height, width, rgb), uint8."""
        return {}

    # Methods for comparisons, of the class: scores are compared without an instance --------------

    @classmethod
    def columns(cls) -> list[Column] | None:
        """Return the columns of a comparison; None shows all numbers of the summary."""
        return None

    @staticmethod
    def panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw all methods in one panel of a comparison; by default there is none.

        Args:
            axes: Axes to draw into.
            methods: Methods that are compared, each with its runs, label and style.
            scores: Scores of the first run, with coordinates and statistics of the data.
        """

    @classmethod
    def panels(cls) -> list[Panel]:
        """Return the panels in a comparison; by default `panel`, if a subclass defines it."""
        return [] if cls.panel is RolloutDiagnostic.panel else [Panel(cls.panel)]

    def rollout_state(self) -> dict[str, Any]:
        """Return the state of the observer, with the rows of the batches that are complete."""
        rows = {name: metric.metric_state for name, metric in self._metrics().items()}
        state = super().rollout_state()
        state.pop("weights", None)  # they follow from the data
        return {**state, "rows": rows}

    def load_rollout_state(self, state: dict[str, Any]) -> None:
        """Resume from a saved state, after `begin`."""
        rows = state.pop("rows")
        super().load_rollout_state(state)
        for name, state in rows.items():
            metric = getattr(self, name)
            for key, value in state.items():
                setattr(metric, key, value)
            metric._update_count = 1  # or torchmetrics warns that nothing was updated

    # Hooks of Lightning -------------------------------------------------------------------------

    def _metrics(self) -> dict[str, Metric]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Metric)}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Attach the data and the emulator; print a line if the scores are not defined for them."""
        if trainer.datamodule is None:
            return  # the emulator raises an error
        self.attach(trainer.datamodule, pl_module)
        self.check()
        reason = self.unsupported_reason() if stage == "test" and trainer.is_global_zero else ""
        if reason:
            print(f"{type(self).__name__} is left out: {reason}", flush=True)

    def attach(self, source: ReferenceSource, emulator: Steps | None = None) -> None:
        """Store the data module, the description of its data, and the evaluated emulator."""
        self.source, self.emulator = source, cast(EvaluatedEmulator, emulator)
        self.data = described(source)
        self.weights = self.data.weights

    def observes(self, stage: str) -> bool:
        """Return whether the rollouts of a stage are observed: if the scores are defined there."""
        return super().observes(stage) and not self.unsupported_reason()

    def start(self, device: torch.device) -> None:
        """Clear the scores of earlier evaluations and prepare for rollouts on a device."""
        self.results = None
        if self.unsupported_reason():
            return
        self.check()
        self.weights = self.data.weights
        self.prepare()
        self.weights = self.data.weights_on(device)
        for metric in self._metrics().values():
            metric.reset()
            metric.to(device)

    @torch.no_grad()
    def finish(self) -> Mapping[str, float]:
        """Compute the scores from the rollouts of all ranks and return the summary."""
        if self.unsupported_reason():
            return {}
        name = type(self).__name__
        self.results = checked_scores(name, self.scores())
        return checked_summary(name, self.summary(self.results))

    def _begin(self, stage: str, pl_module: LightningModule) -> None:
        if super().observes(stage):
            check_attached(self)
        if self.observes(stage):
            self.start(pl_module.device)

    def _finish(self, stage: str, pl_module: LightningModule) -> None:
        if not self.observes(stage):
            return
        label = "val" if stage == "validate" else stage
        for name, value in self.finish().items():
            # the same number on all ranks: rows were gathered before they were averaged
            pl_module.log(f"{label}/{name}", value, sync_dist=False, rank_zero_only=False)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Clear the scores of earlier evaluations."""
        self._begin("validate", pl_module)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Clear the scores of earlier evaluations."""
        self._begin("test", pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute and log the scores."""
        self._finish("validate", pl_module)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compute and log the scores."""
        self._finish("test", pl_module)
