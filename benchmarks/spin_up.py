"""A data set with a spin-up on a coarser grid against one without: time, and the same statistics.

The same configuration is simulated twice, with its `coarse_spin_up` and with all of the spin-up on
the solver's grid. Each statistic is a mean over the snapshots of a trajectory; given are means over
trajectories with their standard errors, and Welch's t of the difference, which lies within ±2 in 95
of 100 cases if there is none.

    python benchmarks/spin_up.py [configs/data/jet64.yaml] [--trajectories 16] [--snapshots 200]
"""

import argparse
import sys
import tempfile
from pathlib import Path

import torch
import xarray
import yaml
from machine import clock, quiet, record

import cli
from callbacks.metrics.energy import kinetic_energy
from callbacks.metrics.spectra import bands, spectra
from datamodules.solvers import Grid

CONFIGS = Path(__file__).parents[1] / "configs"


def simulated(config: Path, folder: Path, options: list[str]) -> float:
    """Simulate a data set and return the seconds that it took."""
    began = clock()
    with quiet():
        cli.run(["generate", "-c", str(config), f"--data.root={folder}", *options])
    return clock() - began


def statistics(folder: Path, lengths: list[float]) -> dict[str, torch.Tensor]:
    """Return statistics of each trajectory of the training split, by name."""
    found: dict[str, list[torch.Tensor]] = {}
    for file in sorted((folder / "train").glob("*.nc")):
        with xarray.open_dataset(file) as data:
            fields = torch.from_numpy(data["vorticity"].values)
        for trajectory in fields:
            state = trajectory[:, None]
            grid = Grid(tuple(state.shape[2:]), tuple(lengths))
            spectrum = spectra(state, grid, vorticity=0)["isotropic"].mean(0)
            zonal = state[:, 0].double().mean(2)  # over x, (time, y)
            values = {
                "energy": kinetic_energy(state, grid, 0).mean(),
                "enstrophy": 0.5 * state.double().square().mean(),
                "mean square of the zonal mean": zonal.square().mean(),
                "mean square of a change": (state[1:] - state[:-1]).double().square().mean(),
                **{f"energy, {n} wavenumbers": spectrum[r].sum() for n, r in bands(len(spectrum))},
            }
            for name, value in values.items():
                found.setdefault(name, []).append(value)
    return {name: torch.stack(values) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path, nargs="?", default=CONFIGS / "data" / "jet64.yaml")
    parser.add_argument("--trajectories", type=int, default=16)
    parser.add_argument("--snapshots", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    generator = yaml.safe_load(options.config.read_text())["data"]["generator"]
    lengths = generator["solver"]["init_args"]["equation"]["init_args"]["grid"]["lengths"]
    whole = generator["coarse_spin_up"]["length"] + generator["spin_up"]
    split = f"{{trajectories: {options.trajectories}, snapshots: {options.snapshots}}}"
    size = f"--data.generator.splits={{train: {split}}}"
    fine = ["--data.generator.coarse_spin_up=null", f"--data.generator.spin_up={whole}"]
    variants = {"coarse at first": [], "all on the solver's grid": fine}
    seconds, values = {}, {}
    with tempfile.TemporaryDirectory() as place:
        tiny = "--data.generator.splits={train: {trajectories: 1, snapshots: 2}}"
        simulated(
            options.config, Path(place) / "first", [tiny, *fine, "--data.generator.spin_up=0"]
        )
        for name, own in variants.items():
            folder = Path(place) / name.split()[0]
            seconds[name] = simulated(options.config, folder, [size, *own])
            values[name] = statistics(folder, lengths)
            print(f"{name}: {seconds[name]:.1f} s", file=sys.stderr, flush=True)
    (one, two), count = variants, options.trajectories
    rows = []
    for name in values[one]:
        pair = [values[variant][name] for variant in (one, two)]
        means = [each.mean().item() for each in pair]
        errors = [each.std().item() / count**0.5 for each in pair]
        rows.append(
            {
                "statistic": name,
                **{
                    v: f"{m:.4g} ± {e:.2g}" for v, m, e in zip(variants, means, errors, strict=True)
                },
                "difference / its standard error": (means[0] - means[1])
                / (errors[0] ** 2 + errors[1] ** 2) ** 0.5,
            }
        )
    time = [{"spin-up": n, "s": s, "/ " + two: s / seconds[two]} for n, s in seconds.items()]
    tables = {"seconds of the processor": time, "statistics": rows}
    record(f"spin_up_{options.config.stem}", f"Spin-up of {options.config.name}", tables)


if __name__ == "__main__":
    main()
