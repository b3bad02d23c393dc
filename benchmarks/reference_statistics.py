"""Stationary statistics of the paper's two flows, against what is published of them.

Jiang et al. (2025) divide the vorticity of their jet flow by 10 and of their jet-free flow by 6.
Kinetic energy is about 4.45 with jets; the mean squared change over one interval of 0.05 is about
0.41 in units of 10² (with a coarse time step: 0.43 with IFRK4 at dt 8.3e-3 and 128², 0.51 once
converged in dt, 0.375 at 256²). Run with `python benchmarks/reference_statistics.py [--size 128]`.
"""

import argparse
import math
import time

import torch

from datamodules.solvers import BetaPlane, GaussianField, Grid, SpectralSolver, Wave
from datamodules.solvers.pseudo_spectral.vorticity import energy

FLOWS = {
    "jet": {"beta": 20.0, "viscosity": 1e-4, "unit": 10.0},
    "no jet": {"beta": 0.0, "viscosity": 2e-4, "unit": 6.0},
}


def statistics(
    name: str, size: int, dt: float, members: int = 4, spin_up: float = 60.0, length: float = 60.0
) -> dict[str, float]:
    flow = FLOWS[name]
    grid = Grid((size, size), (2 * math.pi, 2 * math.pi))
    forcing = (Wave(4.0, mode_x=4), Wave(4.0, mode_y=4))
    equation = BetaPlane(grid, flow["beta"], 0.1, flow["viscosity"], forcing)
    solver = SpectralSolver(equation, dt, interval=0.05).float()
    generator = torch.Generator().manual_seed(0)
    start = GaussianField(5.0, wavenumber=6.0, width=3.0)
    state = torch.stack([start.sample(grid, 1, generator) for _ in range(members)]).float()
    squares, energies, changes = [], [], []
    for lead, new in enumerate(solver.unroll(state)):
        if lead * 0.05 >= spin_up and lead % 20 == 0:
            squares.append(new.square().mean().item())
            energies.append(energy(new, grid))
            changes.append((new - state).square().mean().item() / flow["unit"] ** 2)
        state = new
        if lead * 0.05 >= spin_up + length:
            break
    energies = torch.stack(energies)
    return {
        "std of vorticity": math.sqrt(sum(squares) / len(squares)),
        "mean energy": energies.mean().item(),
        "std of energy": energies.std().item(),
        "persistence MSE": sum(changes) / len(changes),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--dt", type=float, default=0.005)
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    from machine import header  # found only when this file is run, not when a test imports it

    print(header("Stationary statistics of the paper's flows"), flush=True)
    for name in FLOWS:
        start = time.perf_counter()
        result = statistics(name, options.size, options.dt)
        text = ", ".join(f"{key} {value:.3g}" for key, value in result.items())
        print(
            f"{name} at {options.size}²: {text} ({time.perf_counter() - start:.0f} s)", flush=True
        )


if __name__ == "__main__":
    main()
