"""Time of the processor to a given error at 25 steps, for optimisers with settings searched alike.

The one-step emulator is trained on the flow of the quickstart and on Kuramoto-Sivashinsky. All runs
have the same time, not the same number of steps. The seconds of a training step are measured in
turns, of the network for each batch size and of each optimiser, and a run has as many steps as fit
into its budget: an eighth, a quarter, a half and all of the time of some number of steps of AdamW
at batch 8. Within each run the learning rate warms up and decays to the end, as in `fit`.

The search is alike for all optimisers, by the error on validation trajectories with seed 0. At the
least budget: three learning rates around the published default at batch 8, each half a decade from
the next, and further ones where the best is at an edge; then the best rate at batches 4 and 16. The
best of these have twice the time, the best of them four times, and the best one all of it. What is
reported are errors on test trajectories, for seeds 0 and 1, and the time at which they fall to a
target, interpolated in logarithms between budgets.

Needs `pip install pytorch_optimizer`. A run that has ended is kept in the folder, so that what is
interrupted resumes; `--kept` trains nothing and reports what is there.

    python benchmarks/time_to_error.py [--problems flow ks] [--optimisers AdamW Muon ...] [--kept]
        [--folder build/time_to_error]
"""

import argparse
import json
import logging
import math
import statistics
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path

import lightning
import torch
import yaml
from lightning.pytorch.callbacks import Callback
from machine import Row, quiet, record
from optimisers import BASE, Kind, Watch, optimisers, step_costs

import cli
from callbacks import RolloutError
from datamodules import Rollouts, TrajectoryDataModule
from datamodules.files.atomic import atomic_write
from datamodules.files.dimensions import Dimensions
from emulators import L2, Baseline, UNet
from emulators.training.schedules import WarmupConstant, WarmupCosine

DATA = Path(__file__).parents[1] / "configs" / "data"
BATCHES = (8, 4, 16)  # the rates are searched at the first
SPACING = 10**0.5
SHARES = (1 / 8, 1 / 4, 1 / 2, 1)
FURTHER = 3  # rates beyond the first three, at most
SEEDS = (0, 1)
DIVERGED = 1e9  # in place of an error that is not finite
NONE = math.nan  # error of a run that was not made


@dataclass(frozen=True)
class Problem:
    """Data, network, budget and target.

    Args:
        config: Configuration of the data.
        network: Options of the U-Net.
        steps: Training steps of AdamW at batch 8 whose time is the largest budget.
        target: Mean squared error to be reached [training variance].
        rollouts: Number of initial conditions, in validation and again in the test.
        kept: Number of settings that have the second, third and last budget.
        search_lead: Lead time of the errors of the search [intervals]. It is shorter than `lead`
            if the least budgets do not reduce the error at `lead`.
        lead: Lead time of the error that is reported [intervals].
    """

    config: Path
    network: Mapping[str, object]
    steps: int
    target: float
    rollouts: int
    kept: tuple[int, int, int] = (3, 2, 1)
    search_lead: int = 25
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
        rollouts = Rollouts(self.rollouts, self.lead, self.lead, batch_size=16)
        return TrajectoryDataModule(
            folder / self.config.stem,
            variables=self.options.get("variables", ["vorticity"]),
            dimensions=Dimensions(**self.options.get("dimensions", {})),
            batch_size=batch,
            seed=seed,
            val_rollouts=rollouts,
            test_rollouts=rollouts,
        )


@dataclass(frozen=True)
class Setting:
    """Optimiser with a learning rate and a batch size."""

    optimizer: str
    rate: float
    batch: int


LEVELS = {"multipliers": (1, 2, 2)}  # of the recorded results
PROBLEMS = {
    "flow": Problem(DATA / "quickstart.yaml", {"width": 32} | LEVELS, 400, 0.55, 16, (1, 1, 1), 5),
    "ks": Problem(DATA / "ks1d.yaml", LEVELS, 1000, 0.01, 32),
}


class Bench:
    """Runs of one problem, kept in a folder.

    Args:
        name: Name of the problem.
        problem: Problem.
        kinds: Optimisers by name.
        folder: Folder of data and results.
        only_kept: Whether nothing is trained; errors of runs that are missing are NaN.
    """

    def __init__(
        self,
        name: str,
        problem: Problem,
        kinds: Mapping[str, Kind],
        folder: Path,
        only_kept: bool = False,
    ) -> None:
        self.name, self.problem, self.kinds, self.folder = name, problem, kinds, folder
        self.only_kept = only_kept
        folder.mkdir(parents=True, exist_ok=True)
        root = f"--data.root={folder / problem.config.stem}"
        with quiet():
            cli.run(["generate", "-c", str(problem.config), root])

    def path(self, name: str) -> Path:
        """Return the file of what is kept under a name."""
        return self.folder / f"{self.name}-{name}.json"

    def kept(self, name: str, make: Callable[[], dict]) -> dict:
        """Return what is kept under a name, made first if nothing is."""
        path = self.path(name)
        if not path.exists():
            atomic_write(path, json.dumps(make()))
            print(f"{self.name} {name}", file=sys.stderr, flush=True)
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
        emulator = partial(self.emulator, self.kinds[BASE], 1e-4, 100)
        measure = partial(step_costs, self.kinds, emulator, self.problem.shape, BATCHES)
        return self.kept("costs", measure)

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
        name = f"{setting.optimizer}-{setting.rate:.3g}-{setting.batch}-{steps}-{seed}"
        name = name.replace(" ", "_")
        if self.only_kept and not self.path(name).exists():
            return {"val": NONE, "test": NONE}
        return self.kept(name, partial(self._run, setting, steps, seed))

    def _run(self, setting: Setting, steps: int, seed: int) -> dict[str, float]:
        with quiet():
            lightning.seed_everything(seed, verbose=False)
            kind = self.kinds[setting.optimizer]
            emulator = self.emulator(kind, setting.rate, steps)
            data = self.problem.data(self.folder, setting.batch, seed)
            watch = Watch(kind.averages)
            trainer(self.folder, watch, max_steps=steps, limit_val_batches=0).fit(emulator, data)
            leads = {"val": self.problem.search_lead, "test": self.problem.lead}
            judge = trainer(self.folder, RolloutError(leads=sorted({*leads.values()})))
            found = judge.validate(emulator, data)[0] | judge.test(emulator, data)[0]
        # the scores of each stage begin with its name
        errors = {split: found[f"{split}/mse/lead_{lead}"] for split, lead in leads.items()}
        errors = {k: v if math.isfinite(v) else DIVERGED for k, v in errors.items()}
        return {**asdict(setting), "steps": steps, "seed": seed, **errors, **watch.seconds}

    def first(self, name: str) -> list[Setting]:
        """Return the settings of an optimiser that have the least budget."""
        middle = self.kinds[name].rate

        def setting(power: int, batch: int = BATCHES[0]) -> Setting:
            return Setting(name, middle * SPACING**power, batch)

        def error(power: int) -> float:
            return self.run(setting(power), self.budgets[0])["val"]

        powers = extended(error)
        fastest = min(powers, key=error)
        return [*map(setting, powers), *(setting(fastest, batch) for batch in BATCHES[1:])]

    def search(self) -> dict[Setting, list[float]]:
        """Return the errors of each setting for the budgets that it had."""
        settings = {name: self.first(name) for name in self.kinds}
        found: dict[Setting, list[float]] = {}
        for budget, count in zip(self.budgets, (None, *self.problem.kept), strict=True):
            for name, tried in settings.items():
                if count:
                    settings[name] = sorted(tried, key=lambda one: found[one][-1])[:count]
                for setting in settings[name]:
                    found.setdefault(setting, []).append(self.run(setting, budget)["val"])
        return found

    def test_errors(self, setting: Setting) -> dict[int, dict[float, float]]:
        """Return errors on test trajectories, by seed and by the seconds of the budget."""
        return {
            seed: {
                budget: error
                for budget in self.budgets
                if not math.isnan(error := self.run(setting, budget, seed)["test"])
            }
            for seed in SEEDS
        }

    def tables(self) -> dict[str, list[Row]]:
        """Return the tables of the problem, under their captions."""
        found, target, lead = self.search(), self.problem.target, self.problem.lead
        chosen = {one.optimizer: one for one in found if len(found[one]) == len(self.budgets)}
        errors = {name: self.test_errors(setting) for name, setting in chosen.items()}
        seconds = {
            name: {seed: time_to(curve, target) for seed, curve in curves.items()}
            for name, curves in errors.items()
        }
        columns = {budget: f"{budget:.3g} s" for budget in self.budgets}
        return {
            f"Seconds of the processor to an error of {target} at {lead} steps, test": [
                {
                    "optimiser": name,
                    "learning rate": f"{chosen[name].rate:.2g}",
                    "batch": chosen[name].batch,
                    "ms per step": 1e3 * self.cost(chosen[name]),
                    **{f"seed {seed}": shown(each[seed], errors[name][seed]) for seed in SEEDS},
                    f"/ {BASE}": ratio(each, seconds[BASE]),
                }
                for name, each in seconds.items()
            ],
            f"Error at {lead} steps after some seconds, test": [
                {
                    "optimiser": name,
                    "seed": seed,
                    **{column: curve.get(budget, "") for budget, column in columns.items()},
                }
                for name, curves in errors.items()
                for seed, curve in curves.items()
                if curve
            ],
            f"Search: error at {self.problem.search_lead} steps, validation": [
                {
                    "optimiser": one.optimizer,
                    "learning rate": f"{one.rate:.2g}",
                    "batch": one.batch,
                    **{
                        column: "" if math.isnan(error) else error
                        for column, error in zip_longest(columns.values(), values, fillvalue=NONE)
                    },
                }
                for one, values in found.items()
            ],
            "Milliseconds of a training step": [
                {"optimiser": name, **{f"batch {b}": 1e3 * cost for b, cost in row.items()}}
                for name, row in self.costs.items()
            ],
        }


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
    if not ratios:
        return ""
    each = ", ".join(f"{value:.2f}" for value in ratios)
    return f"{statistics.geometric_mean(ratios):.2f} ({each})"


def shown(seconds: float | None, errors: Mapping[float, float]) -> str:
    """Return the seconds to the target, or the bound that errors by their seconds give."""
    if not errors:
        return ""
    if seconds is None:
        return f"> {max(errors):.3g}"
    return f"≤ {seconds:.3g}" if seconds == min(errors) else f"{seconds:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", nargs="*", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--folder", type=Path, default=Path("build/time_to_error"))
    parser.add_argument("--optimisers", nargs="*", help="Names; all by default.")
    parser.add_argument("--kept", action="store_true", help="Train nothing.")
    options = parser.parse_args()
    kinds = optimisers()
    kinds = {name: kinds[name] for name in options.optimisers or kinds}
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    for name in options.problems:
        bench = Bench(name, PROBLEMS[name], kinds, options.folder, options.kept)
        tables = bench.tables()
        runs = [json.loads(path.read_text()) for path in options.folder.glob(f"{name}-*-*.json")]
        used, passed = (sum(run[time] for run in runs) for time in ("processor", "clock"))
        record(
            f"time_to_error_{name}",
            f"Time to a given error, {PROBLEMS[name].config.name}",
            tables,
            f"pytorch_optimizer {version('pytorch_optimizer')}, `{' '.join(sys.argv)}`. "
            "One-step emulator; mean squared error in units of the training variance. "
            f"{len(runs)} runs, {used:.0f} s of the processor and {passed:.0f} s by the clock, "
            "in which other programs ran if it is more.",
        )


if __name__ == "__main__":
    main()
