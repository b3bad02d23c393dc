"""Termination of a diverged training, before it overwrites a good checkpoint.

The losses of the last steps are kept on their device and checked occasionally, so that the host
does not wait for the device at every step. Weights and the optimiser's averages are checked before
a checkpoint, a validation and the end of the training.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch import Callback
from torch import Tensor
from torch.optim import Optimizer

from emulators.training.non_finite import averages_in, first_not_finite

SELDOM = 50  # largest number of batches between two checks
NEVER = 2**62


class Divergence(Callback):
    """Ends a training whose loss or weights are not finite; `emulate fit` always has it.

    It checks after every step on a CPU; on a GPU or with several processes, when Lightning logs
    (`trainer.log_every_n_steps`); and always before a checkpoint, a validation and the end. All
    processes end together. Gradients that overflow are not checked: in 16-mixed precision the
    scaler skips their steps.

    Example:
        A training whose loss grows by 1e30 per step ends when the loss overflows, 1e60 in float32:

        >>> from lightning.pytorch.demos.boring_classes import BoringModel
        >>> class Overflowing(BoringModel):
        ...     def training_step(self, batch, batch_idx):
        ...         return super().training_step(batch, batch_idx)["loss"] * 1e30 ** batch_idx
        >>> off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar",
        ...                      "enable_model_summary"), False)
        >>> trainer = Trainer(callbacks=[Divergence()], accelerator="cpu", max_steps=9, **off)
        >>> trainer.fit(Overflowing())  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        FloatingPointError: The loss of step 3 is not finite; lower the learning rate ...
    """

    def __init__(self) -> None:
        self.losses: list[Tensor | None] = []
        self.began = self.seen = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the number of batches between two checks."""
        self.losses, self.began, self.seen = [], trainer.global_step, 0
        alone = pl_module.device.type == "cpu" and trainer.world_size == 1
        self.every = 1 if alone else max(1, min(trainer.log_every_n_steps, SELDOM))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, *args: object
    ) -> None:
        """Keep the loss; check the kept losses every so many batches."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        self.losses.append(loss.detach() if isinstance(loss, Tensor) else None)
        if len(self.losses) >= self.every:
            self.check_losses(trainer)

    def check_losses(self, trainer: Trainer) -> None:
        """Raise an error in all processes if one of them had a loss that is not finite."""
        number, first = self.first_not_finite(), NEVER
        if number is not None:
            first = self.began + (self.seen + number) // trainer.accumulate_grad_batches + 1
        self.seen += len(self.losses)
        self.losses = []
        if trainer.world_size > 1:
            mine = torch.tensor(first, device=trainer.strategy.root_device)
            first = int(trainer.strategy.reduce(mine, reduce_op="min"))
        if first < NEVER:
            raise FloatingPointError(f"The loss of step {first} is not finite; {advice(trainer)}.")

    def first_not_finite(self) -> int | None:
        """Return the number of the first kept loss that is not finite, or None."""
        known = [(n, loss) for n, loss in enumerate(self.losses) if loss is not None]
        if len(known) == 1 and known[0][1].numel() == 1:  # of every step on a CPU
            return None if math.isfinite(known[0][1].item()) else known[0][0]
        if not known:
            return None
        finite = torch.stack([loss.mean() for _, loss in known]).isfinite().tolist()
        return next((n for (n, _), good in zip(known, finite, strict=True) if not good), None)

    def check_weights(self, trainer: Trainer, emulator: LightningModule) -> None:
        """Raise an error in all processes if a loss, weight or average of one is not finite."""
        self.check_losses(trainer)
        name = first_not_finite([*emulator.named_parameters(), *averages(trainer.optimizers)])
        if trainer.strategy.reduce_boolean_decision(name is not None, all=False):
            raise FloatingPointError(
                f"After step {trainer.global_step} {name or 'a weight in another process'} is not "
                f"finite; {advice(trainer)}."
            )

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Check the weights before a checkpoint is written."""
        self.check_weights(trainer, pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the weights before they are validated."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self.check_weights(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the final weights."""
        self.check_weights(trainer, pl_module)


def advice(trainer: Trainer) -> str:
    """Return advice for a training that diverged, with its present settings."""
    rates = [group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups]
    rate = f" (now {float(max(rates)):.3g})" if rates else ""
    return (
        f"lower the learning rate model.optimizer.lr{rate}, clip gradients with "
        f"trainer.gradient_clip_val (now {trainer.gradient_clip_val}), or set trainer.precision "
        f"to 32-true (now {trainer.precision})"
    )


def averages(optimizers: Iterable[Optimizer]) -> Iterator[tuple[str, Tensor]]:
    """Yield the averages of gradients that optimisers keep, by name."""
    for optimizer in optimizers:
        yield from averages_in(optimizer.state.values())
