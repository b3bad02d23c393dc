"""A rollout of 100 initial conditions with a trivial network at 64²: time and memory of the engine.

The network multiplies by one, so that what is measured is the engine, `EnergyStability` at every
hundredth step as in Jiang et al. (2025), and the diagnostics of the climate at every tenth. Memory
is the peak of the process, reported ten times along the way. At the end a few steps of the U-Net of
the quickstart, from which the time of as long a rollout follows.

    python benchmarks/long_rollout.py [--steps 200000]
"""

import argparse
import resource
import time

import torch
from diagnostics_cost import KINDS
from machine import header
from systems import RandomData, RolloutBatch

from callbacks import EnergyStability, PredictabilityLimit
from emulators import Baseline
from emulators.rollout import RolloutObserver, run_rollout
from emulators.standardize import Standardize


class Identity:
    """Emulator whose states stay."""

    standardize = Standardize(1)

    def step(self, state: torch.Tensor, memory: None = None) -> tuple[torch.Tensor, None]:
        return 1.0 * state, None


class Meter(RolloutObserver):
    """Prints time per step and peak memory ten times along the way."""

    def begin(self, start: RolloutBatch) -> None:
        self.steps, self.began = start.steps, time.perf_counter()

    def observe(self, lead: int, forecast: torch.Tensor, truth: torch.Tensor | None) -> None:
        if lead == 100 or lead % (self.steps // 10) == 0:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            seconds = time.perf_counter() - self.began
            print(f"| {lead:,} | {1e3 * seconds / lead:.2f} | {peak:.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200_000)
    options = parser.parse_args()
    torch.manual_seed(0)
    data, emulator = RandomData((64, 64)), Identity()
    initial = data.states[:100]
    for every, title in ((None, "engine alone"), (1, "all diagnostics")):
        print(header(f"Rollout of 100 x {options.steps:,} steps at 64²: {title}"))
        print("| steps | ms per step | peak MiB |\n|---|---|---|")
        observers = [Meter()]
        for kind in KINDS if every else ():
            observer = kind(1e12, every=100) if kind is EnergyStability else kind()
            observer.attach(data, emulator)
            if kind is not PredictabilityLimit:
                observer.start(torch.device("cpu"))
                observers.append(observer)
        with torch.inference_mode():
            run_rollout(emulator, RolloutBatch(initial, options.steps, 100), observers)
        print(flush=True)
    unet = Baseline().eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        unet.rollout(initial, 2)
        begin = time.perf_counter()
        unet.rollout(initial, 10)
        step = (time.perf_counter() - begin) / 10
    hours = step * options.steps / 3600
    print(f"U-Net in bfloat16: {1e3 * step:.0f} ms per step, {hours:.1f} h in all")


if __name__ == "__main__":
    main()
