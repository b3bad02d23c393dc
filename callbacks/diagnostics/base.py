"""A callback that watches the rollouts of validation and test and scores them.

Rollouts arrive in batches of initial conditions. A diagnostic keeps what it needs in torchmetrics
states and computes its scores once, when all ranks have seen all their batches.
"""

import functools
import inspect
import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

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
from callbacks.diagnostics.space_names import space_names
from callbacks.metrics.energy import has_kinetic_energy
from datamodules.description import DataDescription
from datamodules.solvers import Grid
from datamodules.source import ReferenceSource
from emulators.checkpoint_checks import described
from emulators.rollout import RolloutBatch, RolloutObserver, State


def recording(init: Callable[..., None]) -> Callable[..., None]:
    """Return a constructor that also keeps its arguments as `options`, the outermost one's."""
    signature = inspect.signature(init)

    @functools.wraps(init)
    def wrapped(self: "RolloutDiagnostic", *args: Any, **kwargs: Any) -> None:
        if "options" not in vars(self):
            try:
                bound = signature.bind(self, *args, **kwargs)
            except TypeError:  # init itself says what is wrong
                return init(self, *args, **kwargs)
            bound.apply_defaults()
            named = dict(list(bound.arguments.items())[1:])
            self.options = json.loads(json.dumps(named, default=str))
        return init(self, *args, **kwargs)

    return wrapped


class RolloutDiagnostic(Callback, RolloutObserver):
    """Watches rollouts; scores, draws and logs what it saw.

    Attributes:
        version: Of the definition of its scores; raised whenever a number changes its meaning.
        of_forecasts: Options that say how forecasts are watched, so that its reference is the same
            whatever they are.
        layouts: Layouts of the scores that its columns and panels read.
        options: Arguments of its constructor, as JSON knows them, which say what the scores are.
        data: Description of the data: fields, grid, interval, units.
        source: Data module, which is asked for reference trajectories and for the rollouts.
        emulator: What is evaluated: its `standardize.std` gives the units of scores.
        results: Scores of the last evaluation.
    """

    stages: ClassVar[tuple[str, ...]] = ("validate", "test")
    version: ClassVar[int] = 1
    of_forecasts: ClassVar[frozenset[str]] = frozenset({"reference"})
    layouts: ClassVar[tuple[ScoreLayout, ...]] = ()
    options: Mapping[str, Any] = MappingProxyType({})
    data: DataDescription  # with `source` from `attach` on
    source: ReferenceSource

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let the constructor of a subclass record the options that it is called with."""
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = recording(cls.__init__)  # type: ignore[method-assign] # on purpose

    def __init__(self) -> None:
        self.emulator: Any = None
        self.results: xarray.Dataset | None = None

    # What a subclass may use --------------------------------------------------------------------

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
        """Whether the axes are degrees of a sphere, on which nothing here knows derivatives."""
        return self.data.spherical

    @property
    def no_grid(self) -> str:
        """Reason why there is no uniform periodic grid of lengths, or nothing if there is one."""
        if self.spherical:
            return "the horizontal axes are degrees of a sphere"
        return self.data.no_grid

    @property
    def periodic_grid(self) -> Grid:
        """Uniform grid that is periodic along all axes.

        Raises:
            ValueError: There is none; `no_grid` says why.
        """
        if self.data.grid is None:
            raise ValueError(f"{type(self).__name__} needs a periodic grid: {self.data.no_grid}.")
        return self.data.grid

    def flow_is_left_out(self, what: str) -> list[str]:
        """Return a remark on what would follow from the vorticity, where it is known but cannot."""
        name = self.data.vorticity
        if name not in self.data.variables or self.vorticity is not None:
            return []
        reason = self.no_grid or "a flow has two dimensions"
        return [f"{type(self).__name__}: {what} from {name} is left out: {reason}."]

    @property
    def space(self) -> tuple[str, ...]:
        """Names of the dimensions of space, as they are in scores."""
        return space_names(self.data.dimension_names.space)

    @property
    def training_std(self) -> np.ndarray:
        """Standard deviation of each channel over the training split, (channel,)."""
        return self.emulator.standardize.std.double().cpu().numpy()

    @property
    def mixed(self) -> bool:
        """Whether there are several channels, whose units may differ."""
        return len(self.data.variables) > 1

    def comparable(self, state: State) -> State:
        """Return a state whose channels may be added: if they are mixed, in units of their std."""
        if not self.mixed:
            return state
        std = self.emulator.standardize.std.to(state.device)
        return state / std.reshape(-1, *[1] * (state.dim() - 2))

    def times(self, dimension: str, steps: Iterable[int], what: str) -> tuple[str, Any, dict]:
        """Return a coordinate of times that are so many steps."""
        attributes = {"long_name": what, "units": self.data.units[1]}
        return dimension, np.asarray(list(steps)) * self.data.interval, attributes

    def definition(self) -> dict[str, Any]:
        """Return what determines a reference besides the data: class, version, options, units."""
        return {
            "name": type(self).__name__,
            "module": type(self).__module__,
            "version": self.version,
            "options": {k: v for k, v in self.options.items() if k not in self.of_forecasts},
            "variables": list(self.data.variables),
            "std": self.training_std.tolist(),
        }

    @staticmethod
    def unknown(start: RolloutBatch, *shape: int) -> Tensor:
        """Return rows (batch, *shape) of NaN in float64, to be filled during a rollout."""
        size = (len(start.index), *shape)
        return torch.full(size, float("nan"), dtype=torch.float64, device=start.initial.device)

    def reference_of(self, split: str, compute: Callable[[], Any]) -> Mapping[str, np.ndarray]:
        """Return arrays computed from a split, or kept from before; say why it is needed."""
        try:
            return self.source.reference(split, self.definition(), compute)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{type(self).__name__} compares with the {split} split: {error} Or set its "
                "reference to a split that there is."
            ) from None

    def beyond(self, leads: Iterable[int], steps: int, end: str) -> list[str]:
        """Return a remark on the lead times that lie past an end, if any do."""
        times = ", ".join(str(lead) for lead in leads if lead > steps)
        name, past = type(self).__name__, f"lie past the end of {end} ({steps} steps)"
        return [f"{name}: lead times {times} {past} and are left out."] if times else []

    # What a subclass says -----------------------------------------------------------------------

    def unsupported_reason(self) -> str | None:
        """Return why the scores are not defined for these data, or None if they are."""
        return None

    def check(self) -> None:
        """Refuse options that do not fit the data, before anything is computed."""

    def check_channel(self, channel: int) -> None:
        """Refuse the number of a channel that the data do not have."""
        names = list(self.data.variables)
        if not is_whole(channel, 0, len(names) - 1):
            known = ", ".join(f"{number} ({name})" for number, name in enumerate(names))
            raise ValueError(
                f"{type(self).__name__}.channel must be one of {known}, got {channel}."
            )

    def prepare(self) -> None:
        """Compute what is needed from the data before the first rollout."""

    @abstractmethod
    def scores(self) -> xarray.Dataset:
        """Return all scores, with labelled dimensions, long names and units."""

    def summary(self, scores: xarray.Dataset) -> Mapping[str, float]:
        """Return the few numbers worth a line on the terminal, by name."""
        return {}

    def remarks(self, scores: xarray.Dataset) -> list[str]:
        """Return sentences on what was asked for and could not be scored."""
        return []

    def figures(self, scores: xarray.Dataset) -> Mapping[str, Figure]:
        """Return pictures, by name, of all scores of the evaluation, its own among them."""
        return {}

    def movies(self, scores: xarray.Dataset) -> Mapping[str, np.ndarray]:
        """Return moving pictures, by name: frames (time, height, width, rgb), uint8."""
        return {}

    # What a comparison shows: of the class, since scores are compared long after their test -------

    @classmethod
    def columns(cls) -> list[Column] | None:
        """Return its columns in the table of a comparison; None for all numbers of its summary."""
        return None

    @staticmethod
    def panel(axes: Axes, methods: Sequence[Method], scores: xarray.Dataset) -> None:
        """Draw all methods in one panel of a comparison; by default there is none.

        Args:
            axes: Axes to draw into.
            methods: Methods that are compared, each with its runs, label and style.
            scores: Scores of the first run, with coordinates and what is known of the data.
        """

    @classmethod
    def panels(cls) -> list[Panel]:
        """Return its panels in a comparison; by default `panel`, where a subclass defines it."""
        return [] if cls.panel is RolloutDiagnostic.panel else [Panel(cls.panel)]

    def rollout_state(self) -> dict[str, Any]:
        """Return what was noted so far, with the rows of the batches that are complete."""
        rows = {name: metric.metric_state for name, metric in self._metrics().items()}
        return {**super().rollout_state(), "rows": rows}

    def load_rollout_state(self, state: dict[str, Any]) -> None:
        """Resume from a saved state, after `begin`."""
        rows = state.pop("rows")
        super().load_rollout_state(state)
        for name, state in rows.items():
            metric = getattr(self, name)
            for key, value in state.items():
                setattr(metric, key, value)
            metric._update_count = 1  # or torchmetrics warns that nothing was updated

    # When it happens ----------------------------------------------------------------------------

    def _metrics(self) -> dict[str, Metric]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Metric)}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Attach the data and the emulator; say if the scores are not defined for them."""
        if trainer.datamodule is None:
            return  # the emulator says that there are no data
        self.attach(trainer.datamodule, pl_module)
        self.check()
        reason = self.unsupported_reason() if stage == "test" and trainer.is_global_zero else ""
        if reason:
            print(f"{type(self).__name__} is left out: {reason}", flush=True)

    def attach(self, source: ReferenceSource, emulator: Any = None) -> None:
        """Keep the data module, the description of its data, and what is evaluated."""
        self.source, self.emulator = source, emulator
        self.data = described(source)

    def watches(self, stage: str) -> bool:
        """Return whether it watches a stage: not where its scores are undefined."""
        return super().watches(stage) and not self.unsupported_reason()

    def start(self, device: torch.device) -> None:
        """Forget earlier evaluations and prepare for one on this device."""
        self.results = None
        if self.unsupported_reason():
            return
        self.check()
        self.prepare()
        for metric in self._metrics().values():
            metric.reset()
            metric.to(device)

    @torch.no_grad()
    def finish(self) -> Mapping[str, float]:
        """Score what was seen on all ranks and return the summary."""
        if self.unsupported_reason():
            return {}
        self.results = self.scores()
        return self.summary(self.results)

    def _begin(self, stage: str, pl_module: LightningModule) -> None:
        if self.watches(stage):
            self.start(pl_module.device)

    def _finish(self, stage: str, pl_module: LightningModule) -> None:
        if not self.watches(stage):
            return
        label = "val" if stage == "validate" else stage
        for name, value in self.finish().items():
            # the same number on all ranks: rows were gathered before they were averaged
            pl_module.log(f"{label}/{name}", value, sync_dist=False, rank_zero_only=False)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget earlier evaluations."""
        self._begin("validate", pl_module)

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget earlier evaluations."""
        self._begin("test", pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score what was seen."""
        self._finish("validate", pl_module)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score what was seen."""
        self._finish("test", pl_module)
