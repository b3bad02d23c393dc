"""Prints the plan of a command before it starts, and its time afterwards."""

import time
from pathlib import Path

from lightning import LightningModule, Trainer
from lightning.pytorch import Callback

from datamodules.source import DataSource
from emulators.training.precision import bfloat16_cost


class RunReport(Callback):
    """Prints the plan of training, test, validation and prediction, and the time of a training.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from torch import nn
        >>> from datamodules import Dimensions, NumPy, Rollouts, SplitFiles, TrajectoryDataModule
        >>> from emulators import Baseline
        >>> np.save("u.npy", np.arange(40.0).reshape(5, 8))
        >>> data = TrajectoryDataModule(
        ...     Path("."), ["u"], Dimensions(space=("x",)), test=SplitFiles("u.npy"),
        ...     format=NumPy(["time", "x"], interval=1.0), test_rollouts=Rollouts(2, steps=3),
        ... )
        >>> off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
        >>> trainer = Trainer(callbacks=[RunReport()], accelerator="cpu", **off)
        >>> emulator = Baseline(network=nn.Identity(), dimensions=1)
        >>> _ = trainer.test(emulator, data, verbose=False)  # doctest: +ELLIPSIS
        Baseline: 2 rollouts of 3 steps from .
        test split: 160 bytes, loaded into memory (...)
    """

    began: float | None = None

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say so if a run was resumed at its end, so that nothing was trained."""
        if trainer.is_global_zero and self.began is None:
            print(
                f"nothing was trained: the run is at training step {trainer.global_step}, which is "
                f"its end; raise trainer.max_steps ({trainer.max_steps}) or max_epochs "
                f"({trainer.max_epochs})",
                flush=True,
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print emulator, data and steps, and a hint if another precision may be faster."""
        self.began, self.first_step = time.monotonic(), trainer.global_step
        if trainer.is_global_zero:
            parameters = sum(p.numel() for p in pl_module.parameters() if p.requires_grad)
            windows = len(trainer.train_dataloader.dataset)
            print(
                f"training {type(pl_module).__name__} ({parameters:,} parameters) on "
                f"{windows:,} windows of {pl_module.window} snapshots from "
                f"{trainer.datamodule.root}, steps {trainer.global_step} to {trainer.max_steps}, "
                f"in {trainer.default_root_dir}\n"
                f"train split: {trainer.datamodule.trajectories('train').location}",
                flush=True,
            )
            if trainer.precision == "bf16-mixed" and pl_module.device.type == "cpu":
                cost = bfloat16_cost()
                if cost > 1.1:
                    print(
                        f"a convolution takes {cost:.1f} times as long in bfloat16 as in float32 "
                        "on this processor: --trainer.precision=32-true is likely to be faster",
                        flush=True,
                    )

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the time of the training and the command that tests it."""
        steps = trainer.global_step - self.first_step
        if trainer.is_global_zero and steps:
            assert self.began is not None  # since the training started
            seconds = time.monotonic() - self.began
            path = Path(trainer.default_root_dir) / "last.ckpt"
            then = f"next: emulate test --ckpt_path {path}"
            print(
                f"trained {steps} steps in {seconds:.0f} s ({seconds / steps:.3f} s per step, "
                "validation included)",
                "fast_dev_run: nothing is saved" if trainer.fast_dev_run else then,
                sep="\n",
                flush=True,
            )

    def _announce(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if trainer.is_global_zero and not trainer.training:
            source: DataSource = trainer.datamodule
            split, plan = "val" if stage == "val" else "test", source.rollouts[stage]
            print(
                f"{type(pl_module).__name__}: {plan.initial_conditions} rollouts of {plan.steps} "
                f"steps from {source.root}\n{split} split: {source.trajectories(split).location}",
                flush=True,
            )

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print number and length of the rollouts."""
        self._announce(trainer, pl_module, "test")

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print number and length of the rollouts."""
        if not trainer.sanity_checking and trainer.state.fn == "validate":
            self._announce(trainer, pl_module, "val")

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print number and length of the rollouts."""
        self._announce(trainer, pl_module, "predict")
