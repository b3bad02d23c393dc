"""Contents of a comparison: the scores of runs, and the columns and panels of diagnostics."""

import re
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field
from operator import methodcaller
from pathlib import Path
from types import EllipsisType
from typing import Any, Literal

import numpy as np
import xarray
from matplotlib.axes import Axes

from callbacks.plotting.style import escape, mean_of_finite, styles


@dataclass(frozen=True)
class Run:
    """Scores of one tested run.

    Attributes:
        name: Name of the folder, or the whole path if two folders have the same name.
        scores: Labelled arrays.
        about: Provenance of the scores: data, rollouts, options of diagnostics, training.
        folder: Folder of the run.
        own: Numbers of diagnostics that define no columns, by name.
        diagnostics: User-defined diagnostics that scored the run.

    Example:
        Two initial conditions with errors of 1 and 3 at one lead; the mean score is 2:

        >>> errors = xarray.DataArray([[1.0], [3.0]], dims=["initial_condition", "lead_time"])
        >>> run = Run("unet-seed1", xarray.Dataset({"mse": errors}), {}, Path("runs/unet-seed1"))
        >>> run.method, run.mean("mse"), run.mean("energy")
        ('unet', 2.0, None)
    """

    name: str
    scores: xarray.Dataset
    about: dict[str, Any]
    folder: Path
    own: dict[str, float] = field(default_factory=dict)
    diagnostics: tuple[Any, ...] = ()

    @property
    def method(self) -> str:
        """Name that the run shares with runs that differ by their seed alone.

        A study records the method with the scores, and so does `--trainer.method`. By default it is
        the name of the run. Scores of versions that recorded no method are seeds of one method if
        the names of the runs end in `-seedN`.
        """
        if "method" not in self.about:
            return re.sub(r"-seed\d+$", "", self.name)
        method, parent = self.about["method"], Path(self.name).parent
        if method is None:
            return self.name
        return method if parent == Path() else str(parent / method)

    @property
    def seed(self) -> int | None:
        """Seed of the training, or None if it was not recorded."""
        return self.about.get("seed")

    def mean(self, name: str, **at: int) -> float | None:
        """Return the mean of a score over all its dimensions, or None if it was not computed.

        Args:
            name: Name of the score.
            at: Index along dimensions at which the score is taken, such as `lead_time=0`.
        """
        if name not in self.scores:
            return None
        return float(self.mean_over(name, self.scores[name].dims, **at))

    def each(self, name: str, **at: int) -> np.ndarray | None:
        """Return a score of each initial condition, its mean over other dimensions.

        Args:
            name: Name of the score.
            at: Index along dimensions at which the score is taken, such as `lead_time=0`.

        Returns:
            Scores (initial condition,), or None if the score was not computed for each.
        """
        if name not in self.scores or "initial_condition" not in self.scores[name].dims:
            return None
        values = self.scores[name].isel(at).transpose("initial_condition", ...).values
        return values.reshape(len(values), -1).mean(1)

    def mean_over(self, name: str, over: Collection[Hashable], **at: int) -> np.ndarray:
        """Return the mean of a score over the dimensions among `over` that it has.

        Scores with a dimension `lead_time` are forecast errors, whose means include diverged
        rollouts. Means of other scores, of the climate, leave out values that are not finite.
        """
        values = self.scores[name].isel(at)
        gone = [dimension for dimension in values.dims if dimension in over]
        array = values.transpose(*gone, ...).values
        rows = array.reshape(-1, *array.shape[len(gone) :])
        whole = "lead_time" in self.scores[name].dims
        return np.asarray(rows.mean(0) if whole else mean_of_finite(rows))


@dataclass(frozen=True)
class Method:
    """Runs of one method, one per seed, and the colour and dashes of its curves.

    Example:
        Two seeds of one method, with one curve each:

        >>> runs = [
        ...     Run(f"unet-seed{seed}", xarray.Dataset({"mse": ("lead_time", [error, 2 * error])}),
        ...         {"method": "unet", "seed": seed}, Path(f"runs/unet-seed{seed}"))
        ...     for seed, error in ((1, 1.0), (2, 3.0))
        ... ]
        >>> (method,) = methods(runs)
        >>> method.label, method.per_seed("mse").tolist()
        ('unet', [[1.0, 2.0], [3.0, 6.0]])
    """

    name: str
    runs: list[Run]
    style: dict[str, Any]

    @property
    def label(self) -> str:
        """Name in the legend of a figure."""
        return escape(self.name)

    @property
    def has_weights(self) -> bool:
        """False for a reference that has nothing to train, such as the solver of the data."""
        return any(run.about.get("parameters") != 0 for run in self.runs)

    def per_seed(self, name: str, over: str = "initial_condition") -> np.ndarray:
        """Return the means (seed, ...) of a labelled array over a dimension, if it has it."""
        return np.stack([run.mean_over(name, [over]) for run in self.runs])

    def each(self, name: str) -> np.ndarray:
        """Return a score of all initial conditions of all seeds, (seed x condition, ...)."""
        rows = [run.scores[name].transpose("initial_condition", ...).values for run in self.runs]
        return np.concatenate(rows)


def methods(runs: Sequence[Run]) -> list[Method]:
    """Return the methods in the order of their first runs.

    If runs of one method have equal seeds, each of its runs becomes a method of its own.
    """
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(run.method, []).append(run)
    for name, group in list(grouped.items()):
        seeds = [run.seed for run in group if run.seed is not None]
        if len(set(seeds)) < len(seeds):
            grouped = {n: g for n, g in grouped.items() if n != name}
            grouped |= {run.name: [run] for run in group}
    chosen = styles(grouped)
    return [Method(name, group, chosen[name]) for name, group in grouped.items()]


@dataclass(frozen=True)
class ScoreLayout:
    """Layout of a score that columns and panels read, which a comparison checks in every file.

    Attributes:
        name: Name of the score.
        dims: Names of its dimensions; a last entry `...` takes the place of dimensions of space.
        needs: Names of scores and coordinates that are read together with the score.

    Example:
        >>> ScoreLayout("mse", ("initial_condition", "lead_time"), needs=("lead_time",)).name
        'mse'
    """

    name: str
    dims: tuple[str | EllipsisType, ...]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """Column in the table of a comparison.

    Attributes:
        heading: Heading, with the unit in brackets where the number has one.
        value: Function of a run that returns its number, or None where it was not computed.
        form: Format of the number.
        spread: Function of a run that returns the standard deviation over its initial conditions,
            which the table shows as "± spread" where a method has a single seed. (Of several seeds
            the table shows the standard deviation over seeds.)
        in_unit: Function of a unit of the data [unit of the data] that returns this column in the
            square of the unit, for `--mse_unit`; None for a number without the unit.
        each: Function of a run that returns the numbers (initial condition,) whose mean is `value`,
            from which follows whether a difference between methods is more than chance.
        best: Whether the least or the largest number is best; None for a number without a best.
        folded: True if the page of the comparison shows the column in the table of all scores only.
        place: Place among the columns of all diagnostics; columns with equal places are in the
            order of their lists. The columns of this program have places below 100, the cost of the
            training has 50.

    Example:
        The mean of a score over two initial conditions:

        >>> scores = xarray.Dataset({"largest": ("initial_condition", [2.0, 6.0])})
        >>> column = Column("largest value", lambda run: run.mean("largest"), "{:.3g}")
        >>> column.form.format(column.value(Run("unet", scores, {}, Path("runs/unet"))))
        '4'
    """

    heading: str
    value: Callable[[Run], float | None]
    form: str = "{:.2g}"
    spread: Callable[[Run], float | None] | None = None
    in_unit: Callable[[float], "Column"] | None = None
    place: int = 100
    each: Callable[[Run], np.ndarray | None] | None = None
    best: Literal["least", "largest"] | None = None
    folded: bool = False

    @classmethod
    def of_score(
        cls, heading: str, score: str, best: Literal["least", "largest"], **options: Any
    ) -> "Column":
        """Return the column of the mean of a score (initial_condition, ...).

        Args:
            heading: Heading.
            score: Name of the score.
            best: Whether the least or the largest mean is best.
            **options: Further attributes of the column.

        Example:
            >>> scores = xarray.Dataset({"error": ("initial_condition", [2.0, 6.0])})
            >>> run = Run("unet", scores, {}, Path("runs/unet"))
            >>> column = Column.of_score("largest error", "error", best="least")
            >>> column.value(run), column.each(run).tolist()
            (4.0, [2.0, 6.0])
        """
        mean, each = methodcaller("mean", score), methodcaller("each", score)
        return cls(heading, mean, each=each, best=best, **options)


@dataclass(frozen=True)
class Panel:
    """Panel in a figure of a comparison.

    Attributes:
        draw: Function that draws the methods, given axes, methods and the scores of the first run.
        score: Name of the score that the panel needs. None for a panel that is always drawn.
        figure: Figure of the panel: `forecast` for `comparison.png`, `climate` for
            `comparison_climate.png`.
        place: Place among the panels of the figure; panels with equal places are in the order of
            their lists. The panels of this program have places below 100.
        of_all: True if the panel is left out where a run lacks the score; False if it is drawn of
            the methods that have it, such as ensembles.

    Example:
        A curve for each method, drawn for one run:

        >>> from matplotlib.figure import Figure
        >>> def draw(axes, methods, scores):
        ...     for method in methods:
        ...         axes.plot(scores["lead_time"], method.per_seed("mse").mean(0), **method.style)
        >>> scores = xarray.Dataset({"mse": ("lead_time", [1.0, 4.0])}, {"lead_time": [6.0, 12.0]})
        >>> panel, axes = Panel(draw, score="mse"), Figure().subplots()
        >>> panel.draw(axes, methods([Run("unet", scores, {}, Path("runs/unet"))]), scores)
        >>> axes.lines[0].get_ydata().tolist()
        [1.0, 4.0]
    """

    draw: Callable[[Axes, Sequence[Method], xarray.Dataset], None]
    score: str | None = None
    figure: Literal["forecast", "climate"] = "climate"
    place: int = 100
    of_all: bool = True

    def drawn(self, methods: Sequence[Method]) -> list[Method]:
        """Return the methods that are drawn: all, or the methods whose runs all have the score.

        Args:
            methods: Methods that are compared.

        Returns:
            Methods; none if the panel is left out.
        """
        known = [
            method
            for method in methods
            if self.score is None or all(self.score in run.scores for run in method.runs)
        ]
        return known if len(known) == len(methods) or not self.of_all else []
