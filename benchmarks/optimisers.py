"""Optimisers of `time_to_error.py`, and the seconds of their training steps, measured in turns."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from machine import clock

from emulators import Baseline, Muon

BASE = "AdamW"


@dataclass(frozen=True)
class Kind:
    """Optimiser of the comparison.

    Args:
        make: Function that makes it from the weights and `lr`.
        rate: Published learning rate, the middle of the search.
        averages: Whether it has neither a decay nor averaged weights of ours, but its own average.
    """

    make: Callable
    rate: float
    averages: bool = False


def optimisers() -> dict[str, Kind]:
    """Return the optimisers by name, with their defaults unless a reason is given here."""
    try:
        import pytorch_optimizer as library
        from pytorch_optimizer.optimizer.utils.graft import LayerWiseGrafting
    except ImportError:
        raise SystemExit(
            "time_to_error.py needs SOAP, Shampoo and schedule-free AdamW: run "
            "`pip install pytorch_optimizer`."
        ) from None
    shampoo = partial(
        library.ScalableShampoo,
        graft_type=LayerWiseGrafting.SQRTN,  # steps as long as a sign's; by default as SGD's
        start_preconditioning_step=10,
        preconditioning_compute_steps=10,  # as often as SOAP; the default is every 1000 steps
        weight_decay=0.01,  # as AdamW, Muon and SOAP have
        decoupled_weight_decay=True,
    )
    return {
        BASE: Kind(torch.optim.AdamW, 1e-3),
        "Muon": Kind(Muon, 2e-3),
        "SOAP": Kind(library.SOAP, 3e-3),
        "Shampoo": Kind(shampoo, 1e-3),
        "schedule-free AdamW": Kind(library.ScheduleFreeAdamW, 2.5e-3, averages=True),
    }


class Watch(Callback):
    """Measures a training, and shows a schedule-free optimiser where it begins and ends.

    Args:
        averages: Whether the optimiser averages the weights itself.
    """

    def __init__(self, averages: bool) -> None:
        self.averages = averages
        self.seconds: dict[str, float] = {}

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if self.averages:
            trainer.optimizers[0].train()
        self.began = time.process_time(), time.perf_counter()

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        now = time.process_time(), time.perf_counter()
        names = ("processor", "clock")
        self.seconds = {n: b - a for n, a, b in zip(names, self.began, now, strict=True)}
        if self.averages:
            trainer.optimizers[0].eval()  # the averaged weights


def step_costs(
    kinds: Mapping[str, Kind],
    emulator: Callable[[], Baseline],
    shape: Sequence[int],
    batches: Sequence[int],
    rounds: int = 5,
) -> dict[str, dict[str, float]]:
    """Return the seconds of a training step, by optimiser and batch.

    The network's share is measured for each batch, the optimiser's for the smallest one.

    Args:
        kinds: Optimisers by name.
        emulator: Function that makes an untrained emulator.
        shape: Number of grid points.
        batches: Batch sizes.
        rounds: Number of rounds; the first, in which optimisers set up, counts for the network.
    """
    emulators = {name: emulator() for name in kinds}
    weights = {n: [p for p in e.parameters() if p.requires_grad] for n, e in emulators.items()}
    made = {name: kind.make(weights[name], lr=1e-4) for name, kind in kinds.items()}
    network: dict[int, list[float]] = {batch: [] for batch in batches}
    own: dict[str, list[float]] = {name: [] for name in kinds}
    base = next(iter(kinds))

    def gradients(name: str, batch: int) -> None:
        window = torch.randn(batch, emulators[name].window, 1, *shape)
        emulators[name].loss(window).backward()
        torch.nn.utils.clip_grad_norm_(weights[name], 1.0)

    for _ in range(rounds):
        for batch in batches:
            for _ in range(5):
                began = clock()
                gradients(base, batch)
                emulators[base].update_average(1000)
                network[batch].append(clock() - began)
                made[base].zero_grad()
        for name, optimizer in made.items():
            elapsed = 0.0
            for _ in range(10):  # some do more in every tenth step
                gradients(name, min(batches))
                began = clock()
                optimizer.step()
                optimizer.zero_grad()
                elapsed += clock() - began
            own[name].append(elapsed / 10)
    alone = {batch: statistics.median(seconds) for batch, seconds in network.items()}
    return {
        name: {str(batch): alone[batch] + statistics.median(seconds[1:]) for batch in batches}
        for name, seconds in own.items()
    }
