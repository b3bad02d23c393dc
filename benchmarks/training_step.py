"""Seconds per training iteration: methods, optimisers and paddings against the plain baseline.

All variants take turns in one process, one iteration each, so that they meet the same machine; the
ratios are medians of the ratios of neighbouring iterations. An iteration is what `fit` does with a
batch: forward (in bfloat16 autocast), backward, gradient clipping, AdamW, averaged weights.

    python benchmarks/training_step.py [--threads 2] [--precision 32-true]
"""

import argparse
from functools import partial

import torch
from machine import clock, compared, record

from emulators import L2, Baseline, Hierarchical, Muon, Pushforward, UNet, Unrolled

NETWORKS = {
    "default (32² after patches, width 48)": {},
    "no patches (64², width 32)": {"patch": 1, "width": 32, "multipliers": (1, 2, 2, 4)},
}
LATENTS = [(1, 4), (2, 16)]
ZEROS, CIRCULAR = "baseline, zero padding", "baseline, torch's circular padding"


class TorchCircular(torch.nn.Module):
    """torch's own circular padding, for comparison."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer
        half = layer.kernel_size[0] // 2
        layer.padding, layer.padding_mode = (half, half), "circular"
        layer._reversed_padding_repeated_twice = [half] * 4

    def forward(self, x):
        return self.layer(x)


def iteration(emulator, half: bool, kind=torch.optim.AdamW, batch: int = 8, size: int = 64):
    torch.manual_seed(0)
    emulator.train()
    parameters = [p for p in emulator.parameters() if p.requires_grad]
    optimizer = kind(parameters, 1e-3)
    window = torch.randn(batch, emulator.window, 1, size, size)

    def run() -> float:
        start = clock()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = emulator.loss(window)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        emulator.update_average(1000)
        return clock() - start

    return run


def variants(options):
    def net(**more):
        return partial(UNet, **options, **more)

    circular = Baseline(network=net(padding="zeros"), distance=L2())
    for module in list(circular.trained.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, torch.nn.Conv2d) and child.kernel_size[0] > 2:
                setattr(module, name, TorchCircular(child))
    return {
        "baseline": Baseline(network=net(), distance=L2()),
        "hierarchical L = 3": Hierarchical(network=net(), latents=LATENTS, distance=L2()),
        "pushforward, one step without gradient": Pushforward(
            network=net(), draw="fixed", distance=L2()
        ),
        "unrolled, two steps": Unrolled(network=net(), distance=L2()),
        ZEROS: Baseline(network=net(padding="zeros"), distance=L2()),
        CIRCULAR: circular,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=["32-true", "bf16-mixed"], default="bf16-mixed")
    parser.add_argument("--rounds", type=int, default=41)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    half = options.precision == "bf16-mixed"
    tables = {}
    for name, network in NETWORKS.items():
        runs = {key: iteration(emulator, half) for key, emulator in variants(network).items()}
        runs["baseline, Muon"] = iteration(Baseline(network=partial(UNet, **network)), half, Muon)
        seconds = {key: [] for key in runs}
        for round_number in range(options.rounds):
            for key, run in runs.items():
                elapsed = run()
                if round_number > 2:
                    seconds[key].append(elapsed)
        tables[name] = rows(seconds, "baseline")
        paddings = {key: seconds[key] for key in ("baseline", ZEROS, CIRCULAR)}
        tables[f"{name}: paddings"] = rows(paddings, ZEROS)
    title = f"Training iteration, batch 8 of 64², {options.precision}"
    record(f"training_step_{options.precision}", title, tables)


def rows(seconds: dict[str, list[float]], base: str) -> list[dict[str, str | float]]:
    """Return a row per variant, with what it costs beside one of them."""
    return [{"variant": name, **values} for name, values in compared(seconds, base).items()]


if __name__ == "__main__":
    main()
