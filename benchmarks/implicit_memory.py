"""Memory and time of training against Δt and horizon: explicit, implicit, checkpointed, naive.

Advection-diffusion by Crank-Nicolson with BiCGSTAB, and Burgers' equation with Newton-Krylov,
64 x 32 cells, ten trajectories in double precision, unknown fields without a network. Kept are
bytes of tensors saved for the backward pass; of a checkpointed rollout (segments of √N steps) those
between the passes, and those of the segment that is computed again. Akhare et al. (2025) give such
tables as totals of a GPU process.

The peak of resident memory is that of a process of its own, above what it had after one step.

    python benchmarks/implicit_memory.py [--threads 1]
"""

import argparse
import multiprocessing
import resource
import time

import torch
from implicit_steps import BATCH, saved_bytes
from machine import header

from datamodules.solvers import Grid, Variable
from datamodules.solvers.finite_volume import (
    Balance,
    Central,
    Convection,
    Diffusion,
    Domain,
    ExplicitEuler,
    Stepper,
    ThetaScheme,
)
from datamodules.solvers.implicit import (
    Adjoint,
    Affine,
    BiCGSTAB,
    Checkpointing,
    FullUnrolling,
    ImplicitLayer,
    NewtonKrylov,
    NoCheckpointing,
    SegmentCheckpointing,
)

GRID = Grid((32, 64), (1.0, 2.0))
SPEEDS = {
    "advection-diffusion": Convection(("v", "u")),
    "Burgers": Convection(("phi", "phi"), Central(), factor=0.5),
}
SOLVERS = {"advection-diffusion": Affine, "Burgers": NewtonKrylov}


class Problem:
    """A balance, its unknown fields, and the loss of a rollout."""

    def __init__(self, system: str) -> None:
        terms = {"convection": SPEEDS[system], "diffusion": Diffusion("D")}
        domain = Domain(GRID)
        self.balance = Balance(domain, (Variable("phi", "tracer", "1"),), terms)
        y, x = (2 * torch.pi * p / s for p, s in zip(domain.centres(), GRID.lengths, strict=True))
        phase = torch.arange(BATCH).view(-1, 1, 1, 1)
        self.state = 1 + 0.5 * torch.sin(x + phase) * torch.cos(y - phase)
        u, v = 0.5 + 0.4 * torch.cos(x) * torch.sin(y), 0.5 + 0.4 * torch.sin(x - y)
        every = {"u": u, "v": v, "D": 2e-3 + 1e-3 * torch.cos(x)}
        names = self.balance.coefficients
        self.fields = {name: every[name].requires_grad_() for name in names}

    def loss(self, stepper: Stepper, checkpointing: Checkpointing, steps: int, dt: float):
        step = stepper.prepared(self.balance, self.fields, dt)
        advance = lambda state, number: step(state)  # noqa: E731
        end = checkpointing.rollout(advance, self.state, steps, [steps])
        return end.square().mean()


def methods(system: str) -> dict[str, tuple[Stepper, Checkpointing]]:
    def implicit(gradient):
        return ThetaScheme(0.5, ImplicitLayer(SOLVERS[system](), gradient))

    adjoint = Adjoint(BiCGSTAB())
    return {
        "explicit Euler": (ExplicitEuler(), NoCheckpointing()),
        "explicit Euler, checkpointed": (ExplicitEuler(), SegmentCheckpointing()),
        "implicit, adjoint": (implicit(adjoint), NoCheckpointing()),
        "implicit, adjoint, checkpointed": (implicit(adjoint), SegmentCheckpointing()),
        "implicit, naive": (implicit(FullUnrolling()), NoCheckpointing()),
    }


def row(problem: Problem, stepper: Stepper, keep: Checkpointing, time_: float, dt: float) -> str:
    steps = round(time_ / dt)
    between = saved_bytes(lambda: problem.loss(stepper, keep, steps, dt))
    text = f"{between / 2**20:.1f}"
    if isinstance(keep, SegmentCheckpointing):
        longest = max(keep.segments(steps))
        again = saved_bytes(lambda: problem.loss(stepper, NoCheckpointing(), longest, dt))
        text += f" + {again / 2**20:.1f}"
    start = time.perf_counter()
    loss = problem.loss(stepper, keep, steps, dt)
    if not torch.isfinite(loss):
        return "diverges"
    loss.backward()
    return f"{text} / {time.perf_counter() - start:.2f}"


def table(system: str, title: str, cases: list[tuple[str, float, float]]) -> None:
    print(f"\n## {system}, {title}: MiB kept / seconds of a training step\n")
    print("| method | " + " | ".join(name for name, _, _ in cases) + " |")
    print("|---" * (1 + len(cases)) + "|")
    problem = Problem(system)
    for name, (stepper, checkpointing) in methods(system).items():
        cells = [row(problem, stepper, checkpointing, t, dt) for _, t, dt in cases]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def peak() -> int:
    """Return the largest resident memory of this process so far, KiB on Linux."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def growth(system: str, method: str, steps: int) -> float:
    """Return how many MiB a training rollout needs beyond one of a single step."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    problem, (stepper, checkpointing) = Problem(system), methods(system)[method]
    problem.loss(stepper, checkpointing, 1, 1e-2).backward()
    before = peak()
    problem.loss(stepper, checkpointing, steps, 1e-2).backward()
    return (peak() - before) / 1024


def resident() -> None:
    print("\n## Peak resident memory above that of one step, MiB, Δt = 1e-2\n")
    print("| method | " + " | ".join(f"{s}, t = {t:g}" for s in SPEEDS for t in (0.2, 0.4)) + " |")
    print("|---" * 5 + "|")
    context = multiprocessing.get_context("spawn")
    for method in methods("Burgers"):
        cells = []
        for system in SPEEDS:
            for steps in (20, 40):
                with context.Pool(1) as pool:
                    cells.append(f"{pool.apply(growth, (system, method, steps)):.0f}")
        print(f"| {method} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    torch.set_default_dtype(torch.float64)
    print(header("Memory and time of implicit training"))
    for system in SPEEDS:
        table(system, "to t = 0.2", [(f"Δt = {dt:g}", 0.2, dt) for dt in (2e-3, 5e-3, 1e-2, 2e-2)])
        table(system, "Δt = 1e-2", [(f"t = {t:g}", t, 1e-2) for t in (0.2, 0.4, 0.8)])
    resident()


if __name__ == "__main__":
    main()
