"""What it costs to watch a rollout: all diagnostics of `configs/trainer.yaml` at 256², batch 16.

The emulator steps alone; then with each diagnostic, and with all of them; a step with truth and one
past its end are told apart. Times are means over enough steps to include those at which a
diagnostic does more. The figure of merit is the time of all diagnostics over that of the U-Net.

    python benchmarks/diagnostics_cost.py [--size 256] [--batch 16] [--device cuda]
"""

import argparse
import time

import torch
from machine import header
from systems import RandomData, RolloutBatch

from callbacks import (
    Distribution,
    EnergyStability,
    Extremes,
    Hovmoeller,
    Moments,
    Movie,
    Panels,
    PCAAutocorrelation,
    PredictabilityLimit,
    RolloutError,
    Spectrum,
    ZonalMean,
)
from emulators import Baseline

KINDS = (
    RolloutError,
    EnergyStability,
    Spectrum,
    ZonalMean,
    Hovmoeller,
    Distribution,
    Moments,
    Extremes,
    PCAAutocorrelation,
    Panels,
    Movie,
    PredictabilityLimit,
)
STEPS = 20  # two rounds of the diagnostics that look at every tenth state


def clock(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def observing(observers: list, start: RolloutBatch, first: int, device: str) -> float:
    """Return seconds per step of the observers alone, for STEPS steps from `first` on."""
    for observer in observers:
        observer.begin(start)
    state = start.initial
    for observer in observers:  # what happens once
        observer.observe(1, state, start.truth(1))
    begin = clock(device)
    for lead in range(first, first + STEPS):
        truth = start.truth(lead) if lead <= start.truth_steps else None
        for observer in observers:
            observer.observe(lead, state, truth)
    return (clock(device) - begin) / STEPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    print(header(f"Cost of diagnostics at {options.size}², batch {options.batch}"), flush=True)
    torch.manual_seed(0)
    data = RandomData((options.size, options.size))
    emulator = Baseline().eval().to(options.device)
    initial = torch.randn(options.batch, 1, options.size, options.size, device=options.device)
    with torch.inference_mode(), torch.autocast(options.device, torch.bfloat16):
        emulator.rollout(initial, 2)
        begin = clock(options.device)
        emulator.rollout(initial, 6)
        step = (clock(options.device) - begin) / 6
    print(f"U-Net: {1e3 * step:.1f} ms per step\n\n| diagnostic | with truth | past the truth |")
    print("|---|---|---|")
    start = RolloutBatch(initial, 2000, 200)
    with torch.inference_mode():
        observers = []
        for kind in KINDS:
            observer = kind()
            observer.attach(data, emulator)
            observer.start(torch.device(options.device))
            observers.append(observer)
        rows = {observer_name(o): [o] for o in observers} | {"all": observers}
        for name, watching in rows.items():
            times = [observing(watching, start, first, options.device) for first in (2, 301)]
            shares = [f"{1e3 * t:.1f} ms ({t / step:.1%})" for t in times]
            print(f"| {name} | {shares[0]} | {shares[1]} |", flush=True)


def observer_name(observer: object) -> str:
    return type(observer).__name__


if __name__ == "__main__":
    main()
