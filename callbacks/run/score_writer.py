"""Writes the scores of diagnostics: files, figures, trackers, and a table in the terminal."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import xarray
from lightning import LightningModule, Trainer
from lightning.pytorch import Callback
from lightning.pytorch.utilities import rank_zero_warn

from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.diagnostics.returned import checked_remarks, checked_summary
from callbacks.diagnostics.space_names import space_names
from callbacks.plotting.export import gif, png
from callbacks.plotting.trackers import show, takes_pictures
from callbacks.run.provenance import provenance
from callbacks.run.scores_seal import seal
from datamodules.description import DataDescription
from datamodules.files.netcdf_writer import atomic_file, atomic_write
from datamodules.source import DataSource

SHARE = 0.03  # of the time of a training that figures of validations may take
SHARED = {  # coordinates of several diagnostics
    "initial_condition": "number of the initial condition",
    "twin": "number of the initial condition",
    "failed": "number of the initial condition that failed",
    "channel": "name of the variable",
    "field": "name of the field",
    "component": "number of the principal component",
    "wavenumber_band": "third of the wavenumbers, in log k",
}


class ScoreWriter(Callback):
    """Writes `scores.nc`, `scores.json` and one PNG per figure after a test.

    Figures also reach the trackers of the run, such as TensorBoard, as `test/NAME`, and figures of
    validations as `val/NAME`: of the first one and the last, and of others if drawing takes at most
    3 % of the time.

    Args:
        folder: Folder of the files; by default the trainer's `default_root_dir`.

    Example:
        The test of an emulator that never changes the state, on states that grow by 1 per snapshot:
        its mean squared error at lead 3 is 9, in units of the training variance, here 1:

        >>> import numpy as np
        >>> from torch import nn
        >>> from callbacks import RolloutError
        >>> from datamodules import Dimensions, NumPy, Rollouts, SplitFiles, TrajectoryDataModule
        >>> from emulators import Baseline
        >>> np.save("u.npy", np.outer(np.arange(9.0), np.ones(8)))
        >>> data = TrajectoryDataModule(
        ...     Path("."), ["u"], Dimensions(space=("x",)),
        ...     train=SplitFiles("u.npy"), test=SplitFiles("u.npy"),
        ...     format=NumPy(["time", "x"], interval=1.0),
        ...     test_rollouts=Rollouts(2, steps=3, truth_steps=3),
        ... )
        >>> off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
        >>> callbacks = [RolloutError(leads=[3]), ScoreWriter(Path("scores"))]
        >>> trainer = Trainer(callbacks=callbacks, accelerator="cpu", **off)
        >>> emulator = Baseline(network=nn.Identity(), dimensions=1)
        >>> _ = trainer.test(emulator, data, verbose=False)  # doctest: +ELLIPSIS
          mse/lead_3 ... 9 training variance
        ...
        wrote scores/scores.nc
        wrote scores/scores.json
        ...
        >>> json.loads(Path("scores/scores.json").read_text())["scores"]["mse/lead_3"]
        9.0
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.drawn_until = 0.0  # time of the last figures of a validation [s]
        self.drawing = 0.0  # how long they took [s]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check, before the rollouts, that no two diagnostics are of the same class."""
        if stage == "test":
            check_classes([c for c in trainer.callbacks if isinstance(c, RolloutDiagnostic)])

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the figures in the trackers, on one rank."""
        if trainer.sanity_checking or not trainer.is_global_zero or not takes_pictures(trainer):
            return
        began = perf_counter()
        last = trainer.global_step == trainer.max_steps
        if SHARE * (began - self.drawn_until) < self.drawing and not last:
            return
        diagnostics = scored(trainer)
        scores = merged_datasets(diagnostics)
        step = trainer.global_step if trainer.state.fn == "fit" else pl_module.trained_steps
        try:
            for diagnostic in diagnostics:
                for name, content in pictures(diagnostic, scores).items():
                    show(trainer, f"val/{Path(name).stem}", content, step)
        except Exception as error:  # of a tracker: of its connection, or of the disk
            rank_zero_warn(f"The figures of a validation were not shown: {error}")
        self.drawn_until = perf_counter()
        self.drawing = self.drawn_until - began

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write everything, on one rank."""
        if not trainer.is_global_zero:
            return
        folder = Path(self.folder or trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        diagnostics = scored(trainer)
        scores = merged_scores(trainer, pl_module, diagnostics)
        summary = merged_summary(diagnostics)
        about = json.loads(scores.attrs["provenance"])
        written = [save_netcdf(scores, folder / "scores.nc")]
        text = json.dumps({"scores": as_json(summary), **about}, indent=2, default=str)
        written.append(atomic_write(folder / "scores.json", text + "\n"))
        drawn = set[str]()
        for diagnostic in diagnostics:
            for name, content in pictures(diagnostic, scores).items():
                if not may_be_written(name, drawn, diagnostic):
                    continue
                written.append(atomic_write(folder / name, content))
                show(trainer, f"test/{Path(name).stem}", content, pl_module.trained_steps)
        print(table(summary, scores))
        for diagnostic in diagnostics:
            remarks = diagnostic.remarks(diagnostic.results)
            for text in checked_remarks(type(diagnostic).__name__, remarks):
                print(text)
        known = trainer.datamodule.describe().dimension_names.space
        for old, new in zip(known, space_names(known), strict=True):
            if new != old:
                print(f"The dimension '{old}' of the data is '{new}' among the scores.")
        print("\n".join(f"wrote {path}" for path in written))


def scored(trainer: Trainer) -> list[RolloutDiagnostic]:
    """Return the diagnostics of a trainer that have scores."""
    diagnostics = [c for c in trainer.callbacks if isinstance(c, RolloutDiagnostic)]
    return [diagnostic for diagnostic in diagnostics if diagnostic.results is not None]


def merged_datasets(diagnostics: Sequence[RolloutDiagnostic]) -> xarray.Dataset:
    """Return the scores of all diagnostics in one dataset."""
    datasets = [diagnostic.results for diagnostic in diagnostics]
    scores = xarray.merge(datasets, compat="override", join="outer")
    for name, text in SHARED.items():
        if name in scores.coords:
            scores[name].attrs = {"long_name": text, "units": "1", **scores[name].attrs}
    return scores


def merged_scores(
    trainer: Trainer, emulator: LightningModule, diagnostics: Sequence[RolloutDiagnostic]
) -> xarray.Dataset:
    """Return the scores of all diagnostics in one dataset, with their provenance.

    Args:
        trainer: Trainer that rolled out.
        emulator: Emulator that was rolled out.
        diagnostics: Diagnostics that have scores.
    """
    warn_of_names(diagnostics)
    scores = merged_datasets(diagnostics)
    about = scores_provenance(trainer, emulator, diagnostics)
    scores.attrs = {"title": "scores of rollouts", "provenance": json.dumps(about)}
    return scores


def check_classes(diagnostics: Sequence[RolloutDiagnostic]) -> None:
    """Check that no two diagnostics are of the same class.

    Raises:
        ValueError: Two are, so that the scores of one would replace the scores of the other.
    """
    names = [type(diagnostic).__name__ for diagnostic in diagnostics]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"the diagnostics have {name} {names.count(name)} times, expected once, because "
                "their scores have the same names; leave one out, or derive a class whose scores "
                "have other names."
            )


def merged_summary(diagnostics: Sequence[RolloutDiagnostic]) -> dict[str, float]:
    """Return the numbers of all summaries; the first of a name counts, with a note."""
    numbers: dict[str, float] = {}
    owners: dict[str, str] = {}
    for diagnostic in diagnostics:
        kind = type(diagnostic).__name__
        summary = diagnostic.summary(diagnostic.results)
        for name, value in checked_summary(kind, summary).items():
            owner = owners.setdefault(name, kind)
            if owner == kind:
                numbers[name] = value
            else:
                say_taken("number", name, kind, owner)
    return numbers


def may_be_written(name: str, drawn: set[str], diagnostic: RolloutDiagnostic) -> bool:
    """Return whether a picture has a plain file name that no earlier one has; print a note if not.

    Args:
        name: Name of the file.
        drawn: Names of those before, to which it is added.
        diagnostic: Diagnostic that drew it.
    """
    if name in drawn or Path(name).name != name:
        reason = "is there already" if name in drawn else "is no plain name of a file"
        print(
            f"note: the picture '{name}' of {type(diagnostic).__name__} is left out, because that "
            f"name {reason}; choose another name."
        )
        return False
    drawn.add(name)
    return True


def warn_of_names(diagnostics: Sequence[RolloutDiagnostic]) -> None:
    """Print a note on every score that is left out because another one has its name."""
    owners: dict[str, tuple[str, xarray.DataArray]] = {}
    for diagnostic in diagnostics:
        kind = type(diagnostic).__name__
        for name, score in (diagnostic.results or {}).items():
            owner, first = owners.setdefault(str(name), (kind, score))
            if owner != kind and not first.identical(score):
                say_taken("score", str(name), kind, owner)


def say_taken(what: str, name: str, kind: str, owner: str) -> None:
    """Print a note on a score or number of one class that is left out for one of another class."""
    print(
        f"note: the {what} '{name}' of {kind} has the name of a {what} of {owner} and is left out; "
        "choose another name."
    )


def pictures(diagnostic: RolloutDiagnostic, scores: xarray.Dataset) -> dict[str, bytes]:
    """Return the pictures of a diagnostic by file name; none, with a printed line, on an error.

    An error while drawing must not end the test, whose scores are written already.
    """
    try:
        pictures = {f"{n}.png": png(f) for n, f in diagnostic.figures(scores).items()}
        return pictures | {f"{n}.gif": gif(f) for n, f in diagnostic.movies(scores).items()}
    except Exception as error:  # raised by matplotlib, or by a diagnostic of the user
        print(f"{type(diagnostic).__name__} has no figure: {' '.join(str(error).split())}")
        return {}


def save_netcdf(dataset: xarray.Dataset, path: Path) -> Path:
    """Write a complete dataset or none, without fill values, and return its path.

    The last bytes of the file are a hash of all earlier bytes.
    """
    encoding = {name: {"_FillValue": None} for name in dataset.variables}
    with atomic_file(path) as temporary:
        dataset.to_netcdf(temporary, engine="netcdf4", encoding=encoding)
        seal(temporary)
    return path


def scores_provenance(
    trainer: Trainer, emulator: LightningModule, diagnostics: Sequence[RolloutDiagnostic]
) -> dict[str, Any]:
    """Return the provenance of scores: rollouts, units, and the options of diagnostics."""
    return {
        **provenance(trainer, emulator, "test"),
        "domain": domain(trainer.datamodule.describe()),
        "training_data_hash": training_hash(trainer),
        "training_std": [float(f"{s:.6g}") for s in emulator.standardize.std.tolist()],
        "method": getattr(trainer, "method", None),
        "seed": emulator.training_seed,
        "metrics": {type(d).__name__: {"version": d.version, **d.options} for d in diagnostics},
        "diagnostics": {type(d).__name__: diagnostic_provenance(d) for d in diagnostics},
    }


def diagnostic_provenance(diagnostic: RolloutDiagnostic) -> dict[str, Any]:
    """Return the module of a diagnostic's class and the names of the numbers of its summary."""
    summary = list(diagnostic.summary(diagnostic.results))
    return {"module": type(diagnostic).__module__, "summary": summary}


def domain(data: DataDescription) -> dict[str, Any]:
    """Return the properties of the data on which scores depend, such as lengths and mask."""
    description = data.to_dict()
    names = ("domain lengths", "interval", "time unit", "units", "periodic")
    lengths = [axis["attributes"].get("units", "1") for axis in description["axes"]]
    entries = {name: description[name] for name in names}
    entries["interval"] = float(f"{entries['interval']:.5g}")
    return {**entries, "length units": lengths, **data.mask_and_weighting}


def training_hash(trainer: Trainer) -> str | None:
    """Return the hash of the training split, whose statistics are the units of scores."""
    source: DataSource = trainer.datamodule
    try:
        return source.content_hash("train")
    except FileNotFoundError:
        return None


def as_json(value: object) -> object:
    """Return numbers as JSON values, null where they are not finite."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(summary: dict[str, float], scores: xarray.Dataset) -> str:
    """Return a line for a terminal with the name, the value and the units of each score.

    Args:
        summary: Value of each score; `NAME/PART` is a part of the score NAME.
        scores: Scores with their units.

    Example:
        >>> time = xarray.DataArray([1.0, 2.0], dims="start", attrs={"units": "h"})
        >>> print(table({"time": 1.5, "stable": 1.0}, xarray.Dataset({"time": time})))
          time    1.5 h
          stable  1
    """
    width = max((len(name) for name in summary), default=0)
    lines = []
    for name, value in summary.items():
        score = scores.get(name.split("/")[0])
        units = "1" if score is None else score.attrs.get("units", "1")
        lines.append(f"  {name:<{width}}  {value:.4g}{'' if units in ('', '1') else f' {units}'}")
    return "\n".join(lines)
