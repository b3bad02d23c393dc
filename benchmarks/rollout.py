"""What a test adds to a step of a rollout: the whole of `emulate test` against a bare loop.

A short training on a little of the flow of resolved64.yaml gives a checkpoint; `emulate test` rolls
it out with everything that `configs/trainer.yaml` lists. A last observer lets a bare loop of the
same network, with the same batch and precision, take turns with the rollout, every twentieth step
for twenty steps, so that both meet the same machine. Steps with truth and steps past its end are
reported separately; scores and figures, which are made once at the end, are in neither. With one
thread it is the time of the processor that counts. An ensemble, from one initial condition with
noise of 0.01, is rolled out as a batch of its members.

    python benchmarks/rollout.py [--threads 1] [--batch 1 16 100] [--members 8]
                                 [--precision 32-true bf16-mixed]
"""

import argparse
import sys
import tempfile
from pathlib import Path

import torch
from lightning.pytorch import Callback
from machine import clock, compared, quiet, record

import cli
from emulators.rollout import RolloutBatch, RolloutObserver

CONFIGS = Path(__file__).parents[1] / "configs"
EVERY = 20  # two rounds of the diagnostics that look at every tenth state
LENGTHS = {1: (600, 300), 16: (160, 80), 100: (100, 60)}  # steps and true steps, by batch
OF_ENSEMBLES = (240, 160)
FLOW = {
    "generator.splits": "{train: {trajectories: 4, snapshots: 500}, "
    "val: {trajectories: 1, snapshots: 100}, test: {trajectories: 4, snapshots: 600}}",
    "generator.spin_up": "2.0",
    "generator.trajectories_per_file": "4",
}


class Turns(Callback, RolloutObserver):
    """Watches a rollout last of all, and lets a bare loop of its network take turns with it."""

    stages = ("test",)

    def on_test_epoch_start(self, trainer, pl_module) -> None:
        self.network = pl_module.averaged
        self.standardize = pl_module.standardize
        self.rounded = trainer.precision == "bf16-mixed"
        self.turns: list[tuple[int, float, float]] = []

    def begin(self, start: RolloutBatch) -> None:
        self.ensemble = start.perturbed is not None
        self.truth_steps, self.began = start.truth_steps, clock()

    def observe(self, lead: int, forecast: torch.Tensor, truth: torch.Tensor | None) -> None:
        if not self.ensemble:
            self.take_turns(lead, forecast)

    def observe_members(self, lead: int, members: torch.Tensor, truth: torch.Tensor | None) -> None:
        self.take_turns(lead, members.flatten(0, 1))

    def take_turns(self, lead: int, states: torch.Tensor) -> None:
        """Note the time of the last steps, and of as many by the network alone."""
        if lead % EVERY:
            return
        watched = clock() - self.began
        u = self.standardize(states)
        began = clock()
        with torch.autocast(u.device.type, torch.bfloat16, enabled=self.rounded):
            for _ in range(EVERY):
                u, _ = self.network(u)
        bare = clock() - began
        if lead > EVERY:  # the first turn has made what is kept
            self.turns.append((lead, watched / EVERY, bare / EVERY))
        self.began = clock()


def tested(folder: Path, precision: str, batch: int, members: int) -> Turns:
    """Run `emulate test` on so many initial conditions and return what was measured."""
    steps, truth = LENGTHS[batch] if members == 1 else OF_ENSEMBLES
    plan = f"initial_conditions: {batch}, batch_size: {batch}, steps: {steps}, truth_steps: {truth}"
    if members > 1:
        plan += f", members: {members}, initial_noise: 0.01"
    command = cli.run(
        [
            "test",
            f"--ckpt_path={folder}/run/last.ckpt",
            f"--trainer.default_root_dir={folder}/{precision}-{batch}-{members}",
            f"--trainer.precision={precision}",
            "--trainer.callbacks+=rollout.Turns",
            f"--data.test_rollouts={{{plan}}}",
        ]
    )
    return next(found for found in command.trainer.callbacks if hasattr(found, "turns"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--batch", type=int, nargs="+", choices=list(LENGTHS), default=list(LENGTHS)
    )
    parser.add_argument("--members", type=int, nargs="*", default=[8], help="Sizes of ensembles.")
    parser.add_argument("--precision", nargs="+", default=["32-true", "bf16-mixed"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tables: dict[str, list] = {}
    with tempfile.TemporaryDirectory() as place, quiet():
        folder = Path(place)
        data = [f"--data.{name}={value}" for name, value in FLOW.items()]
        training = ["--trainer.max_steps=150", "--trainer.val_check_interval=150"]
        files = [f"-c={CONFIGS}/data/resolved64.yaml", f"-c={CONFIGS}/model/baseline.yaml"]
        folders = [f"--data.root={folder}/data", f"--trainer.default_root_dir={folder}/run"]
        optimiser = ["--model.distance=L2", "--model.optimizer=emulators.Muon",
                     "--model.optimizer.lr=0.005"]  # fmt: skip
        cli.run(["fit", *files, *folders, *data, *training, *optimiser])
        for precision in options.precision:
            rows = tables[precision] = []
            plans = [(batch, 1) for batch in options.batch]
            for batch, members in plans + [(1, members) for members in options.members]:
                run = tested(folder, precision, batch, members)
                for name, chosen in {
                    "with truth": [turn for turn in run.turns if turn[0] <= run.truth_steps],
                    "past the truth": [turn for turn in run.turns if turn[0] > run.truth_steps],
                }.items():
                    if not chosen:  # the rollout ended, because it diverged
                        continue
                    _, test, bare = zip(*chosen, strict=True)
                    both = compared({"bare loop": bare, "emulate test": test}, "bare loop")
                    mine = both["emulate test"]
                    ms = both["bare loop"]
                    rows.append(
                        {
                            "batch": batch,
                            "members": members,
                            "steps": name,
                            "bare ms": ms["median ms"],
                            "test ms": mine["median ms"],
                            "bare fastest ms": ms["fastest ms"],
                            "test fastest ms": mine["fastest ms"],
                            "steps per second": 1e3 / mine["median ms"],
                            "test / bare": mine["/ bare loop"],
                            "of the fastest": mine["of the fastest"],
                        }
                    )
                    print(rows[-1], file=sys.__stderr__, flush=True)
    record("rollout", "A step of a test's rollout against a bare loop, 64²", tables)


if __name__ == "__main__":
    main()
