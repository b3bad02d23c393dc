"""Implicit steps: memory and time against solver iterations, and the price beside explicit steps.

Advection-diffusion on [-1, 1] x [0, 1] with periodic sides, ten trajectories in double precision,
each component of the velocity given by a network that is evaluated once for a rollout. A training
step is a rollout of five steps of 1e-2, its loss, the backward pass and Adam. Ratios are medians
over turns taken one after the other in one process.

    python benchmarks/implicit_steps.py [--threads 1] [--rounds 21]
"""

import argparse
import gc
import math
import statistics
import time
import weakref
from itertools import product

import torch
from machine import header
from torch import nn

from datamodules.solvers import Grid, Variable
from datamodules.solvers.finite_volume import (
    Balance,
    Convection,
    Diffusion,
    Domain,
    ExplicitEuler,
    ThetaScheme,
)
from datamodules.solvers.implicit import (
    Adjoint,
    Affine,
    BiCGSTAB,
    FullUnrolling,
    ImplicitLayer,
    LinearSolver,
    MinimalResidual,
    Monitor,
)

BATCH, STEPS, DT = 10, 5, 1e-2


class Sine(nn.Module):
    def forward(self, x):
        return torch.sin(x)


def component() -> nn.Module:
    """Return a field of the size of those of Akhare et al. (2025): 33 409 weights."""
    layers = [nn.Linear(2, 128), Sine(), nn.Linear(128, 128), Sine()]
    return nn.Sequential(*layers, nn.Linear(128, 128), Sine(), nn.Linear(128, 1), nn.Softplus())


class Problem:
    """Advection-diffusion with an unknown steady velocity."""

    def __init__(self, shape, network: bool, steps: int = STEPS):
        torch.manual_seed(0)
        self.steps = steps
        domain = Domain(Grid(shape, (1.0, 2.0)))
        terms = {"convection": Convection(("v", "u")), "diffusion": Diffusion("D")}
        self.balance = Balance(domain, (Variable("phi", "tracer", "1"),), terms)
        y, x = domain.centres((0.0, -1.0))
        phase = torch.arange(BATCH).view(-1, 1, 1, 1)
        self.state = 1 + torch.sin(math.pi * x + phase) * torch.cos(2 * math.pi * y - phase)
        self.points = torch.stack((x, y), -1)
        if network:
            parts = nn.ModuleList(component() for _ in range(2))
            self.network = lambda points: torch.cat([part(points) for part in parts], -1)
            self.parameters = list(parts.parameters())
        else:
            self.field = torch.rand(*shape, 2).requires_grad_()
            self.network = lambda points: self.field
            self.parameters = [self.field]
        self.optimizer = torch.optim.Adam(self.parameters, 0.0)  # the problem stays the same

    def loss(self, stepper) -> torch.Tensor:
        u, v = self.network(self.points).unbind(-1)
        given = {"u": u, "v": v, "D": torch.tensor(1e-3)}
        state, step = self.state, stepper.prepared(self.balance, given, DT)
        for _ in range(self.steps):
            state = step(state)
        return state.square().mean()

    def train(self, stepper) -> float:
        start = time.perf_counter()
        loss = self.loss(stepper)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return time.perf_counter() - start


def crank_nicolson(linear: LinearSolver, gradient=None) -> ThetaScheme:
    layer = ImplicitLayer(Affine(linear), gradient or Adjoint(linear))
    layer.monitor = Monitor()
    return ThetaScheme(0.5, layer)


class Kept:
    """A tensor that a graph keeps for its backward pass."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


def saved_bytes(run) -> int:
    """Return the bytes that the graph of run() keeps, without what graphs inside it let go."""
    kept = weakref.WeakSet()

    def pack(tensor):
        holder = Kept(tensor)
        kept.add(holder)
        return holder

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda holder: holder.tensor):
        loss = run()
    gc.collect()
    storages = {
        holder.tensor.untyped_storage().data_ptr(): holder.tensor.untyped_storage().nbytes()
        for holder in kept
    }
    del loss
    return sum(storages.values())


def memory() -> None:
    print("## Twenty Crank-Nicolson steps of 64 x 32: bytes kept for the backward pass\n")
    print("| tolerance | iterations | gradient | MiB | states a step | ms |")
    print("|---|---|---|---|---|---|")
    problem = Problem((32, 64), network=False, steps=20)
    state = problem.state.numel() * 8
    for rtol in (1e-2, 1e-4, 1e-6, 1e-10):
        for gradient in (Adjoint(BiCGSTAB(rtol=rtol)), FullUnrolling()):
            scheme = crank_nicolson(BiCGSTAB(rtol=rtol), gradient)
            size = saved_bytes(lambda scheme=scheme: problem.loss(scheme))
            iterations = scheme.layer.monitor.summary()["forward/iterations_mean"]
            seconds = min(problem.train(scheme) for _ in range(3))
            print(
                f"| {rtol:.0e} | {iterations:.1f} | {type(gradient).__name__} | {size / 2**20:.2f} "
                f"| {size / state / problem.steps:.1f} | {1e3 * seconds:.0f} |",
                flush=True,
            )


def price(rounds: int) -> None:
    print("\n## Training step: implicit against explicit at equal time steps\n")
    print("| grid | velocity | explicit ms | solver | rtol | implicit ms | iterations | ratio |")
    print("|---" * 8 + "|")
    for shape in ((32, 64), (64, 128)):
        for network in (True, False):
            problem = Problem(shape, network)
            schemes = {
                (kind, rtol): crank_nicolson(kind(rtol=rtol))
                for kind, rtol in product((BiCGSTAB, MinimalResidual), (1e-6, 1e-4))
            }
            steppers = {"explicit": ExplicitEuler(), **schemes}
            times = {name: [] for name in steppers}
            for turn in range(rounds):
                for name, stepper in steppers.items():
                    seconds = problem.train(stepper)
                    if turn > 1:
                        times[name].append(seconds)
            explicit = times.pop("explicit")
            for (kind, rtol), values in times.items():
                ratio = statistics.median(a / b for a, b in zip(values, explicit, strict=True))
                summary = schemes[kind, rtol].layer.monitor.summary()
                counts = [summary[f"{way}/iterations_mean"] for way in ("forward", "backward")]
                print(
                    f"| {shape[1]} x {shape[0]} | {'networks' if network else 'bare field'} "
                    f"| {1e3 * statistics.median(explicit):.1f} | {kind.__name__} | {rtol:.0e} "
                    f"| {1e3 * statistics.median(values):.1f} | {counts[0]:.1f} + {counts[1]:.1f} "
                    f"| {ratio:.2f} |",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=21)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_default_dtype(torch.float64)
    print(header("Implicit steps of advection-diffusion"))
    memory()
    price(options.rounds)


if __name__ == "__main__":
    main()
