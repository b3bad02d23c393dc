"""Small files of every layout of docs/formats.md, with what their own tools read of them.

Each function writes files into a folder, by the tool itself where it can be installed, or copies
those that the tool wrote, and returns the YAML that reads them and the values.
"""

import shutil
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import torch
import xarray
from scipy.io import loadmat, savemat

from tests.datamodules.formats import test_plain_hdf5, test_zarr_store

WRITTEN = Path(__file__).parents[1] / "datamodules" / "layouts"  # by other programs
STATES = np.random.default_rng(0).normal(size=(3, 6, 2, 8, 10)).astype("f4")
"""Values (member, time, channel, y, x)."""
HOURS = 0.5 * np.arange(6)
AXES = {"y": 2.0 * np.arange(8), "x": 0.5 * np.arange(10)}


class Layout(NamedTuple):
    """Files, the options of `data` that read them, and what their own tool reads.

    Attributes:
        files: Pattern of the files.
        data: Options of `data` as YAML.
        fields: Values, (trajectory, time, channel, *space), space in the order of `axes`.
        times: Times of the snapshots.
        axes: Coordinates along space by name, increasing.
    """

    files: str
    data: str
    fields: np.ndarray
    times: np.ndarray
    axes: dict[str, np.ndarray]


def labelled(fields=STATES[0, :, 0], dims=("time", "y", "x"), **coordinates):
    """Return fields with their axes, as programs that write NetCDF have them."""
    known = {"time": ("time", HOURS, {"units": "hours since 2000-01-01"}), **AXES, **coordinates}
    own = {name: values for name, values in known.items() if name in dims}
    return xarray.Dataset({"u": (dims, fields)}, own)


def the_well(folder):
    shutil.copy(WRITTEN / "the_well.hdf5", folder / "a.hdf5")
    with np.load(WRITTEN / "the_well.npz") as read:
        fields = read["fields"][..., [1, 0]].transpose(0, 1, 4, 3, 2)
    with h5py.File(folder / "a.hdf5") as file:
        axes = {name: file[f"dimensions/{name}"][()] for name in "yx"}
    data = "variables: [velocity_x, density]\ndimensions: {space: [x, y]}\nparameters: [Re]"
    return Layout("*.hdf5", data, fields, 2.5 + 0.25 * np.arange(5), axes)


def pdebench_tensor(folder):
    shutil.copy(WRITTEN / "pdebench_burgers.hdf5", folder / "a.hdf5")
    read = np.load(WRITTEN / "pdebench_burgers.npz")
    axes = {"x-coordinate": (np.arange(24) + 0.5) / 24}
    data = "variables: [tensor]\ndimensions: {space: [x-coordinate]}\nperiodic: true"
    return Layout("*.hdf5", data, read["fields"], read["times"], axes)


def pdebench_groups(folder):
    shutil.copy(WRITTEN / "pdebench_shallow_water.h5", folder / "a.h5")
    read = np.load(WRITTEN / "pdebench_shallow_water.npz")
    with h5py.File(folder / "a.h5") as file:
        axes = {name: file[f"0000/grid/{name}"][()] for name in "yx"}
    data = "variables: [h]\ndimensions: {space: [x, y]}\nparameters: [dam_radius]"
    return Layout("*.h5", data, read["fields"].swapaxes(-1, -2), read["times"], axes)


def dedalus(folder):
    for number in (1, 2):
        shutil.copy(WRITTEN / f"dedalus_s{number}.h5", folder / f"run_s{number}.h5")
    read = np.load(WRITTEN / "dedalus.npz")  # fields b, u_x, u_z
    axes = {"z": -np.cos(np.pi * (np.arange(5) + 0.5) / 5), "x": 0.5 * np.arange(6)}
    data = "variables: [u_x, b]\ndimensions: {space: [x, z]}\nperiodic: [false, true]\njoin: time"
    fields = read["fields"][None, :, [1, 0]].swapaxes(-1, -2)
    return Layout("run_s*.h5", data, fields, read["times"], axes)


def zarr_store(folder):
    path = test_zarr_store.write(folder / "a.zarr", "shards")
    with xarray.open_zarr(path, consolidated=False, chunks=None) as read:
        fields = np.stack([read[name].values.swapaxes(-1, -2) for name in "vu"], 2)
        axes = {name: read[name].values for name in "yx"}
        times = read["time"].values
    data = "variables: [v, u]\ndimensions: {trajectory: sample, space: [x, y]}"
    return Layout("a.zarr", data, fields, times, axes)


def numpy_array(folder):
    np.save(folder / "a.npy", STATES)
    order = "order: [trajectory, time, channel, y, x], channels: [u, v]"
    options = f"{{{order}, interval: 0.5, time_units: s, lengths: [16.0, 5.0]}}"
    data = f"variables: [v, u]\nformat: {{class_path: NumPy, init_args: {options}}}"
    return Layout("a.npy", data, np.load(folder / "a.npy")[:, :, ::-1], HOURS, AXES)


def numpy_frames(folder):
    """One snapshot per file with its number in the name, which does not sort as text."""
    for number in range(6):
        np.savez(folder / f"velocity_{8 + number}.npz", u=STATES[0, number, 0])
    options = "{order: [y, x], interval: 0.25}"
    data = f"variables: [u]\nformat: {{class_path: NumPy, init_args: {options}}}"
    axes = {"y": np.arange(8.0), "x": np.arange(10.0)}
    return Layout("*.npz", data, STATES[:1, :, :1], 0.25 * (8 + np.arange(6)), axes)


def torch_tensors(folder):
    held = {"u": torch.from_numpy(STATES[:, :, 0]).movedim(1, -1), "t": torch.from_numpy(HOURS)}
    torch.save(held, folder / "a.pt")
    options = "{order: [trajectory, y, x, time], lengths: [16.0, 5.0]}"
    data = f"variables: [u]\nformat: {{class_path: TorchTensors, init_args: {options}}}"
    read = torch.load(folder / "a.pt", weights_only=True)
    return Layout("*.pt", data, read["u"].movedim(-1, 1)[:, :, None].numpy(), HOURS, AXES)


def matlab_frames(folder):
    """One snapshot per file with its time, as py2d writes them."""
    for number, omega in enumerate(STATES[0, :, 0].swapaxes(-1, -2)):
        savemat(folder / f"{number + 8}.mat", {"Omega": omega, "time": 0.5 * (number + 8)})
    read = [loadmat(folder / f"{number}.mat")["Omega"].T for number in range(8, 14)]
    options = "{order: [x, y], lengths: [5.0, 16.0]}"
    data = f"variables: [Omega]\nformat: {{class_path: MATLAB, init_args: {options}}}"
    data += "\nperiodic: true\nvorticity: Omega"
    return Layout("*.mat", data, np.stack(read)[None, :, None], HOURS + 4, AXES)


def matlab_73(folder):
    shutil.copy(WRITTEN / "matlab_73.mat", folder / "a.mat")
    read = np.load(WRITTEN / "matlab.npz")
    options = "{order: [trajectory, x, y, time], lengths: [4.0, 10.0]}"
    data = f"variables: [u]\nformat: {{class_path: MATLAB, init_args: {options}}}"
    axes = {"y": 2.0 * np.arange(5), "x": 1.0 * np.arange(4)}
    fields = read["u"].transpose(0, 3, 2, 1)[:, :, None]
    return Layout("*.mat", data, fields, read["t"].ravel(), axes)


def hdf5_paths(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file["run/fields/u"] = STATES[0, :, 0].astype("f8")
        file["run/fields/t"] = HOURS
        file["run/x"], file["run/y"], file["run/nu"] = AXES["x"], AXES["y"], 0.01
    with h5py.File(folder / "a.h5") as file:
        fields = file["run/fields/u"][()][None, :, None]
    data = "variables: [run/fields/u]\nparameters: [run/nu]\n"
    data += "format: {class_path: HDF5, init_args: {order: [time, y, x]}}"
    return Layout("*.h5", data, fields, HOURS, AXES)


def julia(folder):
    """Snapshots of FourierFlows, whose arrays are (x, y) in Julia and (y, x) in HDF5."""
    test_plain_hdf5.write_fourierflows(
        folder / "a.jld2", STATES[0, :, 0].swapaxes(-1, -2), HOURS, AXES
    )
    with h5py.File(folder / "a.jld2") as file:
        names = sorted(file["snapshots/u"], key=int)
        fields = np.stack([file[f"snapshots/u/{name}"][()] for name in names])
    data = "variables: [snapshots/u]\nformat: {class_path: HDF5, init_args: {order: [time, x, y]}}"
    return Layout("*.jld2", data, fields[None, :, None], HOURS, AXES)


def grib(folder):
    shutil.copy(WRITTEN / "era5.grib", folder / "a.grib")
    keys = {"filter_by_keys": {"typeOfLevel": "isobaricInhPa"}, "indexpath": ""}
    path = folder / "a.grib"
    with xarray.open_dataset(
        path, engine="cfgrib", backend_kwargs=keys, decode_times=False
    ) as read:
        fields = read["t"].sel(isobaricInhPa=[500, 1000]).values[None, :, :, ::-1]
        axes = {"latitude": read["latitude"].values[::-1], "longitude": read["longitude"].values}
        times = read["time"].values.astype(float)
    data = "variables: [t]\ndimensions: {space: [latitude, longitude]}\n"
    data += "select: {isobaricInhPa: [500, 1000]}\nweights: latitude"
    return Layout("*.grib", data, fields, times, axes)


def members_after_time(folder):
    fields = STATES[:, :, 0].swapaxes(0, 1)
    labelled(fields, ("time", "member", "y", "x")).to_netcdf(folder / "a.nc")
    data = "variables: [u]\ndimensions: {trajectory: member}"
    return Layout("a.nc", data, STATES[:, :, :1], HOURS, AXES)


def members_in_files(folder):
    for number, member in enumerate(STATES[:, :, 0]):
        labelled(member).to_netcdf(folder / f"member_{number:03d}.nc")
    return Layout("member_*.nc", "variables: [u]", STATES[:, :, :1], HOURS, AXES)


def run_in_parts(folder):
    """A run cut into three files, of which the second begins with the end of the first."""
    for number, part in enumerate((slice(0, 3), slice(2, 4), slice(4, 6))):
        labelled().isel(time=part).to_netcdf(folder / f"run_{number}.nc")
    return Layout("run_*.nc", "variables: [u]\njoin: time", STATES[:1, :, :1], HOURS, AXES)


def levels_in_groups(folder):
    levels = np.stack([STATES[0, :, 0], STATES[0, :, 1], STATES[1, :, 0]], 1)
    dims = ("time", "level", "y", "x")
    found = labelled(levels, dims, level=[1000.0, 850.0, 500.0])
    found.to_netcdf(folder / "a.nc", group="air")
    data = "variables: [air/u]\nselect: {level: [500, 850]}\nstorage: stream"
    return Layout("a.nc", data, levels[None, :, [2, 1]], HOURS, AXES)


def wrf(folder):
    """Axes without coordinates; minutes in a variable along time."""
    minutes = (("Time",), 60.0 * np.arange(6), {"units": "minutes since 2000-01-01"})
    fields = {"T": (("Time", "south_north", "west_east"), STATES[0, :, 0]), "XTIME": minutes}
    xarray.Dataset(fields).to_netcdf(folder / "a.nc", unlimited_dims=["Time"])
    data = "variables: [T]\ndimensions: {time: Time, space: [south_north, west_east]}"
    axes = {"south_north": np.arange(8.0), "west_east": np.arange(10.0)}
    return Layout("a.nc", data, STATES[:1, :, :1], 60.0 * np.arange(6), axes)


def era5(folder):
    """Levels, land, orography and radiation, as ERA5 comes; the YAML is the shipped example."""
    rng = np.random.default_rng(0)
    space = {"latitude": np.linspace(80, -80, 8), "longitude": 36.0 * np.arange(10)}
    q = rng.normal(size=(9, 3, 8, 10)).astype("f4")
    q[:, :, 2:4, 5:] = np.nan
    state = ("valid_time", "pressure_level", *space)
    fields = {"q": (state, q), "orography": (tuple(space), rng.normal(size=(8, 10)))}
    fields["tisr"] = ("valid_time", *space), rng.normal(size=(9, 8, 10))
    hours = ("valid_time", 3600 * np.arange(9), {"units": "seconds since 1970-01-01"})
    levels = {"pressure_level": [1000.0, 850.0, 500.0]}
    dataset = xarray.Dataset(fields, {**levels, **space, "valid_time": hours})
    dataset["latitude"].attrs["units"] = "degrees_north"
    dataset["longitude"].attrs["units"] = "degrees_east"
    dataset.to_netcdf(folder / "a.nc")
    path = Path(__file__).parents[2] / "configs" / "data" / "examples" / "era5.yaml"
    data = "\n".join(
        line.removeprefix("  ") for line in path.read_text().splitlines() if line[:2] == "  "
    )
    axes = {**space, "latitude": space["latitude"][::-1]}
    return Layout("a.nc", data, q[None, :, [2, 1], ::-1], 3600.0 * np.arange(9), axes)


LAYOUTS = (
    *(the_well, pdebench_tensor, pdebench_groups, dedalus, zarr_store, numpy_array, numpy_frames),
    *(torch_tensors, matlab_frames, matlab_73, hdf5_paths, julia, grib),
    *(members_after_time, members_in_files, run_in_parts, levels_in_groups, wrf, era5),
)
