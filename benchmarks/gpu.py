"""One page on one GPU: training, rollouts, simulation, data, ranks, and agreement with the CPU.

    python benchmarks/run.py gpu

Each part is measured against eager float32 (without TF32) and against a floor: the time of its
floating-point operations at the speed of a product of matrices, or, if longer, the time of its
memory traffic at the speed of a copy. Traffic is counted for eager operations, one by one, so that
a compiled network may be faster. A time is the median over groups of calls, each of which ends with
a synchronisation. The page, `results/gpu.md`, takes at most 25 minutes, mostly for compilation.
`--small` runs every part in seconds, also on a CPU, and measures nothing.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from diagnostics_cost import KINDS
from lightning import Trainer
from machine import Row, record
from systems import RandomData, RolloutBatch
from torch.utils.flop_counter import FlopCounterMode
from traffic import Traffic

from callbacks import Compile, RolloutError, TrainingCost
from datamodules import SplitFiles, TrajectoryDataModule
from datamodules.files.netcdf_writer import write_trajectories
from datamodules.solvers import BetaPlane, Grid, SpectralSolver, Variable
from emulators import Baseline, UNet
from emulators.context import Context
from emulators.rollout import run_rollout

TRAININGS = (  # precision, mode of compilation (reduce-overhead: CUDA graphs), parameters
    ("float32", None, 0), ("float32", "default", 0), ("bfloat16", None, 0), ("bfloat16", None, 2),
    ("bfloat16", "default", 0), ("bfloat16", "reduce-overhead", 0),
    ("bfloat16", "reduce-overhead", 2),
)  # fmt: skip
STATES = 1e-5  # largest relative difference of a step between CPU and GPU, in float32
SCORES = 1e-3  # and of a score after 20 steps


class Sizes(NamedTuple):
    """What is measured, and for how long."""

    grids: tuple[tuple[int, int], ...]  # points per axis and batch of networks
    flows: tuple[tuple[int, int], ...]  # and of the solver
    width: int
    matrix: int
    seconds: float
    steps: int
    modes: tuple[str | None, ...]


FULL = Sizes(
    ((64, 8), (64, 64), (256, 16)), ((64, 1), (64, 16), (256, 1), (256, 16), (512, 1), (512, 16)),
    48, 8192, 1.0, 200, ("default", "reduce-overhead"),
)  # fmt: skip
SMALL = Sizes(((16, 2),), ((16, 2),), 4, 64, 0.0, 12, ())


def wait(device: torch.device) -> None:
    """Wait until a device has computed everything."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(run: Callable[[], object], device: torch.device, least: float, group: int = 5) -> float:
    """Return the median seconds of a call, of groups of calls that take so long together."""
    for _ in range(3):
        run()
    wait(device)
    times: list[float] = []
    while len(times) < 3 or sum(times) * group < least:
        began = perf_counter()
        for _ in range(group):
            run()
        wait(device)
        times.append((perf_counter() - began) / group)
    return statistics.median(times)


def limits(device: torch.device, sizes: Sizes) -> dict[str, float]:
    """Return floating-point operations per second in both precisions, and bytes per second."""
    found = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        a = torch.randn(sizes.matrix, sizes.matrix, device=device, dtype=dtype)
        found[name] = 2 * sizes.matrix**3 / seconds(lambda a=a: a @ a, device, sizes.seconds)
    a = torch.empty(sizes.matrix**2 * 4, device=device)
    b = torch.empty_like(a)
    found["bytes"] = 2 * a.nbytes / seconds(lambda: b.copy_(a), device, sizes.seconds)
    return found


def floor(run: Callable[[], object], speed: dict[str, float], precision: str) -> float:
    """Return the least seconds that the eager operations of a call can take."""
    with FlopCounterMode(display=False) as flops:
        run()
    with Traffic() as traffic:
        run()
    return max(flops.get_total_flops() / speed[precision], traffic.bytes / speed["bytes"])


def rows_of(
    runs: dict[str, tuple[Callable[[], object], str]],
    eager: str,
    device: torch.device,
    speed: dict[str, float],
    sizes: Sizes,
    **first: str | int,
) -> list[Row]:
    """Return a row for each variant: time, against the eager one and the floor, and peak memory.

    Args:
        runs: What is timed, and the precision of its products, by name.
        eager: Name of the variant with which the others are compared, and whose floor is taken.
        device: Device of the runs.
        speed: Speed of the device, from `limits`.
        sizes: How long is measured.
        **first: First cells of each row.
    """
    rows: list[dict] = []
    kinds = {precision for _, precision in runs.values()}
    floors = {precision: floor(runs[eager][0], speed, precision) for precision in kinds}
    for name, (run, precision) in runs.items():
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        taken = seconds(run, device, sizes.seconds)
        peak = torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None
        row = {"variant": name, "ms": 1e3 * taken, "/ eager float32": None}
        rows.append({**first, **row, "/ floor": taken / floors[precision], "peak MiB": peak})
    base = next(row["ms"] for row in rows if row["variant"] == eager)
    return [{**row, "/ eager float32": row["ms"] / base} for row in rows]


def training_step(emulator: Baseline, window: torch.Tensor, context: Context, half: bool):
    """Return a function that makes one training step, with clipping and averaged weights."""
    parameters = [p for p in emulator.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, 1e-4, fused=window.device.type == "cuda")

    def run() -> None:
        with torch.autocast(window.device.type, torch.bfloat16, enabled=half):
            loss = emulator.loss(window, context)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        emulator.update_average(1000)

    return run


def emulator_on(device: torch.device, sizes: Sizes, mode: str | None = None, **options) -> Baseline:
    """Return an emulator of one field, compiled if a mode is given."""
    torch.manual_seed(0)
    emulator = Baseline(network=partial(UNet, width=sizes.width), **options).to(device)
    if mode is not None:
        Compile(mode=mode).on_fit_start(None, emulator)
    return emulator


def training(device: torch.device, speed: dict[str, float], sizes: Sizes) -> list[Row]:
    """Measure training steps: precisions, modes of compilation, conditioning."""
    rows: list[Row] = []
    for points, batch in sizes.grids:
        runs = {}
        for precision, mode, parameters in TRAININGS:
            if mode in (None, *sizes.modes):
                emulator = emulator_on(device, sizes, mode, parameters=parameters)
                window = torch.randn(batch, 2, 1, points, points, device=device)
                given = torch.randn(batch, parameters, device=device) if parameters else None
                words = [precision, mode or "eager", *["conditioned"] * bool(parameters)]
                half = precision == "bfloat16"
                step = training_step(emulator.train(), window, Context(given), half)
                runs[", ".join(words)] = step, precision
        first = {"points": points, "batch": batch}
        rows += rows_of(runs, "float32, eager", device, speed, sizes, **first)
    return rows


def rollouts(device: torch.device, speed: dict[str, float], sizes: Sizes) -> list[Row]:
    """Measure steps of rollouts: the network alone, the emulator, and with all diagnostics."""
    rows: list[Row] = []
    for points, batch in sizes.grids:
        data, steps = RandomData((points, points)), sizes.steps
        for half in (False, True):
            runs, precision = {}, "bfloat16" if half else "float32"
            for mode in (None, *sizes.modes):
                emulator = emulator_on(device, sizes, mode).eval()
                initial = torch.randn(batch, 1, points, points, device=device)
                observers = [kind() for kind in KINDS] if mode is None else []
                for observer in observers:
                    observer.attach(data, emulator)
                    observer.start(device)
                start = RolloutBatch(initial, steps, steps // 2)
                words = f"{precision}, {mode or 'eager'}"
                for name, run in {
                    "network": partial(emulator.averaged, initial),
                    "rollout": partial(run_rollout, emulator, start, []),
                    "rollout with all diagnostics": partial(
                        run_rollout, emulator, start, observers
                    ),
                }.items():
                    if observers or "diagnostics" not in name:
                        alone = partial(in_inference, run, device, half)
                        runs[f"{words}, {name}"] = alone, precision
            eager = f"{precision}, eager, network"
            found = rows_of(runs, eager, device, speed, sizes, points=points, batch=batch)
            for row in found:  # of a rollout of many steps
                parts = steps if "rollout" in row["variant"] else 1
                names = ("ms", "/ eager float32", "/ floor")
                rows.append({**row, **{name: row[name] / parts for name in names}})
    return [{("/ network" if k == "/ eager float32" else k): v for k, v in r.items()} for r in rows]


def in_inference(run: Callable[[], object], device: torch.device, half: bool = False) -> None:
    """Run without gradients, in bfloat16 where that is asked for."""
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half):
        run()


def simulation(device: torch.device, speed: dict[str, float], sizes: Sizes) -> list[Row]:
    """Measure steps of the solver against its own Fourier transforms alone, and the CPU."""
    rows: list[Row] = []
    for points, fields in sizes.flows:
        solver = flow(points)
        state = torch.randn(fields, 1, points, points)
        taken = {}
        for place in dict.fromkeys((device, torch.device("cpu"))):
            here, given = solver.to(place), state.to(place)
            run = partial(in_inference, partial(here.step, given), place)
            if place == device:
                with Traffic() as traffic:
                    run()
                calls = partial(lambda calls: [call() for call in calls], traffic.transforms)
                alone = partial(in_inference, calls, place)
                taken["transforms"] = seconds(alone, place, sizes.seconds)
                least = floor(run, speed, "float32")
            taken[place.type] = seconds(run, place, sizes.seconds)
        mine = taken[device.type]
        row = {"points": points, "fields": fields, "transforms": len(traffic.transforms)}
        row |= {"ms": 1e3 * mine, "/ its transforms": mine / taken["transforms"]}
        rows.append({**row, "/ floor": mine / least, "/ CPU": mine / taken["cpu"]})
    return rows


def flow(points: int) -> SpectralSolver:
    """Return a solver of the vorticity equation in float32, of one step of ETDRK4."""
    grid = Grid((points, points), (6.283185307179586,) * 2)
    return SpectralSolver(BetaPlane(grid, 20.0, 0.1, 1e-3), 0.005, 0.005).float()


def train_on(folder: Path, device: torch.device, sizes: Sizes, **options) -> dict[str, float]:
    """Train on stored data and return what `TrainingCost` reports."""
    storage = options.pop("storage", "auto")
    data = TrajectoryDataModule(
        str(folder), ["vorticity"], batch_size=8, storage=storage,
        **{name: SplitFiles("train.nc") for name in ("train", "val", "test")},
    )  # fmt: skip
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    kind = {"cuda": "gpu"}.get(device.type, device.type)
    trainer = Trainer(
        max_steps=sizes.steps, accelerator=kind, enable_model_summary=False, **off,
        callbacks=[TrainingCost()], default_root_dir=folder, limit_val_batches=0,
        **{"devices": 1, **options},
    )  # fmt: skip
    trainer.fit(Baseline(network=partial(UNet, width=sizes.width)), datamodule=data)
    return json.loads((folder / "training.json").read_text())


def write_data(folder: Path, points: int) -> None:
    """Write random fields, 4 trajectories of 250 snapshots."""
    fields = np.random.default_rng(0).standard_normal((4, 250, 1, points, points), dtype=np.float32)
    grid, variables = Grid((points, points), (1.0, 1.0)), [Variable("vorticity", "vorticity", "1")]
    path, shape = folder / "train.nc", fields.shape[:2]
    write_trajectories(path, iter([fields]), shape, variables, grid, 1.0, 0, "random", {})


def storages(device: torch.device, speed: dict[str, float], sizes: Sizes) -> list[Row]:
    """Measure how long training waits for data, by storage; and two ranks where there are two."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder, sizes.grids[0][0])
        rows = [
            cost_row(storage, train_on(folder, device, sizes, storage=storage))
            for storage in ("memory", "shared", "device", "stream")
        ]
        if device.type == "cuda" and torch.cuda.device_count() > 1:
            command = [sys.executable, __file__, "--ranks", name]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            cost = json.loads((folder / "training.json").read_text())
            rows.append(cost_row("memory, two GPUs", cost))
    return rows


def cost_row(name: str, cost: dict[str, float]) -> Row:
    """Return a row on a training."""
    speed = {"ms per step": 1e3 * cost["seconds_per_step"]}
    speed["samples per second"] = cost["samples_per_second"]
    return {"storage": name, **speed, "waiting for data": cost["data_wait"]}


def agreement(device: torch.device, speed: dict[str, float], sizes: Sizes) -> list[Row]:
    """Compare steps, rollouts and a score with the CPU's, in float32."""
    points, batch = sizes.grids[0]
    data, initial = RandomData((points, points)), torch.randn(batch, 1, points, points)
    found = {}
    for place in (torch.device("cpu"), device):
        emulator, solver = emulator_on(place, sizes).eval(), flow(points).to(place)
        start = RolloutBatch(initial.to(place), 20, 20)
        score = RolloutError()
        score.attach(data, emulator)
        score.start(place)
        with torch.inference_mode():
            step = emulator.step(start.initial)[0].cpu()
            run_rollout(emulator, start, [score])
            scores = torch.from_numpy(score.scores()["mse"].values)
            found[place] = step, solver.step(start.initial).cpu(), scores
    names = ("step of the emulator", "step of the solver", "mean squared errors of 20 steps")
    rows: list[Row] = []
    for name, ours, cpu, limit in zip(
        names, found[device], found[torch.device("cpu")], (STATES, STATES, SCORES), strict=True
    ):
        difference = float((ours - cpu).norm() / cpu.norm())
        verdict = "yes" if difference <= limit else "NO"
        rows.append(
            {"what": name, "relative difference": difference, "limit": limit, "within": verdict}
        )
    return rows


PARTS = {
    "A training step": training,
    "A step of a rollout": rollouts,
    "A step of the solver": simulation,
    "Training on stored data": storages,
    "Agreement with the CPU": agreement,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="Tiny sizes: to see that it runs.")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--ranks", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    device, sizes = torch.device(options.device), SMALL if options.small else FULL
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("gpu: this machine has no GPU that PyTorch can use; nothing is measured.")
    if options.ranks:
        train_on(options.ranks, device, sizes, storage="memory", devices=2, strategy="ddp")
        return
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    began, speed, tables = perf_counter(), limits(device, sizes), {}
    for name in options.parts:
        tables[name] = PARTS[name](device, speed, sizes)
        print(f"{name}: {perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    remark = (
        f"{perf_counter() - began:.0f} s on {device}. A product of matrices does "
        f"{speed['float32'] / 1e12:.3g} (float32) and {speed['bfloat16'] / 1e12:.3g} (bfloat16) "
        f"TFLOP/s, a copy {speed['bytes'] / 1e9:.3g} GB/s. Weights are averaged in every training "
        "step. " + ("Tiny sizes: the numbers mean nothing." if options.small else "")
    )
    record("gpu", "One GPU", tables, remark)


if __name__ == "__main__":
    main()
