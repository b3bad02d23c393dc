"""The least errors of an ensemble on `jet64`: the solver itself, with random small scales.

The data are a simulation on 128² points truncated to 64². What follows from a truncated state alone
is therefore a distribution. Each member is the solver on 128² points, started from the truncated
state and the small scales of another state of the same flow; the mean of many members is close to
the best forecast that there is. The last row fills the small scales with zeros.

    emulate generate -c configs/data/jet64.yaml
    python benchmarks/stochastic_floor.py [--members 8] [--initial_conditions 16]
"""

import argparse
import sys
from pathlib import Path

import torch
import xarray
from machine import header

sys.path.insert(0, str(Path(__file__).parents[1]))

from callbacks.metrics.ensemble import crps
from datamodules.solvers import BetaPlane, Grid, SpectralSolver, Wave
from datamodules.solvers.pseudo_spectral.operators import resample

LEADS = (1, 10, 25, 50, 100)
FINE, COARSE = (Grid(shape, (2 * torch.pi, 2 * torch.pi)) for shape in ((128, 128), (64, 64)))


def fine(state: torch.Tensor) -> torch.Tensor:
    """Return states on the grid of the simulation, without small scales."""
    return resample(state, COARSE, FINE.shape)


def seen(state: torch.Tensor) -> torch.Tensor:
    """Return states on the grid of the data."""
    return resample(state, FINE, COARSE.shape)


def solver() -> SpectralSolver:
    """Return the solver of `configs/data/jet64.yaml`."""
    waves = (Wave(amplitude=4.0, mode_x=4), Wave(amplitude=4.0, mode_y=4))
    plane = {"beta": 20.0, "drag": 0.1, "viscosity": 1e-4, "forcing": waves}
    return SpectralSolver(BetaPlane(FINE, **plane), dt=0.005, interval=0.05).float()


def states(root: Path, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the truth (time, initial condition, channel, y, x), and the training variance."""
    (path,) = sorted(root.glob("test/*.nc"))
    with xarray.open_dataset(path) as data:
        values = torch.from_numpy(data["vorticity"].values)
    each = count // len(values)
    last = values.shape[1] - max(LEADS) - 1
    starts = torch.linspace(0, last, each).round().long().tolist()
    windows = [one[start : start + max(LEADS) + 1] for one in values for start in starts]
    with xarray.open_dataset(min(root.glob("train/*.nc"))) as data:
        variance = torch.tensor(float(data["vorticity"].var()))
    return torch.stack(windows, 1)[:, :, None], variance


def unresolved(model: SpectralSolver, coarse: torch.Tensor) -> torch.Tensor:
    """Return the small scales of the states 100 snapshots after the given ones."""
    state = fine(coarse)
    for _ in range(100):
        state = model.step(state)
    return state - fine(seen(state))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("data/jet64"))
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--initial_conditions", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    truth, variance = states(options.root, options.initial_conditions)
    model, start = solver(), truth[0]
    with torch.no_grad():
        small = unresolved(model, start)
        # members take the small scales of other initial conditions
        order = [torch.randperm(len(start) - 1)[: options.members] + 1 for _ in start]
        chosen = torch.stack([small[(i + o) % len(start)] for i, o in enumerate(order)], 1)
        members = fine(start)[None] + chosen
        zeros = fine(start)
        print(header("The least errors of ensembles on jet64"))
        print(
            f"{options.initial_conditions} initial conditions, {options.members} members; squared "
            "errors in units of the variance, CRPS in standard deviations.\n"
        )
        print("| lead | MSE of the mean | MSE of a member | CRPS | MSE without small scales |")
        print("|---|---|---|---|---|")
        for lead in range(1, max(LEADS) + 1):
            members = torch.stack([model.step(member) for member in members])
            zeros = model.step(zeros)
            if lead in LEADS:
                forecast = torch.stack([seen(member) for member in members])
                numbers = (
                    (forecast.mean(0) - truth[lead]).square().mean() / variance,
                    (forecast - truth[lead]).square().mean() / variance,
                    crps(forecast, truth[lead]).mean() / variance.sqrt(),
                    (seen(zeros) - truth[lead]).square().mean() / variance,
                )
                print(f"| {lead} | " + " | ".join(f"{n:.4f}" for n in numbers) + " |", flush=True)


if __name__ == "__main__":
    main()
