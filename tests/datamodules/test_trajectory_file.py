import pickle

import netCDF4
import numpy as np
import pytest

from datamodules.describe import describe
from datamodules.files.dimensions import Dimensions
from datamodules.files.reader import check_agreement
from datamodules.files.trajectory_file import TrajectoryFile
from datamodules.solvers import Grid
from tests.datamodules.files import write_file

PLANE, LINE = Dimensions(), Dimensions(space=("x",))


def test_window_has_time_channel_y_x(tmp_path):
    path = tmp_path / "a.nc"
    values = write_file(path, names=("u", "v"))
    file = TrajectoryFile(path, ["v", "u"])
    window = file.read(1, 4, 9)
    assert window.shape == (5, 2, 8, 8)
    np.testing.assert_array_equal(window[:, 0], values["v"][1, 4:9])
    np.testing.assert_array_equal(window[:, 1], values["u"][1, 4:9])


def test_metadata_come_from_the_file(tmp_path):
    write_file(tmp_path / "a.nc", interval=0.25, lengths=(2.0, 4.0))
    file = TrajectoryFile(tmp_path / "a.nc", ["vorticity"])
    assert (file.trajectories, file.snapshots, file.space) == (3, 20, (8, 8))
    assert file.interval == pytest.approx(0.25)
    assert describe(file, []).uniform_grid == Grid((8, 8), (2.0, 4.0))


def test_file_of_one_trajectory_without_that_dimension(tmp_path):
    values = write_file(tmp_path / "a.nc", (20, 8, 8), dims=("time", "y", "x"))
    file = TrajectoryFile(tmp_path / "a.nc", ["vorticity"])
    assert file.trajectories == 1
    np.testing.assert_array_equal(file.read(0, 2, 4)[:, 0], values["vorticity"][2:4])


def test_one_dimensional_field_with_names_of_its_own(tmp_path):
    path = tmp_path / "a.nc"
    values = write_file(path, (2, 20, 16), ("height",), ("run", "time", "lon"), lengths=(1.0,))
    file = TrajectoryFile(path, ["height"], Dimensions("run", "time", ("lon",)))
    assert describe(file, []).uniform_grid == Grid((16,), (1.0,))
    np.testing.assert_array_equal(file.read(1, 0, 3)[:, 0], values["height"][1, :3])


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("NETCDF4", {"contiguous": True}),
        ("NETCDF4", {"chunksizes": (1, 1, 8, 8)}),
        ("NETCDF4", {"zlib": True, "chunksizes": (3, 5, 8, 8)}),
        ("NETCDF4", {"fill_value": -999.0}),
        ("NETCDF3_CLASSIC", {}),
        ("NETCDF3_64BIT_OFFSET", {}),
    ],
)
def test_every_storage_reads_the_same(tmp_path, format, options):
    values = write_file(tmp_path / "a.nc", format=format, **options)
    file = TrajectoryFile(tmp_path / "a.nc", ["vorticity"])
    np.testing.assert_array_equal(file.read(2, 3, 11)[:, 0], values["vorticity"][2, 3:11])


def test_packed_values_are_unpacked(tmp_path):
    write_file(tmp_path / "a.nc", (20, 8, 8), dims=("time", "y", "x"))
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        packed = file.createVariable("packed", "i2", ("time", "y", "x"))
        packed.scale_factor, packed.add_offset = 0.5, 10.0
        packed[:] = np.full((20, 8, 8), 12.5)
    assert TrajectoryFile(tmp_path / "a.nc", ["packed"]).read(0, 0, 1).max() == 12.5


def test_missing_values_arrive_as_nan(tmp_path):
    write_file(tmp_path / "a.nc", fill_value=-999.0)
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        file["vorticity"][0, 3, 1, 2] = np.ma.masked
    window = TrajectoryFile(tmp_path / "a.nc", ["vorticity"]).read(0, 3, 4)
    assert np.argwhere(np.isnan(window)).tolist() == [[0, 0, 1, 2]]


def test_open_file_crosses_to_another_process(tmp_path):
    values = write_file(tmp_path / "a.nc", zlib=True)
    file = TrajectoryFile(tmp_path / "a.nc", ["vorticity"])
    file.read(0, 0, 1)
    copy = pickle.loads(pickle.dumps(file))
    np.testing.assert_array_equal(copy.read(0, 0, 1)[0, 0], values["vorticity"][0, 0])


def test_grid_is_none_without_uniform_coordinates(tmp_path):
    write_file(tmp_path / "a.nc")
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        file["x"][:] = np.arange(8) ** 2
    assert describe(TrajectoryFile(tmp_path / "a.nc", ["vorticity"]), []).uniform_grid is None


def test_single_precision_time_axis_counts_as_uniform(tmp_path):
    write_file(tmp_path / "a.nc", (1, 1000, 8, 8))
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        file["time"][:] = (500 + np.arange(1000) * 0.02).astype("f4")
    assert TrajectoryFile(tmp_path / "a.nc", ["vorticity"]).interval == pytest.approx(
        0.02, rel=1e-2
    )


def refused(path, variables=("vorticity",), dimensions=PLANE):
    with pytest.raises(ValueError, match=str(path)) as error:
        TrajectoryFile(path, list(variables), dimensions)
    return str(error.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone.nc: no such file"):
        TrajectoryFile(tmp_path / "gone.nc", ["vorticity"])


def test_missing_variable_is_named_with_those_there_are(tmp_path):
    write_file(tmp_path / "a.nc", names=("omega", "psi"))
    message = refused(tmp_path / "a.nc")
    assert "no variable 'vorticity', only omega, psi; set data.variables" in message


def test_wrong_dimensions_are_named_with_those_expected(tmp_path):
    write_file(tmp_path / "a.nc", (20, 8, 8), dims=("time", "row", "y"))
    message = refused(tmp_path / "a.nc")
    assert "(time, row, y), expected (time, y, x) or (trajectory, time, y, x)" in message
    assert "data.dimensions" in message
    assert "expected (time, x)" in refused(tmp_path / "a.nc", dimensions=LINE)


def test_a_further_dimension_is_named_with_what_to_do(tmp_path):
    write_file(tmp_path / "a.nc", (20, 3, 8, 8), dims=("time", "level", "y", "x"))
    message = refused(tmp_path / "a.nc")
    assert "(time, level, y, x)" in message
    assert "data.dimensions.trajectory to level" in message
    assert "data.select: {level: ...}" in message
    assert "indices 0 to 2" in message


def test_channels_of_different_shape_are_refused(tmp_path):
    write_file(tmp_path / "a.nc", (20, 8, 8), ("u",), ("time", "y", "x"))
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        file.createDimension("trajectory", 2)
        file.createVariable("v", "f4", ("trajectory", "time", "y", "x"))
    assert "must have the same dimensions" in refused(tmp_path / "a.nc", ("u", "v"))


@pytest.mark.parametrize("times", [[0, 1, 2, 4, 5], [0, -1, -2, -3, -4], [0, 0, 0, 0, 0]])
def test_uneven_time_is_refused(tmp_path, times):
    write_file(tmp_path / "a.nc", (5, 8, 8), dims=("time", "y", "x"))
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        file["time"][:] = times
    assert "must increase in uniform steps" in refused(tmp_path / "a.nc")


def test_time_stamps_that_were_never_written_are_called_so(tmp_path):
    write_file(tmp_path / "a.nc", (5, 8, 8), dims=("time", "y", "x"))
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        file["time"][3] = np.ma.masked
    assert "stamp 3 of 'time' was never written" in refused(tmp_path / "a.nc")


def test_file_without_time_coordinate_or_with_one_snapshot_is_refused(tmp_path):
    write_file(tmp_path / "a.nc", (1, 8, 8), dims=("time", "y", "x"))
    assert "holds 1 snapshots" in refused(tmp_path / "a.nc")
    write_file(tmp_path / "b.nc", (5, 8, 8), dims=("t", "y", "x"))
    message = refused(tmp_path / "b.nc", dimensions=Dimensions(time="t"))
    assert "no coordinate variable 't'" in message


def test_what_is_not_netcdf_is_refused(tmp_path):
    (tmp_path / "a.nc").write_text("these are not the bytes of a NetCDF file")
    assert "not a readable NetCDF file" in refused(tmp_path / "a.nc")


def test_truncated_file_is_refused(tmp_path):
    write_file(tmp_path / "a.nc", contiguous=True)
    data = (tmp_path / "a.nc").read_bytes()
    (tmp_path / "a.nc").write_bytes(data[: len(data) // 2])
    assert "may be truncated" in refused(tmp_path / "a.nc")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (3, 20, 8, 16)}, r"a grid of \(8, 16\), .* of \(8, 8\)"),
        ({"lengths": (2.0, 3.0)}, r"x = 2.625 at point 7, .* 1.75"),
        ({"interval": 0.6}, "a time step of 0.6, .* of 0.5"),
    ],
)
def test_files_that_disagree_are_refused(tmp_path, change, message):
    write_file(tmp_path / "a.nc")
    write_file(tmp_path / "b.nc", **change)
    files = [TrajectoryFile(tmp_path / name, ["vorticity"]) for name in ("a.nc", "b.nc")]
    with pytest.raises(ValueError, match=rf"b.nc has {message}; all files"):
        check_agreement(files)
    check_agreement(files[:1] * 2)
