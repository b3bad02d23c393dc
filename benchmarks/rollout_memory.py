"""Peak memory of a rollout against its length, with the diagnostics of `emulate test` watching.

Each length runs in a process of its own, after the same short warm-up; the peak is the operating
system's. The figure of merit is the peak of the long rollout over that of 100 steps.

    python benchmarks/rollout_memory.py
"""

import json
import resource
import subprocess
import sys
import time
from types import SimpleNamespace

import torch
from machine import header

from callbacks import EnergyStability, Panels, RolloutError
from datamodules.solvers import Grid, Variable
from emulators import Baseline, UNet
from emulators.rollout import watch

SYSTEMS = {
    # name: (field, batch, network options, long rollout)
    "1-D, 128 points": ((128,), 16, {"width": 16, "multipliers": (1, 2)}, 100_000),
    "2-D, 64² (quickstart network)": ((64, 64), 16, {}, 2_000),
}


class Start:
    def __init__(self, initial: torch.Tensor, steps: int) -> None:
        self.initial, self.steps = initial, steps
        self.index = torch.arange(len(initial))
        self.truth_steps = min(steps, 100)

    def truth(self, lead: int) -> torch.Tensor:
        return self.initial


def peak(name: str, steps: int) -> dict[str, float]:
    shape, batch, options, _ = SYSTEMS[name]
    torch.manual_seed(0)
    dimensions = len(shape)

    def network(*interface):
        return UNet(*interface, **options)

    emulator = Baseline(network=network, dimensions=dimensions).eval()
    initial = torch.randn(batch, 1, *shape)
    data = SimpleNamespace(
        grid=Grid(shape, (6.28,) * dimensions),
        variables=["vorticity"],
        interval=0.02,
        fields=(Variable("vorticity", "vorticity", "s-1"),),
        dimension_names=SimpleNamespace(space=("y", "x")[-dimensions:]),
        trajectories=lambda split: SimpleNamespace(chunks=lambda label: [initial]),
    )
    observers = [RolloutError(), EnergyStability(), Panels()]
    for observer in observers:
        observer.data, observer.emulator = data, emulator
    start = time.perf_counter()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for observer in observers:
            observer.start(torch.device("cpu"))
        watch(emulator, Start(initial, steps), observers)
        for observer in observers:
            observer.finish()
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"MiB": kilobytes / 1024, "seconds": time.perf_counter() - start}


def main() -> None:
    if len(sys.argv) > 2:
        print(json.dumps(peak(sys.argv[1], int(sys.argv[2]))))
        return
    print(header("Peak memory of a rollout"))
    print("| system | steps | peak MiB | of 100 steps | ms per step |\n|---|---|---|---|---|")
    for name, (*_, longest) in SYSTEMS.items():
        first = None
        for steps in (100, longest):
            command = [sys.executable, __file__, name, str(steps)]
            text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            result = json.loads(text)
            first = first or result["MiB"]
            print(
                f"| {name} | {steps:,} | {result['MiB']:.0f} | {result['MiB'] / first:.3f} "
                f"| {1e3 * result['seconds'] / steps:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
