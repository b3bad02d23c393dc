"""Files of each format are trained on, tested and forecast from, by the program."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray
from scipy.io import savemat

import cli
from tests.conftest import working_in
from tests.datamodules.formats.test_zarr_store import write

LAYOUTS = Path(__file__).parents[1] / "datamodules" / "layouts"
SPLITS = ("train", "val", "test")


def the_well(folder):
    shutil.copy(LAYOUTS / "the_well.hdf5", folder / "a.hdf5")
    return "a.hdf5", ["-c", "configs/data/examples/the_well.yaml"]


def zarr_store(folder):
    write(folder / "a.zarr", "shards")
    dimensions = "{trajectory: sample, space: [x, y]}"
    return "a.zarr", ["--data.variables=[v, u]", f"--data.dimensions={dimensions}"]


def dedalus(folder):
    for number in (1, 2):
        shutil.copy(LAYOUTS / f"dedalus_s{number}.h5", folder / f"run_s{number}.h5")
    options = ["--data.variables=[u_x, b]", "--data.dimensions.space=[x, z]"]
    return "run_s*.h5", [*options, "--data.periodic=[false, true]", "--data.join=time"]


def numpy_array(folder):
    values = np.random.default_rng(0).normal(size=(6, 2, 8, 10)).astype("f4")
    np.save(folder / "a.npy", values)
    options = "{order: [time, channel, y, x], channels: [u, v], interval: 0.5, time_units: s}"
    kind = f"{{class_path: NumPy, init_args: {options}}}"
    return "a.npy", ["--data.variables=[v, u]", f"--data.format={kind}"]


def matlab(folder):
    for number, omega in enumerate(np.random.default_rng(0).normal(size=(6, 8, 10))):
        savemat(folder / f"{number + 1}.mat", {"Omega": omega, "time": 0.1 * (number + 1)})
    kind = "{class_path: MATLAB, init_args: {order: [x, y], lengths: [6.28, 6.28]}}"
    options = ["--data.variables=[Omega]", f"--data.format={kind}", "--data.periodic=true"]
    return "*.mat", [*options, "--data.vorticity=Omega"]


def levels(folder):
    values = np.random.default_rng(0).normal(size=(6, 3, 8, 10)).astype("f4")
    dims = ("time", "level", "y", "x")
    coordinates = {"time": 0.5 * np.arange(6), "level": [1000.0, 850.0, 500.0]}
    xarray.Dataset({"q": (dims, values)}, coordinates).to_netcdf(folder / "a.nc", group="air")
    select = "--data.select={level: [500, 850]}"
    return "a.nc", ["--data.variables=[air/q]", select, "--data.storage=stream"]


def minutes(folder):
    values = np.random.default_rng(0).normal(size=(6, 1, 8, 10)).astype("f4")
    stamps = (("Time",), 60.0 * np.arange(6), {"units": "minutes since 2000-01-01"})
    fields = {"T": (("Time", "lev", "south_north", "west_east"), values), "XTIME": stamps}
    xarray.Dataset(fields).to_netcdf(folder / "a.nc", unlimited_dims=["Time"])
    dimensions = "{time: Time, space: [south_north, west_east]}"
    return "a.nc", ["--data.variables=[T]", f"--data.dimensions={dimensions}", "--data.workers=2"]


def pdebench(folder):
    shutil.copy(LAYOUTS / "pdebench_shallow_water.h5", folder / "a.h5")
    ranges = (f"--data.{split}.trajectories={{start: 0}}" for split in SPLITS)
    return "a.h5", ["-c", "configs/data/examples/pdebench.yaml", *ranges]


def era5(folder):
    """Write a file as ERA5 comes, and return the options of its example."""
    rng = np.random.default_rng(0)
    space = {"latitude": np.linspace(80, -80, 8), "longitude": 36.0 * np.arange(10)}
    levels = {"pressure_level": [1000.0, 850.0, 500.0]}
    hours = ("valid_time", 3600 * np.arange(9), {"units": "seconds since 1970-01-01"})
    q = rng.normal(size=(9, 3, 8, 10)).astype("f4")
    q[:, :, 2:4, 5:] = np.nan
    state = ("valid_time", "pressure_level", *space)
    fields = {"q": (state, q), "orography": (tuple(space), rng.normal(size=(8, 10)))}
    fields["tisr"] = ("valid_time", *space), rng.normal(size=(9, 8, 10))
    dataset = xarray.Dataset(fields, {**levels, **space, "valid_time": hours})
    dataset["latitude"].attrs["units"] = "degrees_north"
    dataset["longitude"].attrs["units"] = "degrees_east"
    dataset.to_netcdf(folder / "a.nc")
    return "a.nc", ["-c", "configs/data/examples/era5.yaml"]


@pytest.mark.parametrize(
    "make", [the_well, zarr_store, dedalus, numpy_array, matlab, pdebench, levels, minutes, era5]
)
def test_an_emulator_is_trained_tested_and_forecasts(tmp_path, make):
    name, options = make(tmp_path)
    with working_in(tmp_path):
        run_all(name, options)
    (forecast,) = (tmp_path / "run").glob("forecast*.nc")
    with xarray.open_dataset(forecast, decode_times=False) as found:
        fields = [f for f in found.data_vars.values() if len(f.dims) > 2]
        assert fields
        for field in fields:
            assert 2 in [field.sizes.get(name) for name in ("time", "Time", "valid_time")]
            missing = 10 if make is era5 else 0  # two rows of five columns of land
            assert int(field.isnull().isel({field.dims[0]: 0, field.dims[1]: 0}).sum()) == missing


def test_a_forecast_in_zarr_is_trained_on(tmp_path):
    name, options = zarr_store(tmp_path)
    with working_in(tmp_path):
        train(name, options)
        cli.run(["predict", "--ckpt_path=run/last.ckpt", "--steps=5", "--format=zarr"])
        assert not list(Path("run").glob("forecast*.nc"))
        train("forecast_0000.zarr", [*options, "--data.periodic=true"], "again", root="run")
    assert (tmp_path / "again" / "last.ckpt").exists()


def train(name, options, folder="run", root="."):
    rollouts = "{initial_conditions: 1, steps: 2}"
    cli.run(
        [
            *("fit", *options, f"--data.root={root}", "--data.batch_size=2"),
            *(f"--data.{split}.files={name}" for split in SPLITS),
            *(f"--data.{stage}_rollouts={rollouts}" for stage in ("val", "test")),
            *("--model=Baseline", "--model.network=DilatedResNet", "--model.network.width=4"),
            *("--model.network.dilations=[1, 2]", "--trainer.max_steps=2"),
            f"--trainer.default_root_dir={folder}",
        ]
    )


def run_all(name, options):
    train(name, options)
    cli.run(["test", "--ckpt_path=run/last.ckpt"])
    assert Path("run/scores.json").exists()
    cli.run(["predict", "--ckpt_path=run/last.ckpt", "--steps=2"])
