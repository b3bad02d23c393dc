"""Graceful shutdown of a run on SIGTERM."""

import signal
import sys
import threading
from types import FrameType

from lightning import LightningModule, Trainer
from lightning.pytorch import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException


class GracefulShutdown(Callback):
    """Ends a run gracefully on SIGTERM, which clusters send before they kill it.

    Training ends after the step in flight, in all processes after the same one, and `Checkpoints`
    writes it; a validation during training is finished first. A test ends after the rollout step
    in flight, and `RolloutCheckpoint` saves it. The program exits with status 143.

    An interruption by the keyboard ends a training in the same way, after a complete step.

    A second signal ends the process at once. (Lightning's own handler communicates with the other
    processes, which may be in the middle of a collective operation; this handler only sets a flag.)

    Example:
        Rollouts call `raise_if_requested` after every step; it does nothing until a signal arrives:

        >>> shutdown = GracefulShutdown()
        >>> shutdown.raise_if_requested()
        >>> shutdown.asked = True  # as the handler of SIGTERM does
        >>> shutdown.raise_if_requested()
        Traceback (most recent call last):
            ...
        lightning.pytorch.utilities.exceptions.SIGTERMException
    """

    def __init__(self) -> None:
        self.asked = False
        self.reason: type[BaseException] = SIGTERMException

    def _listen(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.asked, self.reason = False, SIGTERMException

        def note(signum: int, frame: FrameType | None) -> None:
            self.asked, self.reason = True, SIGTERMException
            signal.signal(signum, signal.SIG_DFL)
            if trainer.strategy.launcher is not None:
                trainer.strategy.launcher.kill(signum)  # processes that this process started

        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, note)  # Lightning restores what was there before

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Handle SIGTERM and interruptions by the keyboard."""
        self._listen(trainer, pl_module)

        def note(signum: int, frame: FrameType | None) -> None:
            self.asked, self.reason = True, KeyboardInterrupt
            signal.signal(signum, signal.default_int_handler)
            print(
                "ending after this step; interrupt again to end at once",
                file=sys.stderr,
                flush=True,
            )

        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, note)

    on_test_start = _listen
    on_predict_start = _listen

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Handle SIGTERM, unless the training does."""
        if trainer.state.fn == "validate":
            self._listen(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, *args: object) -> None:
        """End the training if any of its processes received a signal."""
        if trainer.strategy.reduce_boolean_decision(self.asked, all=False):
            raise self.reason

    def raise_if_requested(self) -> None:
        """End a rollout if this process received a signal."""
        if self.asked:
            raise SIGTERMException
