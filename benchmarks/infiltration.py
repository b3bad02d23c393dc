"""Chemical vapour infiltration: reference runs, convergence, and what an implicit step costs.

The reference values are from direct sparse solves of the same scheme by an independent program.
Runs of one grid, size and step go together as one batch.

    python benchmarks/infiltration.py > benchmarks/results/infiltration.md
"""

import math
import time

import torch
from machine import header

from datamodules.solvers import ChemicalVapourInfiltration, Grid
from datamodules.solvers.finite_volume import ExplicitEuler, ThetaScheme
from datamodules.solvers.implicit import (
    BiCGSTAB,
    BlockTridiagonal,
    ImplicitLayer,
    Jacobi,
    Monitor,
    NewtonKrylov,
    Preconditioned,
)

HOUR = 3600.0
SMALL, LARGE = (0.02, 0.04), (0.04, 0.08)
COARSE, FINE = (16, 32), (32, 64)
BASE = (1323.0, 1223.0)
REFERENCE = [  # temperatures, lengths, cells, dt, hours, mean, max, min, centre, corner, Cmin/Cmax
    (BASE, SMALL, COARSE, 1800.0, 10, 0.4401, 0.4871, 0.3616, 0.4550, 0.3616, 0.740),
    (BASE, SMALL, COARSE, 1800.0, 20, 0.3101, 0.3824, 0.1852, 0.3373, 0.1852, 0.602),
    (BASE, SMALL, COARSE, 1800.0, 40, 0.1569, 0.2192, 0.0322, 0.1982, 0.0322, 0.269),
    (BASE, SMALL, COARSE, 600.0, 40, 0.1559, 0.2185, 0.0312, 0.1972, 0.0312, 0.265),
    (BASE, SMALL, FINE, 1800.0, 40, 0.1569, 0.2192, 0.0290, 0.1980, 0.0290, 0.263),
    ((1273.0,) * 2, SMALL, COARSE, 1800.0, 10, 0.4437, 0.4556, 0.4316, 0.4556, 0.4316, 0.813),
    ((1273.0,) * 2, SMALL, COARSE, 1800.0, 20, 0.3137, 0.3393, 0.2869, 0.3393, 0.2869, 0.708),
    ((1273.0,) * 2, SMALL, COARSE, 1800.0, 40, 0.1526, 0.2009, 0.1013, 0.2009, 0.1013, 0.431),
    ((1373.0,) * 2, SMALL, COARSE, 1800.0, 10, 0.3269, 0.3741, 0.2747, 0.3741, 0.2747, 0.521),
    ((1373.0,) * 2, SMALL, COARSE, 1800.0, 20, 0.1860, 0.2686, 0.0924, 0.2686, 0.0924, 0.253),
    ((1323.0,) * 2, LARGE, COARSE, 1800.0, 20, 0.3232, 0.4271, 0.1895, 0.4271, 0.1895, 0.207),
    ((1323.0,) * 2, LARGE, COARSE, 1800.0, 40, 0.2317, 0.3798, 0.0394, 0.3798, 0.0394, 0.058),
]


def scheme(solver=None, theta: float = 1.0) -> ThetaScheme:
    """Return a monitored implicit scheme."""
    solver = solver or Preconditioned(NewtonKrylov(rtol=1e-8), BlockTridiagonal())
    layer = ImplicitLayer(solver)
    layer.monitor = Monitor()
    return ThetaScheme(theta, layer, scales=(0.14, 0.6, 1000.0))


def furnace(stepper, cells=COARSE, lengths=SMALL, dt=1800.0, interval=10 * HOUR, points=()):
    """Return the solver at some pairs of wall temperatures."""
    grid = Grid(cells, lengths)
    solver = ChemicalVapourInfiltration(grid, stepper, dt, interval)
    return solver.at([{"temperature_left": a, "temperature_right": b} for a, b in points or [BASE]])


def measures(state) -> list[float]:
    """Return mean, max, min, centre and corner of porosity and least over largest C."""
    C, e, _ = state
    rows, columns = e.shape
    middle = e[rows // 2, columns // 2]
    return [v.item() for v in (e.mean(), e.max(), e.min(), middle, e[0, 0], C.min() / C.max())]


def reference_runs() -> None:
    """Print each reference run beside ours."""
    print("## Reference runs\n")
    print("Backward Euler; each cell is ours (difference from the reference in %).\n")
    print(
        "| T [K] | size [m] | cells | dt [s] | t [h] | mean ε | max | min | centre | corner | C |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    runs = {}
    for temperatures, lengths, cells, dt, *_ in REFERENCE:
        points = runs.setdefault((lengths, cells, dt), [])
        points += [] if temperatures in points else [temperatures]
    worst = 0.0
    for (lengths, cells, dt), points in runs.items():
        stepper = scheme()
        solver = furnace(stepper, cells, lengths, dt, points=points)
        states = solver.rollout(solver.initial_state(), 4)
        for temperatures, size, shape, step, hours, *expected in REFERENCE:
            if (size, shape, step) == (lengths, cells, dt):
                found = measures(states[points.index(temperatures), hours // 10 - 1])
                off = [100 * (a / b - 1) for a, b in zip(found, expected, strict=True)]
                worst = max(worst, *map(abs, off))
                pairs = zip(found, off, strict=True)
                row = " | ".join(f"{value:.4f} ({error:+.2f})" for value, error in pairs)
                hot, cold = temperatures
                kelvin = f"{hot:g}" if hot == cold else f"{hot:g}-{cold:g}"
                where = f"{size[1]} x {size[0]} | {shape[1]} x {shape[0]} | {step:g} | {hours}"
                print(f"| {kelvin} | {where} | {row} |", flush=True)
    print(f"\nLargest difference: {worst:.2f} % (the references have 3 to 4 digits).\n")


def convergence() -> None:
    """Print errors of porosity after ten hours against those of small steps."""
    print("## Error of porosity after 10 h, thermal gradient, in time\n")
    print("Root mean square over the cells, against Crank-Nicolson with steps of 225 s that begin")
    print("where backward Euler has brought the gas to rest, after one hour.\n")
    print("| dt [s] | backward Euler | order | Crank-Nicolson | order |\n|---|---|---|---|---|")
    begin = furnace(scheme(), dt=100.0, interval=HOUR)
    rest = begin.step(begin.initial_state())

    def final(theta, dt):
        return furnace(scheme(theta=theta), dt=dt, interval=9 * HOUR).step(rest)[0, 1]

    exact = final(0.5, 225.0)
    before = (math.nan, math.nan)
    for dt in (3600.0, 1800.0, 900.0):
        errors = [(final(theta, dt) - exact).square().mean().sqrt().item() for theta in (1, 0.5)]
        orders = [math.log2(old / new) for old, new in zip(before, errors, strict=True)]
        shown = ["-" if math.isnan(order) else f"{order:.2f}" for order in orders]
        columns = zip(errors, shown, strict=True)
        print(f"| {dt:g} | " + " | ".join(f"{e:.2e} | {o}" for e, o in columns) + " |")
        before = errors
    print()


def solvers() -> None:
    """Print iterations and time of a step by several solvers."""
    print("## Ten hours in steps of 1800 s, thermal gradient, by solver of the step\n")
    exact = BlockTridiagonal()
    choices = {
        "M⁻¹F = 0, M block-tridiagonal; Newton-Krylov": scheme(),
        "Newton-Krylov, block-tridiagonal": scheme(
            NewtonKrylov(BiCGSTAB(1e-4, preconditioner=exact), rtol=1e-8)
        ),
        "M⁻¹F = 0, M diagonal; Newton-Krylov": scheme(
            Preconditioned(NewtonKrylov(BiCGSTAB(1e-4, max_iterations=2000), rtol=1e-8), Jacobi())
        ),
        "Newton-Krylov, diagonal": scheme(
            NewtonKrylov(BiCGSTAB(1e-4, max_iterations=2000, preconditioner=Jacobi()), rtol=1e-8)
        ),
        "Newton-Krylov, plain": scheme(NewtonKrylov(BiCGSTAB(1e-4), rtol=1e-8)),
    }
    print("Processor time on one core.\n")
    print("| solver | samples | Newton iterations | ms a step |\n|---|---|---|---|")
    for name, stepper in choices.items():
        for batch in (1, 12) if "M⁻¹F = 0, M block" in name else (1,):
            stepper.layer.monitor.clear()
            solver = furnace(stepper, points=[BASE] * batch)
            state = solver.initial_state()
            start = time.process_time()
            try:
                solver.step(state)
            except ArithmeticError as error:
                print(f"| {name} | {batch} | fails: {str(error).split(';')[0]} | |", flush=True)
                continue
            seconds = time.process_time() - start
            steps = stepper.layer.monitor.forward
            mean = sum(info.iterations.double().mean().item() for info in steps) / len(steps)
            print(f"| {name} | {batch} | {mean:.1f} | {1e3 * seconds / 20:.0f} |", flush=True)
    print()


def explicit() -> None:
    """Print where explicit steps blow up and what 40 h of them would cost."""
    print("## Explicit Euler on 32 x 16 cells\n")
    print("The concentration is perturbed by 1 % at random; the bound is ε Δx²/(4 D) = 2.4e-4 s.\n")
    print(
        "| dt [s] | steps | largest C over that of the feed | 40 h would take |\n|---|---|---|---|"
    )
    for dt in (1e-4, 2e-4, 3e-4, 5e-4):
        solver = furnace(ExplicitEuler(), dt=dt, interval=100 * dt)
        state = solver.initial_state()
        torch.manual_seed(0)
        state[:, 0] *= 1 + 0.01 * torch.randn(state[:, 0].shape)
        feed = state[:, 0].amax()
        start = time.process_time()
        end = solver.step(state)
        days = (time.process_time() - start) / 100 * 40 * HOUR / dt / 86400
        print(f"| {dt:g} | 100 | {(end[:, 0].abs().amax() / feed).item():.3g} | {days:.0f} days |")


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    print(header("Chemical vapour infiltration"))
    with torch.no_grad():
        reference_runs()
        convergence()
        solvers()
        explicit()
