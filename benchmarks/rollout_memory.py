"""Peak memory of a rollout against its length, with the diagnostics of `emulate test` watching.

Each length runs in a process of its own; the peak is the operating system's. The figure of merit is
the peak of the long rollout over that of 100 steps. The emulator is untrained; the band of the
energy is so wide that no trajectory is given up.

    python benchmarks/rollout_memory.py
"""

import json
import resource
import subprocess
import sys
import time

import torch
from diagnostics_cost import KINDS
from machine import header
from systems import RandomData, RolloutBatch

from callbacks import EnergyStability
from emulators import Baseline, UNet
from emulators.rollout import run_rollout

SYSTEMS = {
    # name: (field, batch, network options, long rollout)
    "1-D, 128 points": ((128,), 16, {"width": 16, "multipliers": (1, 2)}, 100_000),
    "2-D, 64² (default network)": ((64, 64), 16, {}, 2_000),
}


def peak(name: str, steps: int) -> dict[str, float]:
    shape, batch, options, _ = SYSTEMS[name]
    torch.manual_seed(0)
    data = RandomData(shape)

    def network(interface):
        return UNet(interface, **options)

    emulator = Baseline(network=network, dimensions=len(shape)).eval()
    initial = torch.randn(batch, 1, *shape)
    observers = []
    for kind in KINDS:
        observer = kind(width=1e12) if kind is EnergyStability else kind()
        observer.attach(data, emulator)
        if not observer.unsupported_reason():
            observers.append(observer)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for observer in observers:
            observer.start(torch.device("cpu"))
        start = time.perf_counter()
        run_rollout(emulator, RolloutBatch(initial, steps, 100), observers)
        seconds = time.perf_counter() - start
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"MiB": kilobytes / 1024, "seconds": seconds}


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
