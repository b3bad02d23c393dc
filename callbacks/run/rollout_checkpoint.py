"""Checkpoints a rollout so that an interrupted test can be resumed."""

import hashlib
import io
import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor

from datamodules.solvers.finite import check_finite
from datamodules.source import DataSource
from emulators.checkpoint_file import load
from emulators.context import Context
from emulators.rollout import RolloutBatch, RolloutObserver, RolloutState

REMEDY = "remove the file, or test without --resume"
PARTS = {"purpose": str, "batch": int, "place": tuple, "notes": dict, "options": dict}


@dataclass(frozen=True)
class SavedRollout:
    """State of the rollouts of a batch, with the observers of all steps so far."""

    batch: int
    place: RolloutState
    observers: list[RolloutObserver]


class RolloutCheckpoint(Callback):
    """Checkpoints the rollouts of a test: state, memory and the state of the observers.

    Each process keeps `rollout-RANK.ckpt` in the run's folder while it tests; the file is complete
    whenever it exists and is removed at the end. A resumed test ends with the same scores, bit for
    bit on a CPU.

    Args:
        seconds: Time between two checkpoints [s]; an interruption by the keyboard or by SIGTERM
            writes too.

    Example:
        >>> RolloutCheckpoint(seconds=60.0).seconds
        60.0
    """

    def __init__(self, seconds: float = 300.0) -> None:
        check_finite("RolloutCheckpoint", seconds=seconds)
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"RolloutCheckpoint.seconds must be at least 0, got {seconds}.")
        self.seconds = seconds
        self.resume = False
        self.current: SavedRollout | None = None
        self.path = Path()  # set when a test begins

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Load the checkpoint of an interrupted test, or remove it if the test is not resumed."""
        self.path = Path(trainer.default_root_dir) / f"rollout-{trainer.global_rank}.ckpt"
        self.purpose = fingerprint(trainer, pl_module)
        self.batch, self.found, self.current = -1, None, None
        self.written = time.monotonic()
        if not self.resume:
            self.path.unlink(missing_ok=True)
        elif self.path.exists():
            found = self.read(pl_module.device)
            if found["purpose"] != self.purpose:
                raise ValueError(
                    f"{self.path} was left by another test (other weights, data, lengths or number "
                    f"of processes); {REMEDY}."
                )
            self.found = found

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the file of a test that is complete."""
        self.current = None
        self.path.unlink(missing_ok=True)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Save an interrupted test, and print how to resume it."""
        interrupted = isinstance(exception, KeyboardInterrupt | SIGTERMException)
        if interrupted and self.current is not None:
            self.write(self.current)
        if trainer.state.fn == "test" and self.path.is_file():
            print(
                f"{self.path} holds the state of the test: resume with the same command and "
                "--resume true",
                file=sys.stderr,
            )

    def read(self, device: torch.device) -> dict[str, Any]:
        """Return the contents of the file, if it is complete."""
        try:
            found = load(self.path, "--resume", device)
        except ValueError:
            raise ValueError(f"{self.path} cannot be read; {REMEDY}.") from None
        for part, kind in PARTS.items():
            if not isinstance(found.get(part), kind):
                raise ValueError(f"{self.path} was not left by a test ('{part}'); {REMEDY}.")
        return found

    # Methods that `run_rollout` calls -----------------------------------------------------------

    def open(self, start: RolloutBatch, observers: list[RolloutObserver]) -> RolloutState | None:
        """Return the saved state of the next batch, and restore the observers.

        A negative lead time means that the batch is complete.
        """
        self.batch += 1
        if self.found is None or self.batch > self.found["batch"]:
            return None
        if self.batch < self.found["batch"]:
            return RolloutState(-1, start.initial, None, Context(), start.index)
        for name, observer in observers_by_name(observers).items():
            if name not in self.found["notes"]:
                raise ValueError(
                    f"{self.path} has no state of {name.split('/')[0]}, which was not a callback "
                    f"when the test began; leave it out, {REMEDY}."
                )
            options = self.found["options"][name]
            if options != observer.options:
                changed = [
                    key for key, value in observer.options.items() if options.get(key) != value
                ]
                raise ValueError(
                    f"{self.path} is of a test in which {name.split('/')[0]}.{changed[0]} was "
                    f"{options.get(changed[0])}; set it so, {REMEDY}."
                )
            observer.load_rollout_state(self.found["notes"][name])
        (lead, state, memory, context, going), self.found = self.found["place"], None
        # version 0.2 wrote 0 for the batch of a rollout
        return RolloutState(lead, state, memory, Context(*context)._replace(batch=None), going)

    def invalidate(self) -> None:
        """Invalidate the saved rollouts while observers are being updated."""
        self.current = None

    def save(self, place: RolloutState, observers: list[RolloutObserver]) -> None:
        """Record the state of the rollouts, and write it every `seconds`."""
        self.current = SavedRollout(self.batch, place, observers)
        if time.monotonic() - self.written >= self.seconds:
            self.write(self.current)

    def write(self, saved: SavedRollout) -> None:
        """Write the file atomically."""
        observers = observers_by_name(saved.observers)
        notes = {name: observer.rollout_state() for name, observer in observers.items()}
        options = {name: dict(observer.options) for name, observer in observers.items()}
        at = saved.place
        # plain tuples load without running code
        place = (at.lead, at.state, at.memory, tuple(at.context), at.active)
        content = {"purpose": self.purpose, "batch": saved.batch, "place": place}
        content |= {"notes": notes, "options": options}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        stored = io.BytesIO()  # torch.save would hide why a file cannot be written
        torch.save(content, stored)
        try:
            with temporary.open("wb") as file:
                file.write(stored.getbuffer())
                file.flush()
                os.fsync(file.fileno())  # complete after a power cut
            os.replace(temporary, self.path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise OSError(
                f"{self.path}: cannot be written ({error.strerror}); make room there, or set "
                "trainer.default_root_dir to a folder with more."
            ) from None
        self.written = time.monotonic()


def observers_by_name(observers: list[RolloutObserver]) -> dict[str, RolloutObserver]:
    """Return the observers by the name of their class, with numbers where it is not unique."""
    found: dict[str, RolloutObserver] = {}
    for observer in observers:
        kind = type(observer).__qualname__
        count = sum(name.startswith(f"{kind}/") for name in found)
        found[f"{kind}/{count}"] = observer
    return found


def fingerprint(trainer: Trainer, emulator: LightningModule) -> str:
    """Return a hash of weights, data, lengths, precision and number of processes."""
    digest = hashlib.sha256()
    for name, value in sorted(emulator.state_dict().items()):
        digest.update(name.encode())
        if isinstance(value, Tensor):
            digest.update(value.detach().float().cpu().numpy().tobytes())
    source: DataSource = trainer.datamodule
    digest.update(repr((source.rollouts["test"], trainer.world_size, trainer.precision)).encode())
    digest.update(source.contents("test").encode())
    return digest.hexdigest()
