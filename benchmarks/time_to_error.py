"""Time of the processor to a given error at 25 steps, for optimisers with settings searched alike.

The one-step emulator is trained on the flow of the quickstart and on Kuramoto-Sivashinsky. All runs
have the same time, not the same number of steps. The seconds of a training step are measured in
turns, of the network for each batch size and of each optimiser, and a run has as many steps as fit
into its budget: an eighth, a quarter, a half and all of the time of some number of steps of AdamW
at batch 8. Within each run the learning rate warms up and decays to the end, as in `fit`.

The search is alike for all optimisers, by the error on validation trajectories with seed 0. At the
least budget: three learning rates around the published default at batch 8, each half a decade from
the next, and further ones where the best is at an edge; then the best rate at batches 4 and 16. The
best three of these have twice the time, the best two of them four times, the best one all of it.
What is reported are errors on test trajectories, for seeds 0 and 1, and the time at which they fall
to a target, interpolated in logarithms between budgets.

Needs `pip install pytorch_optimizer`. A run that has ended is kept in the folder, so that what is
interrupted resumes.

    python benchmarks/time_to_error.py [--problems flow ks] [--folder build/time_to_error]
"""

import argparse
import json
import logging
import math
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path

import lightning
import torch
import yaml
from lightning.pytorch.callbacks import Callback
from machine import Row, quiet, record
from optimisers import BASE, Kind, optimisers, step_costs

import cli
from callbacks import RolloutError
from datamodules import Rollouts, TrajectoryDataModule
from datamodules.files.dimensions import Dimensions
from emulators import L2, Baseline, UNet
from emulators.training.schedules import WarmupConstant, WarmupCosine

CONFIGS = Path(__file__).parents[1] / "configs"
BATCHES = (8, 4, 16)  # the rates are searched at the first
SPACING = 10**0.5
SHARES = (1 / 8, 1 / 4, 1 / 2, 1)
KEPT = (3, 2, 1)  # settings that have the second, third and last budget
FURTHER = 3  # rates beyond the first three, at most
SEEDS = (0, 1)
DIVERGED = 1e9  # in place of an error that is not finite


@dataclass(frozen=True)
class Problem:
    """Data, network, budget and target.

    Args:
        config: Configuration of the data.
        network: Options of the U-Net.
        steps: Training steps of AdamW at batch 8 whose time is the largest budget.
        target: Mean squared error to be reached [training variance].
        rollouts: Number of initial conditions, in validation and again in the test.
        lead: Lead time of the error [intervals].
    """

    config: Path
    network: Mapping[str, object]
    steps: int
    target: float
    rollouts: int
    lead: int = 25

    @cached_property
    def options(self) -> dict:
        """Options of the data."""
        return yaml.safe_load(self.config.read_text())["data"]

    @property
    def shape(self) -> list[int]:
        """Number of grid points of the data."""
        generator = self.options["generator"]
        equation = generator["solver"]["init_args"]["equation"]["init_args"]
        return generator.get("shape") or equation["grid"]["shape"]

    def data(self, folder: Path, batch: int, seed: int) -> TrajectoryDataModule:
        """Return the data module; the data must have been simulated."""
        names = {"variables": self.options["variables"]} if "variables" in self.options else {}
        rollouts = Rollouts(self.rollouts, self.lead, self.lead, batch_size=16)
        return TrajectoryDataModule(
            folder / self.config.stem,
            dimensions=Dimensions(**self.options.get("dimensions", {})),
            batch_size=batch,
            seed=seed,
            val_rollouts=rollouts,
            test_rollouts=rollouts,
            **names,
        )


@dataclass(frozen=True)
class Setting:
    """Optimiser with a learning rate and a batch size."""

    optimizer: str
    rate: float
    batch: int


PROBLEMS = {
    "flow": Problem(CONFIGS / "data" / "quickstart.yaml", {"width": 32}, 700, 0.2, 16),
    "ks": Problem(CONFIGS / "data" / "ks1d.yaml", {}, 1000, 0.1, 32),
}


class Bench:
    """Runs of one problem, kept in a folder.

    Args:
        name: Name of the problem.
        problem: Problem.
        kinds: Optimisers by name.
        folder: Folder of data and results.
    """

    def __init__(
        self, name: str, problem: Problem, kinds: Mapping[str, Kind], folder: Path
    ) -> None:
        self.name, self.problem, self.kinds, self.folder = name, problem, kinds, folder
        folder.mkdir(parents=True, exist_ok=True)
        root = f"--data.root={folder / problem.config.stem}"
        with quiet():
            cli.run(["generate", "-c", str(problem.config), root])

    def kept(self, name: str, make: Callable[[], dict]) -> dict:
        """Return what is kept under a name, made first if nothing is."""
        path = self.folder / f"{self.name}-{name}.json"
        if not path.exists():
            began = time.perf_counter()
            partial_file = path.with_suffix(".partial")
            partial_file.write_text(json.dumps(make()))
            os.replace(partial_file, path)
            seconds = time.perf_counter() - began
            print(f"{self.name} {name}: {seconds:.0f} s", file=sys.stderr, flush=True)
        return json.loads(path.read_text())

    def emulator(self, kind: Kind, rate: float, steps: int) -> Baseline:
        """Return an untrained emulator; the warm-up has its usual share of 200 in 1000 steps."""
        schedule = WarmupConstant if kind.averages else WarmupCosine
        return Baseline(
            network=partial(UNet, **self.problem.network),
            dimensions=len(self.problem.shape),
            distance=L2(),
            optimizer=partial(kind.make, lr=rate),
            schedule=partial(schedule, warmup=min(200, steps // 5)),
            ema_decay=0.0 if kind.averages else 0.999,
        )

    @cached_property
    def costs(self) -> dict[str, dict[str, float]]:
        """Seconds of a training step, by optimiser and batch."""
        return self.kept("costs", self._costs)

    def _costs(self) -> dict[str, dict[str, float]]:
        make = partial(self.emulator, self.kinds[BASE], 1e-4, 100)
        return step_costs(self.kinds, make, self.problem.shape, BATCHES)

    def cost(self, setting: Setting) -> float:
        """Return the seconds of a training step."""
        return self.costs[setting.optimizer][str(setting.batch)]

    @cached_property
    def budgets(self) -> list[float]:
        """Seconds of the processor that runs have."""
        whole = self.problem.steps * self.cost(Setting(BASE, 0.0, BATCHES[0]))
        return [share * whole for share in SHARES]

    def run(self, setting: Setting, budget: float, seed: int = 0) -> dict[str, float]:
        """Return errors of a run and its time, which differs from the budget on a busy machine."""
        steps = max(1, round(budget / self.cost(setting)))
        name = f"{setting.optimizer.replace(' ', '_')}-{setting.rate:.3g}-{setting.batch}"
        name = f"{name}-{steps}-{seed}"
        return self.kept(name, partial(self._run, setting, steps, seed))

    def _run(self, setting: Setting, steps: int, seed: int) -> dict[str, float]:
        with quiet():
            lightning.seed_everything(seed, verbose=False)
            kind = self.kinds[setting.optimizer]
            emulator = self.emulator(kind, setting.rate, steps)
            data = self.problem.data(self.folder, setting.batch, seed)
            watch = Watch(kind.averages)
            trainer(self.folder, watch, max_steps=steps, limit_val_batches=0).fit(emulator, data)
            lead = self.problem.lead
            judge = trainer(self.folder, RolloutError(leads=(lead,)))
            found = judge.validate(emulator, data)[0] | judge.test(emulator, data)[0]
        # the scores of each stage begin with its name
        errors = {split: found[f"{split}/mse/lead_{lead}"] for split in ("val", "test")}
        errors = {k: v if math.isfinite(v) else DIVERGED for k, v in errors.items()}
        return {**asdict(setting), "steps": steps, "seed": seed, **errors, **watch.seconds}

    def validated(self, setting: Setting, budget: float) -> float:
        """Return the error on validation trajectories with seed 0."""
        return self.run(setting, budget)["val"]

    def first(self, name: str) -> list[Setting]:
        """Return the settings of an optimiser that have the least budget."""
        middle = self.kinds[name].rate

        def setting(power: int, batch: int = BATCHES[0]) -> Setting:
            return Setting(name, middle * SPACING**power, batch)

        def error(power: int) -> float:
            return self.validated(setting(power), self.budgets[0])

        powers = extended(error)
        fastest = min(powers, key=error)
        return [*map(setting, powers), *(setting(fastest, batch) for batch in BATCHES[1:])]

    def search(self) -> dict[Setting, list[float]]:
        """Return the errors of each setting for the budgets that it had."""
        settings = {name: self.first(name) for name in self.kinds}
        found: dict[Setting, list[float]] = {}
        for budget, count in zip(self.budgets, (None, *KEPT), strict=True):
            for name, tried in settings.items():
                if count:
                    settings[name] = sorted(tried, key=lambda one: found[one][-1])[:count]
                for setting in settings[name]:
                    found.setdefault(setting, []).append(self.validated(setting, budget))
        return found

    def test_errors(self, setting: Setting) -> dict[int, dict[float, float]]:
        """Return errors on test trajectories, by seed and by the seconds of the budget."""
        return {
            seed: {budget: self.run(setting, budget, seed)["test"] for budget in self.budgets}
            for seed in SEEDS
        }

    def tables(self) -> dict[str, list[Row]]:
        """Return the tables of the problem, under their captions."""
        found, target = self.search(), self.problem.target
        chosen = {one.optimizer: one for one in found if len(found[one]) == len(self.budgets)}
        errors = {name: self.test_errors(setting) for name, setting in chosen.items()}
        seconds = {
            name: {seed: time_to(curve, target) for seed, curve in curves.items()}
            for name, curves in errors.items()
        }
        columns = [f"{budget:.3g} s" for budget in self.budgets]
        title = f"{self.name}, {self.problem.lead} steps"
        return {
            f"{title}: seconds of the processor to an error of {target}, test": [
                {
                    "optimiser": name,
                    "learning rate": f"{chosen[name].rate:.2g}",
                    "batch": chosen[name].batch,
                    "ms per step": 1e3 * self.cost(chosen[name]),
                    **{f"seed {seed}": shown(each[seed], self.budgets) for seed in SEEDS},
                    f"/ {BASE}": ratio(each, seconds[BASE]),
                }
                for name, each in seconds.items()
            ],
            f"{title}: error after some seconds, test": [
                {"optimiser": name, "seed": seed, **dict(zip(columns, curve.values(), strict=True))}
                for name, curves in errors.items()
                for seed, curve in curves.items()
            ],
            f"{title}: search, error on validation trajectories": [
                {
                    "optimiser": one.optimizer,
                    "learning rate": f"{one.rate:.2g}",
                    "batch": one.batch,
                    **dict(zip(columns, [*values, *[""] * len(columns)], strict=False)),
                }
                for one, values in found.items()
            ],
            f"{title}: ms of a training step": [
                {"optimiser": name, **{f"batch {b}": 1e3 * cost for b, cost in row.items()}}
                for name, row in self.costs.items()
            ],
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


def trainer(folder: Path, callback: Callback, **options: int) -> lightning.Trainer:
    """Return a trainer that writes nothing."""
    return lightning.Trainer(
        accelerator="cpu",
        gradient_clip_val=1.0,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **options,
    )


def extended(error: Callable[[int], float]) -> list[int]:
    """Return -1, 0, 1 and further numbers, as long as the least error is at an edge."""
    powers = [-1, 0, 1]
    for _ in range(FURTHER):
        least = min(powers, key=error)
        if least not in (powers[0], powers[-1]):
            break
        powers = [least - 1, *powers] if least == powers[0] else [*powers, least + 1]
    return powers


def time_to(errors: Mapping[float, float], target: float) -> float | None:
    """Return the seconds at which errors fall to a target, None if they do not.

    Between the least budget that reaches it and the one before, the logarithm of the error is
    linear in the logarithm of the time; where the least of all reaches it, this is an upper bound.
    """
    before: tuple[float, float] | None = None
    for seconds, error in sorted(errors.items()):
        if error <= target:
            if before is None:
                return seconds
            share = math.log(before[1] / target) / math.log(before[1] / error)
            return before[0] * (seconds / before[0]) ** share
        before = seconds, error
    return None


def ratio(seconds: Mapping[int, float | None], base: Mapping[int, float | None]) -> str:
    """Return the geometric mean over seeds of the ratios to another's seconds, and each of them."""
    pairs = [(seconds[seed], base[seed]) for seed in seconds]
    ratios = [own / other for own, other in pairs if own is not None and other is not None]
    if not ratios or len(ratios) < len(pairs):
        return ""
    mean = statistics.geometric_mean(ratios)
    return f"{mean:.2f} ({', '.join(f'{each:.2f}' for each in ratios)})"


def shown(seconds: float | None, budgets: Sequence[float]) -> str:
    """Return seconds, or the bound that is known."""
    if seconds is None:
        return f"> {budgets[-1]:.3g}"
    return f"≤ {seconds:.3g}" if seconds == budgets[0] else f"{seconds:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", nargs="*", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--folder", type=Path, default=Path("build/time_to_error"))
    options = parser.parse_args()
    kinds = optimisers()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    tables: dict[str, list[Row]] = {}
    for name in options.problems:
        tables |= Bench(name, PROBLEMS[name], kinds, options.folder).tables()
    record(
        "time_to_error",
        "Time to a given error",
        tables,
        f"pytorch_optimizer {version('pytorch_optimizer')}. `python benchmarks/time_to_error.py`: "
        "one-step emulator, mean squared error in units of the training variance.",
    )


if __name__ == "__main__":
    main()
