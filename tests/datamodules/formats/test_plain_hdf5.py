"""HDF5 files whose layout the configuration gives."""

import h5py
import numpy as np
import pytest
import xarray

from datamodules import HDF5, Dimensions, NetCDF
from datamodules.files.formats.detect import format_of
from datamodules.files.trajectory_file import TrajectoryFile

VALUES = np.random.default_rng(0).normal(size=(5, 3, 4, 2))  # time, x, y, trajectory
ORDER = ["time", "x", "y", "trajectory"]


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["run/fields/u"] = VALUES
        file["run/fields/u"].attrs["units"] = "m s-1"
        file["run/fields/names"] = np.full(VALUES.shape, b"text")
        file["run/t"] = 0.25 * np.arange(5)
        file["diagnostics/t"] = 0.5 * np.arange(3)  # of another length
        file["x"] = 2.0 * np.arange(3)
        file["Re"] = [10.0, 20.0]
        file["params/nu"] = 0.01
        file.attrs["beta"] = 3.0
    return tmp_path / "a.h5"


def opened(path, name="run/fields/u", parameters=(), **options):
    space = Dimensions(space=("y", "x"))
    return TrajectoryFile(path, (name,), space, parameters, format=HDF5(ORDER, **options))


def test_fields_times_and_parameters_are_found_by_their_paths(path):
    assert isinstance(format_of(path), HDF5)
    file = opened(path, parameters=["Re", "params/nu", "beta"], lengths=[6.0, 8.0])
    assert (file.variables[0].name, file.variables[0].units) == ("u", "m s-1")
    np.testing.assert_array_equal(file.times, 0.25 * np.arange(5))
    np.testing.assert_array_equal(file.axes[1].values, 2.0 * np.arange(3))  # as in the file
    np.testing.assert_array_equal(file.axes[0].values, 2.0 * np.arange(4))
    assert file.parameters.tolist() == [[10.0, 0.01, 3.0], [20.0, 0.01, 3.0]]
    with h5py.File(path) as stored:
        wanted = stored["run/fields/u"][1:4, :, :, 1].transpose(0, 2, 1)
    np.testing.assert_array_equal(file.read(1, 1, 4)[:, 0], wanted.astype("f4"))


def test_values_that_are_no_numbers_are_refused(path):
    with pytest.raises(ValueError, match=r"'run/fields/names' holds texts, expected real numbers"):
        opened(path, "run/fields/names").read(0, 0, 1)


def test_without_an_order_the_configuration_is_named(path):
    with pytest.raises(ValueError, match=r"'run/fields/u' \(5, 3, 4, 2\).*class_path: HDF5"):
        TrajectoryFile(path, ("run/fields/u",), format=format_of(path))


def test_many_arrays_are_not_all_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for number in range(100):
            file[f"{number:03}"] = np.zeros((2, 2))
    with (
        pytest.raises(ValueError, match=r"'009' \(2, 2\) and 90 more"),
        HDF5().open(tmp_path / "a.h5"),
    ):
        pass


@pytest.mark.parametrize("group", [None, "a/b"])
def test_netcdf_is_not_taken_for_it(tmp_path, group):
    xarray.Dataset({"u": (("time", "x"), np.ones((2, 3)))}).to_netcdf(
        tmp_path / "a.nc", group=group
    )
    assert isinstance(format_of(tmp_path / "a.nc"), NetCDF)
    with h5py.File(tmp_path / "a.nc", "a") as file:  # as programs of long ago wrote it
        del file.attrs["_NCProperties"]
    assert isinstance(format_of(tmp_path / "a.nc"), NetCDF)


HEADERS = {  # of JLD2 until 2020, and since
    "former": b"Julia data file (HDF5), version 0.2.0\x00 (Julia 1.5.4 64-bit LE)\x00",
    "present": b"HDF5-based Julia Data Format, version 0.1.1\x00 (Julia 1.10.4 64-bit LE)\x00",
}


def write_julia(path, contents, header="present"):
    """Write a file as JLD2 lays it out: behind a header, and the axes of its arrays reversed."""
    with h5py.File(path, "w", userblock_size=512, libver="latest") as file:
        for name, values in contents.items():
            file[name] = np.asarray(values).T
    with path.open("r+b") as file:
        file.write(HEADERS[header])


def write_fourierflows(path, states, times, axes, header="present"):
    """Write snapshots (time, x, y) as `saveproblem` and `saveoutput` of FourierFlows do."""
    contents = {f"grid/n{name}": len(values) for name, values in axes.items()}
    contents |= {f"grid/{name}": values for name, values in axes.items()}
    contents |= {"clock/dt": 0.005, "params/ν": 0.01, "eqn/L": np.zeros(states.shape[1:])}
    for number, (state, time) in enumerate(zip(states, times, strict=True)):
        step = 50 * number  # 100 is before 50 by name
        spectrum = np.zeros(state.shape, [("re", "f8"), ("im", "f8")])  # a complex number in Julia
        contents |= {f"snapshots/t/{step}": time, f"snapshots/u/{step}": state}
        contents[f"snapshots/sol/{step}"] = spectrum
    write_julia(path, contents, header)


@pytest.mark.parametrize("header", HEADERS)
def test_snapshots_of_fourierflows_are_read_in_the_order_of_julia(tmp_path, header):
    path, states = tmp_path / "a.jld2", VALUES[..., 0]
    axes = {"x": 2.0 * np.arange(3), "y": 3.0 * np.arange(4)}
    write_fourierflows(path, states, 0.25 * np.arange(5), axes, header)
    assert isinstance(format_of(path), HDF5)
    format, space = HDF5(["time", "x", "y"]), Dimensions(space=("y", "x"))
    file = TrajectoryFile(path, ("snapshots/u",), space, ["params/ν"], format=format)
    np.testing.assert_array_equal(file.times, 0.25 * np.arange(5))
    np.testing.assert_array_equal(file.axes[1].values, axes["x"])
    np.testing.assert_array_equal(file.axes[0].values, axes["y"])
    assert file.parameters.tolist() == [[0.01]]
    wanted = states.transpose(0, 2, 1).astype("f4")
    np.testing.assert_array_equal(file.read(0, 0, 5)[:, 0], wanted)
    np.testing.assert_array_equal(file.read(0, 2, 4)[:, 0], wanted[2:4])
    with pytest.raises(ValueError, match=r"'snapshots/sol/0' holds complex numbers"):
        TrajectoryFile(path, ("snapshots/sol",), space, format=format).read(0, 0, 1)


def test_data_sets_with_numbers_for_names_are_stacked(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for number in (0, 50, 100):
            file[f"run/u/{number}"] = VALUES[number // 50, ..., 0]
    file = TrajectoryFile(
        *(path, ("run/u",), Dimensions(space=("x", "y"))),
        format=HDF5(["time", "x", "y"], interval=0.5),
    )
    wanted = VALUES[:3, ..., 0].transpose(0, 2, 1)
    np.testing.assert_array_equal(file.read(0, 0, 3)[:, 0], wanted.astype("f4"))


@pytest.mark.parametrize("header", HEADERS)
def test_other_files_of_julia_are_refused(tmp_path, header):
    path = tmp_path / "a.jld2"
    write_julia(path, {"timeseries/u/0": np.zeros((2, 3)), "timeseries/t/0": 0.0}, header)
    assert isinstance(format_of(path), HDF5)
    with (
        pytest.raises(ValueError, match=r"a\.jld2 is a file of JLD2, .* write it as NetCDF"),
        HDF5(["time", "x"]).open(path),
    ):
        pass


@pytest.mark.parametrize("wrap", [str, np.bytes_, lambda word: np.array([word.encode()])])
def test_texts_of_attributes_may_be_bytes(tmp_path, wrap):
    """h5py returns bytes for texts of fixed length, which C, Fortran and MATLAB write."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["u"], file["t"] = np.ones((3, 4, 6)), np.arange(3.0)
        file["lat"], file["lon"] = np.arange(4.0) * 10, np.arange(6.0) * 60
        for name, unit in {"u": "K", "t": "hours since 2000-01-01", "lat": "degrees_north",
                           "lon": "degrees_east"}.items():  # fmt: skip
            file[name].attrs["units"] = wrap(unit)
        file.attrs["source"] = wrap("a model")
    order = HDF5(["time", "lat", "lon"])
    file = TrajectoryFile(tmp_path / "a.h5", ("u",), Dimensions(space=("lat", "lon")), format=order)
    assert file.variables[0].units == "K"
    assert file.time.units == "hours since 2000-01-01"
    assert [axis.periodic_by_attributes for axis in file.axes] == [False, True]
    assert all(axis.spherical for axis in file.axes)
    with order.open(tmp_path / "a.h5") as contents:
        assert contents.attributes == {"source": "a model"}


@pytest.mark.parametrize("length", [4.5, 6.0, 1.0])
def test_lengths_agree_with_the_coordinates(path, length):
    """Three points two apart are of a periodic domain of 6, or of one of 4 with both ends."""
    if length == 6.0:
        opened(path, lengths=[length, 8.0])
        return
    with pytest.raises(ValueError, match=r"'x' extends over 4 with 3 points, and HDF5.lengths is "):
        opened(path, lengths=[length, 8.0])
