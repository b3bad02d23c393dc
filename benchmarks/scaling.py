"""Cost of training and rollout against grid and batch: a linear model beside measurements.

For grids of N points and batches of B samples the model says

    operations = c_f N B,    bytes kept for the backward pass = s₀ + c_s N B,
    seconds = t₀ + c_t N B,

with the constants fixed by two cases (the smallest and the middle grid), and is checked on
the others. Operations are those of convolutions and matrix products as torch counts them.

    python benchmarks/scaling.py [--threads 1] [--rounds 7]
"""

import argparse
import statistics
import time
from functools import partial

import torch
from machine import header
from torch.utils.flop_counter import FlopCounterMode

from emulators import L2, Baseline, FourierUNet, Hierarchical, UNet

CASES = [(32, 8), (64, 8), (64, 1), (128, 2), (128, 8)]
PUBLISHED = {"default U-Net": UNet, "U-Net of Jiang et al. (2025)": FourierUNet}
LATENTS = [(1, 8), (2, 32)]


def autocast():
    return torch.autocast("cpu", torch.bfloat16)


def train(emulator: Baseline, window: torch.Tensor) -> None:
    with autocast():
        loss = emulator.loss(window)
    loss.backward()
    emulator.zero_grad()


def seconds(run, rounds: int) -> float:
    run()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def operations(run) -> float:
    with FlopCounterMode(display=False) as counter:
        run()
    return float(counter.get_total_flops())


def kept(emulator: Baseline, window: torch.Tensor) -> int:
    """Return the bytes that a backward pass keeps, without the parameters."""
    own = {p.untyped_storage().data_ptr() for p in emulator.parameters()}
    storages = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), autocast():
        emulator.loss(window)
    return sum(size for size, _ in storages.values())


def measure(size: int, batch: int, rounds: int) -> dict[str, float]:
    torch.manual_seed(0)
    emulator = Baseline(network=partial(UNet), distance=L2()).train()
    window = torch.randn(batch, 2, 1, size, size)
    found = {"training Gflop": operations(lambda: train(emulator, window)) / 1e9}
    found["kept MiB"] = kept(emulator, window) / 2**20
    found["training ms"] = 1e3 * seconds(lambda: train(emulator, window), rounds)
    emulator.eval()
    with torch.inference_mode(), autocast():
        found["step ms"] = 1e3 * seconds(lambda: emulator.step(window[:, 0]), rounds)
    return found


def line(key: str, x: dict, y: dict) -> tuple[float, float]:
    """Return offset and slope through two cases; operations have no offset."""
    if key.endswith("flop"):
        return 0.0, y[key] / y["points"]
    slope = max(0.0, (y[key] - x[key]) / (y["points"] - x["points"]))
    return max(0.0, y[key] - slope * y["points"]), slope


def published() -> None:
    print("\n## One training step at 256², per grid point and sample\n")
    print("| network | emulator | parameters | kflop | bytes kept |")
    print("|---|---|---|---|---|")
    for name, network in PUBLISHED.items():
        for kind, options in ((Baseline, {}), (Hierarchical, {"latents": LATENTS})):
            emulator = kind(network=partial(network), distance=L2(), **options).train()
            window = torch.randn(1, emulator.window, 1, 256, 256)
            count = operations(lambda e=emulator, w=window: train(e, w)) / 256**2
            parameters = sum(p.numel() for p in emulator.trained.parameters())
            print(
                f"| {name} | {kind.__name__} | {parameters:,} | {count / 1e3:.0f} "
                f"| {kept(emulator, window) / 256**2:.0f} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(header("Cost against grid and batch, default network, bf16 autocast"))
    rows = []
    for size, batch in CASES:
        rows.append({"points": size**2 * batch, **measure(size, batch, options.rounds)})
    keys = [key for key in rows[0] if key != "points"]
    print("| grid | batch | " + " | ".join(f"{key} (model)" for key in keys) + " |")
    print("|---" * (2 + len(keys)) + "|")
    for (size, batch), row in zip(CASES, rows, strict=True):
        cells = []
        for key in keys:
            offset, slope = line(key, rows[0], rows[1])
            cells.append(f"{row[key]:.3g} ({offset + slope * row['points']:.3g})")
        print(f"| {size}² | {batch} | " + " | ".join(cells) + " |")
    published()


if __name__ == "__main__":
    main()
