"""Lightning's Trainer with one folder per run, which no other run overwrites."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.trainer.connectors.checkpoint_connector import _CheckpointConnector
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch import Tensor
from torch.optim import Optimizer

from callbacks import (
    FineTuning,
    ForecastWriter,
    GracefulShutdown,
    RolloutCheckpoint,
    RunReport,
    ScoreWriter,
    TrainingCost,
)
from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.run.checkpoints import Checkpoints, WholeFiles
from callbacks.run.divergence import Divergence
from callbacks.run.forecast_writer import ForecastFormat
from callbacks.run.loss_bar import LossBar
from callbacks.run.run_folder import (
    EVENTS,
    REMEDY,
    locked_folder,
    matching_files,
    move_run_aside,
    remove_failed_start,
    resumes_run,
)
from commands.trainer_options import check_trainer
from datamodules.files.open_files import FileStamp, file_stamp
from datamodules.notices import notify
from emulators.checkpoint_file import check_like

# what keeps a run: those before all other callbacks, and those after
FIRST = (GracefulShutdown, RunReport, Checkpoints, TrainingCost)
LAST = (ForecastWriter, ScoreWriter, RolloutCheckpoint, Divergence)
REFRESH = 20
"""Number of batches between two updates of the progress bar."""
AVERAGES = ("exp_avg", "exp_avg_sq", "momentum_buffer", "momentum", "average", "square")


def with_required_callbacks(given: Callback | Sequence[Callback] | None) -> list[Callback]:
    """Return the callbacks with exactly one of each required class: the last given, or a default.

    Of several diagnostics of one class, whose scores have the same names, the last is kept.

    Raises:
        ValueError: A callback with a state in checkpoints is given twice.
    """
    callbacks = [given] if isinstance(given, Callback) else list(given or [])
    for kind in (*FIRST, *LAST):
        found = [callback for callback in callbacks if isinstance(callback, kind)]
        callbacks = [c for c in callbacks if not isinstance(c, kind) or c is found[-1]]
    for kind in {type(c): None for c in callbacks if isinstance(c, RolloutDiagnostic)}:
        *earlier, _ = (callback for callback in callbacks if type(callback) is kind)
        if earlier:
            callbacks = [callback for callback in callbacks if callback not in earlier]
            times = len(earlier) + 1
            notify(f"trainer.callbacks has {kind.__name__} {times} times; the last counts.")
    missing = [k for k in (*FIRST, *LAST) if not any(isinstance(c, k) for c in callbacks)]
    first, last = ([kind() for kind in kinds if kind in missing] for kinds in (FIRST, LAST))
    callbacks = [*first, *callbacks, *last]
    keys = [c.state_key for c in callbacks if is_overridden("state_dict", c, Callback)]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"trainer.callbacks has {key} twice; leave one out.")
    return callbacks


def with_bar(callbacks: list[Callback], silent: bool) -> list[Callback]:
    """Return the callbacks with the given or default progress bar, or with none if disabled."""
    bars = [callback for callback in callbacks if isinstance(callback, ProgressBar)]
    if silent:  # Lightning refuses a bar that is given
        return [callback for callback in callbacks if callback not in bars]
    return callbacks if bars else [*callbacks, LossBar(refresh_rate=REFRESH)]


class RunTrainer(Trainer):
    """Lightning's Trainer whose run lives in one folder, `default_root_dir`.

    One command at a time works in it. A training that does not resume the run in the folder
    moves it aside; `fast_dev_run` works in a temporary folder and leaves nothing.

    Args:
        method: Name of the method in comparisons, where runs of one name are its seeds; by default
            the name of the folder.
    """

    def __init__(self, *args: Any, method: str | None = None, **kwargs: Any) -> None:
        check_trainer(kwargs)
        self.method = method
        kwargs["callbacks"] = with_required_callbacks(kwargs.get("callbacks"))
        if kwargs.get("fast_dev_run"):
            self.nowhere = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            kwargs["default_root_dir"] = self.nowhere.name
            for callback in kwargs["callbacks"]:
                if isinstance(callback, ForecastWriter | ScoreWriter):
                    callback.folder = None
        root = os.path.expanduser(kwargs.get("default_root_dir") or "runs/run")
        kwargs["default_root_dir"] = root
        self.made = [path for path in (Path(root), *Path(root).parents) if not path.exists()]
        try:
            Path(root).mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=root).close()
        except OSError as error:
            raise OSError(
                f"{root}: cannot write here ({error.strerror}); set trainer.default_root_dir to a "
                "folder that can be written."
            ) from None
        silent = kwargs.get("enable_progress_bar") is False or bool(kwargs.get("barebones"))
        kwargs["callbacks"] = with_bar(kwargs["callbacks"], silent)
        if kwargs.get("logger") in (None, True):
            kwargs["logger"] = TensorBoardLogger(root, name="", version="", default_hp_metric=False)
        try:
            super().__init__(*args, **kwargs)
        except (TypeError, ImportError) as error:  # of options that do not go together
            raise ValueError(f"trainer: {error}") from error
        if type(self.strategy.checkpoint_io) is TorchCheckpointIO:
            self.strategy.checkpoint_io = WholeFiles()
        self._checkpoint_connector = Restoring(self)

    @contextmanager
    def locked_run(self) -> Iterator[Path]:
        """Lock the folder of the run; the first process locks it for all."""
        folder = Path(self.default_root_dir)
        if not self.is_global_zero:
            yield folder
            return
        try:
            with locked_folder(folder):
                yield folder
        except BaseException:
            self.remove_empty_folders(folder)
            raise

    def remove_empty_folders(self, folder: Path) -> None:
        """Remove the folder of a run that failed, and its parents, if it was made and is empty."""
        if self.made and {path.name for path in folder.iterdir()} <= {"lock"}:
            (folder / "lock").unlink(missing_ok=True)
            for path in self.made:
                with suppress(OSError):  # another process may have written there
                    path.rmdir()

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Train an emulator in a new folder or, with --ckpt_path, resume the run of a checkpoint.

        A training that fails before its first step leaves the folder as it was, and so does one
        whose checkpoint is refused.

        Raises:
            ValueError: The weights to start from would be moved aside with the run in the folder.
        """
        begins = not resumes_run(Path(self.default_root_dir), kwargs.get("ckpt_path"))
        for callback in self.callbacks if begins else []:
            if isinstance(callback, FineTuning) and resumes_run(
                Path(self.default_root_dir), callback.checkpoint
            ):
                raise ValueError(
                    f"FineTuning.checkpoint is {callback.checkpoint}, in the folder of the new "
                    f"run; {REMEDY}."
                )
        with self.locked_run() as folder:
            if not self.is_global_zero:
                return super().fit(*args, **kwargs)
            earlier = move_run_aside(folder) if begins else None
            events, settings = matching_files(folder, [EVENTS]), settings_stamps(folder)
            try:
                return super().fit(*args, **kwargs)
            except BaseException:
                with suppress(OSError):  # the error of the training says more
                    if begins and self.global_step == 0:
                        remove_failed_start(folder, earlier)
                    elif not begins and settings_stamps(folder) == settings:  # it was refused
                        for file in set(matching_files(folder, [EVENTS])) - set(events):
                            file.unlink()
                raise

    def test(  # noqa: D417
        self, *args: Any, verbose: bool = False, resume: bool = False, **kwargs: Any
    ) -> Any:
        """Roll out from test states and score the rollouts.

        Args:
            verbose: Whether to print Lightning's table as well as the scores.
            resume: Whether to resume an interrupted test of this run.
        """
        for callback in self.callbacks:
            if isinstance(callback, RolloutCheckpoint):
                callback.resume = resume
        with self.locked_run():
            return super().test(*args, verbose=verbose, **kwargs)

    def predict(  # noqa: D417
        self,
        *args: Any,
        steps: int | None = None,
        format: ForecastFormat | None = None,
        **kwargs: Any,
    ) -> Any:
        """Roll out from test states and keep the forecasts.

        Args:
            steps: Length of each forecast [intervals]; data.predict_rollouts.steps by default.
            format: Format of the forecasts; ForecastWriter.format by default, which is netcdf.

        Raises:
            ValueError: The length is not at least 1.
        """
        if steps is not None and steps < 1:
            raise ValueError(f"--steps must be at least 1 (snapshot interval), got {steps}.")
        if steps is not None:
            rollouts = kwargs["datamodule"].rollouts
            rollouts["predict"] = replace(rollouts["predict"], steps=steps)
        if format is not None:
            for writer in self.callbacks:
                if isinstance(writer, ForecastWriter):  # one is built in
                    writer.format = format
        with self.locked_run():
            return super().predict(*args, **kwargs)


class Restoring(_CheckpointConnector):
    """Connector that restores a run from a checkpoint; errors name the part that does not fit."""

    @contextmanager
    def naming(self, what: str, *others: type[Exception]) -> Iterator[None]:
        """Raise errors within a `with` block again with the checkpoint and the part that failed."""
        unfit: tuple[type[Exception], ...] = (KeyError, TypeError, AttributeError, IndexError)
        unfit += (AssertionError, *others)
        try:
            yield
        except unfit as error:
            raise ValueError(
                f"{self._ckpt_path} cannot be used: its part {what} is damaged or of another "
                f"version ({type(error).__name__}: {error}); give another checkpoint with "
                "--ckpt_path."
            ) from error
        except ValueError as error:  # a sentence of ours: the model is another
            raise ValueError(f"{self._ckpt_path} cannot be used. {error}") from error

    def restore_model(self) -> None:
        """Restore the weights and the other state of the emulator."""
        with self.naming("state_dict"):
            super().restore_model()

    def restore_callbacks(self) -> None:
        """Restore the callbacks."""
        with self.naming("callbacks", ValueError):
            super().restore_callbacks()

    def restore_precision_plugin_state(self) -> None:
        """Restore the gradient scaler."""
        with self.naming("precision"):
            super().restore_precision_plugin_state()

    def restore_loops(self) -> None:
        """Restore the progress of the training."""
        with self.naming("loops", ValueError):
            if self._loaded_checkpoint and self.trainer.state.fn == "fit":
                check_like(self._loaded_checkpoint["loops"]["fit_loop"],
                           self.trainer.fit_loop.state_dict())  # fmt: skip
            super().restore_loops()

    def restore_optimizers(self) -> None:
        """Restore the optimiser."""
        with self.naming("optimizer_states", ValueError):
            saved = self._loaded_checkpoint.get("optimizer_states", [])
            for state, optimizer in zip(saved, self.trainer.optimizers, strict=True):
                groups = optimizer.param_groups if state else []  # empty: there was no optimiser
                for group, present in zip(state.get("param_groups", []), groups, strict=True):
                    check_like(group, dict.fromkeys(present))
            super().restore_optimizers()
            for optimizer in self.trainer.optimizers:
                check_shapes(optimizer)

    def restore_lr_schedulers(self) -> None:
        """Restore the schedule of the learning rate."""
        with self.naming("lr_schedulers", ValueError):
            saved = self._loaded_checkpoint.get("lr_schedulers", [])
            for state, _ in zip(saved, self.trainer.lr_scheduler_configs, strict=True):
                check_like(state, {"last_epoch": 0})
            super().restore_lr_schedulers()


def settings_stamps(folder: Path) -> list[FileStamp]:
    """Return what identifies the settings of a run, which a training replaces when it begins."""
    return [file_stamp(path) for path in matching_files(folder, ["config.yaml"])]


def check_shapes(optimizer: Optimizer) -> None:
    """Check that the optimiser's averages of the gradient have the shapes of the weights.

    Raises:
        TypeError: An average has a different shape; the message names it.
    """
    for weights, state in optimizer.state.items():
        for name, value in state.items():
            tensor = isinstance(value, Tensor) and name in AVERAGES
            if tensor and value.shape != weights.shape:
                raise TypeError(f"{name} is of shape {tuple(value.shape)}")
