"""The checkpoint of a run: `last.ckpt` in its folder, to resume from and to evaluate."""

import io
import math
import sys
from pathlib import Path
from typing import Any, Literal

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch import Callback
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities.exceptions import SIGTERMException

from callbacks.run.kept_buffers import KeptBuffers
from callbacks.run.run_folder import move_scores_aside
from datamodules.files.netcdf_writer import atomic_write
from emulators.checkpoint_file import read_checkpoint


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint next to the earlier one and renames it, so that one is always complete.

    (Lightning writes it into the system's temporary folder first, which may be full or on another
    disk, from where it would be copied over the earlier one.)
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint."""
        content = io.BytesIO()  # torch.save would hide why a file cannot be written
        torch.save(checkpoint, content)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        atomic_write(Path(path), content.getbuffer())

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint and check the types of its parts.

        Files at a URL are loaded without this check.
        """
        if "://" in str(path):
            return super().load_checkpoint(path, map_location, weights_only is not False)
        return read_checkpoint(Path(path), device=map_location, trusted=weights_only is False)


class Checkpoints(Callback):
    """Writes `last.ckpt` into the run's folder regularly, at the end, and when interrupted.

    A checkpoint is written under another name and renamed, so that a killed run leaves a complete
    one. A run that fails prints its path.

    Args:
        every: Number of training steps between two checkpoints.
        monitor: Score of the validation rollouts, such as `val/mse/lead_10`; whenever it
            improves, `best.ckpt` is written too.
        mode: Direction of the score: `min` where small values are good, `max` where large ones are.

    Example:
        The checkpoint of a training of five steps:

        >>> import numpy as np
        >>> from torch import nn
        >>> from datamodules import Dimensions, NumPy, Rollouts, Source, TrajectoryDataModule
        >>> from emulators import Baseline
        >>> np.save("u.npy", np.sin(np.arange(72.0)).reshape(9, 8))
        >>> u, format = Source("u.npy"), NumPy(["time", "x"], interval=1.0)
        >>> data = TrajectoryDataModule(
        ...     Path("."), ["u"], Dimensions(space=("x",)), format=format, train=u, val=u,
        ...     val_rollouts=Rollouts(1, steps=2),
        ... )
        >>> off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar",
        ...                      "enable_model_summary"), False)
        >>> checkpoints = Checkpoints(every=2)
        >>> trainer = Trainer(max_steps=5, callbacks=[checkpoints], accelerator="cpu", **off)
        >>> trainer.fit(Baseline(network=nn.Conv1d(1, 1, 1), dimensions=1), data)
        >>> torch.load("last.ckpt", weights_only=True)["global_step"]
        5
    """

    def __init__(
        self, every: int = 500, monitor: str | None = None, mode: Literal["min", "max"] = "min"
    ) -> None:
        if every < 1:
            raise ValueError(f"Checkpoints.every must be at least 1, got {every}.")
        self.every = every
        self.monitor = monitor
        self.sign = 1.0 if mode == "min" else -1.0
        self.best = float("inf")
        self.saved_at = 0
        self.began_at: int | None = None
        self.shared: dict[str, int] | None = None
        self.buffers = KeptBuffers()

    def state_dict(self) -> dict[str, Any]:
        """Return the best score, and the numbers of processes and of windows per step."""
        return {"best": self.best, "shared": self.shared}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best score of the interrupted run."""
        self.best = float(state_dict["best"])
        shared = state_dict.get("shared")
        self.shared = shared and {name: int(shared[name]) for name in ("processes", "windows")}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write checkpoints with `WholeFiles`, unless the user gave a plugin for them."""
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            trainer.strategy.checkpoint_io = WholeFiles()

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Set the saved progress so that a resumed run repeats batches of an unfinished step.

        Running statistics are saved as they were before these batches.
        """
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        if rewind_progress(progress, trainer):
            self.buffers.put_into(checkpoint["state_dict"])

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write `best.ckpt` if the score is better than before."""
        if self.monitor is None or trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        if self.monitor not in trainer.callback_metrics:
            given = [name for name in trainer.callback_metrics if name.startswith("val/")]
            remedy = f"choose one of {', '.join(given)}"
            if not given:
                remedy = "it has no scores; add a diagnostic such as RolloutError to the callbacks"
            raise ValueError(
                f"Checkpoints.monitor is '{self.monitor}', which is not a score of validation; "
                f"{remedy}."
            )
        score = self.sign * float(trainer.callback_metrics[self.monitor])
        if math.isfinite(score) and score < self.best:
            self.best = score
            trainer.save_checkpoint(Path(trainer.default_root_dir) / "best.ckpt")

    def _save(self, trainer: Trainer) -> None:
        if trainer.global_step > self.saved_at:
            trainer.save_checkpoint(Path(trainer.default_root_dir) / "last.ckpt")
            self.saved_at = trainer.global_step

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count training steps from the start of a resumed run; report a changed batch size.

        Scores in the folder belong to weights that this training replaces; they are moved aside.
        """
        self.saved_at = self.began_at = trainer.global_step
        self.buffers = KeptBuffers()
        self.buffers.keep(pl_module, trainer.global_step)
        if trainer.is_global_zero and not trainer.fast_dev_run:
            move_scores_aside(Path(trainer.default_root_dir), trainer.global_step)
        before, self.shared = self.shared, shared_batch(trainer)
        if before and before["windows"] != self.shared["windows"] and trainer.is_global_zero:
            print(
                f"the training began with {before['windows']} windows per step on "
                f"{before['processes']} process(es) and continues with {self.shared['windows']} on "
                f"{self.shared['processes']}; set data.batch_size to windows per process to keep "
                "the number.",
                file=sys.stderr,
            )

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Write a checkpoint every `every` training steps."""
        self.buffers.keep(pl_module, trainer.global_step)
        if trainer.global_step - self.saved_at >= self.every:
            self._save(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the final state."""
        self._save(trainer)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Write a checkpoint when a person or the system ends the training; print its path."""
        in_order = isinstance(exception, KeyboardInterrupt | SIGTERMException)
        if in_order and trainer.training:
            try:
                self._save(trainer)
            except FloatingPointError as error:  # the earlier checkpoint is kept
                print(error, file=sys.stderr)
        began = trainer.state.fn == "fit" and self.began_at is not None and not trainer.fast_dev_run
        if began and (trainer.is_global_zero or not in_order):
            print(self.remains(trainer), file=sys.stderr)

    def remains(self, trainer: Trainer) -> str:
        """Return a message on the checkpoint of a training that ended early."""
        ended = f"training ended at step {trainer.global_step}"
        path = Path(trainer.default_root_dir) / "last.ckpt"
        if self.saved_at == self.began_at:
            path = trainer.ckpt_path
        if path is None:
            return f"{ended}, before its first checkpoint."
        return (
            f"{ended}; {path} holds step {self.saved_at}: resume with "
            f"`emulate fit --ckpt_path {path}`."
        )


def rewind_progress(progress: dict[str, Any], trainer: Trainer) -> bool:
    """Set the number of completed batches to its value at the last training step.

    Returns whether there are batches after it, which a resumed run repeats.

    The checkpoint holds the weights and averages of that step, and no gradients that were
    accumulated since.
    """
    current = progress["current"]
    done = current["processed"]
    pending = done % trainer.accumulate_grad_batches if done != trainer.num_training_batches else 0
    repeated = bool(pending) or current["ready"] != done
    if repeated:
        total = progress["total"]["processed"]
        for counts, number in ((current, done), (progress["total"], total)):
            counts.update(dict.fromkeys(counts, number - pending))
        progress["is_last_batch"] = False
    return repeated


def shared_batch(trainer: Trainer) -> dict[str, int]:
    """Return the number of processes, and of the windows that they use for one training step."""
    batches = trainer.world_size * trainer.accumulate_grad_batches
    return {
        "processes": trainer.world_size,
        "windows": trainer.datamodule.batch_size * batches,
    }
