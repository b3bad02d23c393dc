"""Write APEBench's trajectories as NetCDF files that `TrajectoryDataModule` reads.

    python benchmarks/apebench/export.py --folder data/apebench

runs in an environment with APEBench and netCDF4 (`pip install apebench==0.1.1 netCDF4`). Each
scenario gets a folder with `train` (50 trajectories of 51 snapshots, those of APEBench), `test` (30
of 201, those of APEBench) and `val` (2 of 51 from another seed, which neither code trains on).
"""

import argparse
from pathlib import Path

import netCDF4
import numpy as np
from apebench.scenarios import scenario_dict

SCENARIOS = ("diff_adv", "diff_burgers", "diff_kdv", "diff_ks")


def write(path: Path, states: np.ndarray) -> None:
    """Write states (trajectory, time, 1, x), one time unit and one box length apart."""
    trajectories, times, _, points = states.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("trajectory", trajectories), ("time", times), ("x", points)):
            file.createDimension(name, size)
        file.createVariable("time", "f8", ("time",))[:] = np.arange(times)
        file.createVariable("x", "f8", ("x",))[:] = np.arange(points) / points
        file["x"].modulo = 1.0  # the length of the periodic box
        file.createVariable("u", "f4", ("trajectory", "time", "x"))[:] = states[:, :, 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    folder = parser.parse_args().folder
    for name in SCENARIOS:
        scenario = scenario_dict[name]()
        other = scenario_dict[name](train_seed=1, num_train_samples=2)
        for split, states in (
            ("train", scenario.get_train_data()),
            ("val", other.get_train_data()),
            ("test", scenario.get_test_data()),
        ):
            write(folder / name / split / "trajectories.nc", np.asarray(states))


if __name__ == "__main__":
    main()
