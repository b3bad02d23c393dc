"""Writes the scores of each validation of a training into a file, for programs that watch it."""

import json
import math
from pathlib import Path

from lightning import LightningModule, Trainer
from lightning.pytorch import Callback

NAME = "validation.jsonl"


class ValidationScores(Callback):
    """Appends a line of JSON to `validation.jsonl` in the run's folder after each validation.

    A line has the training step (`step`), the last training step (`of`; null if it is not known)
    and the scores as trackers get them (`scores`, null where a score is not finite). The trials of
    a search have it: the search ends those that are worse than others at the same step.

    Example:
        The only validation of a training of two steps:

        >>> import numpy as np
        >>> from torch import nn
        >>> from callbacks import RolloutError
        >>> from datamodules import Dimensions, NumPy, Rollouts, SplitFiles, TrajectoryDataModule
        >>> from emulators import Baseline
        >>> np.save("u.npy", np.outer(np.arange(9.0), np.ones(8)))
        >>> u = SplitFiles("u.npy")
        >>> data = TrajectoryDataModule(
        ...     Path("."), ["u"], Dimensions(space=("x",)), train=u, val=u,
        ...     format=NumPy(["time", "x"], interval=1.0),
        ...     val_rollouts=Rollouts(2, steps=3, truth_steps=3),
        ... )
        >>> off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar",
        ...                      "enable_model_summary"), False)
        >>> callbacks = [RolloutError(leads=[3]), ValidationScores()]
        >>> trainer = Trainer(max_steps=2, val_check_interval=2, check_val_every_n_epoch=None,
        ...                   num_sanity_val_steps=0, callbacks=callbacks, accelerator="cpu", **off)
        >>> trainer.fit(Baseline(network=nn.Conv1d(1, 1, 1), dimensions=1), data)
        >>> (line,) = Path("validation.jsonl").read_text().splitlines()
        >>> found = json.loads(line)
        >>> found["step"], found["of"], [name for name in found["scores"] if "mse" in name]
        (2, 2, ['val/mse/lead_3'])
    """

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Append the scores, on one rank."""
        if trainer.state.fn != "fit" or trainer.sanity_checking or not trainer.is_global_zero:
            return
        values = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("val/")
        }
        line = {
            "step": trainer.global_step,
            "of": trainer.max_steps if trainer.max_steps > 0 else None,
            "scores": {n: value if math.isfinite(value) else None for n, value in values.items()},
        }
        with (Path(trainer.default_root_dir) / NAME).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
