"""Write APEBench's trajectories as NetCDF files that `TrajectoryDataModule` reads.

    python benchmarks/apebench/export.py --folder data/apebench [--scenarios phy_kolm_flow]

runs in an environment with APEBench and netCDF4 (`pip install apebench==0.1.1 netCDF4`). Each
scenario gets a folder with `train` (50 trajectories of 51 snapshots, those of APEBench), `test` (30
of 201, those of APEBench) and `val` (2 of 51 from another seed, which neither code trains on).
Of the problems in two dimensions `phy_kolm_flow` takes an hour or two on one core.
"""

import argparse
from pathlib import Path

import netCDF4
import numpy as np
from apebench.scenarios import scenario_dict
from problems import AXES, DIMENSIONS, of_dimensions


def read(folder: Path, name: str, split: str) -> np.ndarray:
    """Return the states of a split as APEBench has them, (trajectory, time, 1, *space)."""
    with netCDF4.Dataset(folder / name / split / "trajectories.nc") as file:
        return file["u"][:].filled()[:, :, None]


def write(path: Path, states: np.ndarray) -> None:
    """Write states (trajectory, time, 1, *space), one unit of time and one box length apart."""
    trajectories, times, _, *points = states.shape
    axes = dict(zip(AXES[len(points)], points, strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with netCDF4.Dataset(part, "w") as file:
        for name, size in {"trajectory": trajectories, "time": times, **axes}.items():
            file.createDimension(name, size)
        file.createVariable("time", "f8", ("time",))[:] = np.arange(times)
        for name, size in axes.items():
            file.createVariable(name, "f8", (name,))[:] = np.arange(size) / size
            file[name].modulo = 1.0  # the length of the periodic box
        file.createVariable("u", "f4", ("trajectory", "time", *axes))[:] = states[:, :, 0]
    part.rename(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--scenarios", nargs="+", choices=DIMENSIONS, default=of_dimensions(1))
    options = parser.parse_args()
    for name in options.scenarios:
        space = {"num_spatial_dims": DIMENSIONS[name]}
        scenario = scenario_dict[name](**space)
        other = scenario_dict[name](**space, train_seed=1, num_train_samples=2)
        for split, states in (
            ("train", scenario.get_train_data()),
            ("val", other.get_train_data()),
            ("test", scenario.get_test_data()),
        ):
            write(options.folder / name / split / "trajectories.nc", np.asarray(states))


if __name__ == "__main__":
    main()
