"""Times and coordinates of arrays in groups, and their agreement with the configuration."""

import h5py
import numpy as np
import pytest
import xarray

from datamodules import HDF5, Dimensions, NumPy
from datamodules.files.trajectory_file import TrajectoryFile

VALUES = np.random.default_rng(0).normal(size=(6, 4, 5))
SPACE = Dimensions(space=("y", "x"))


def opened(path, name, contents, format=None, **options):
    with h5py.File(path, "w") as file:
        for key, values in contents.items():
            file[key] = values
    format = format or HDF5(["time", "y", "x"])
    return TrajectoryFile(path, (name,), SPACE, format=format, **options)


FINE, COARSE = 0.1 * np.arange(6), 0.5 * np.arange(6)
X = np.arange(5.0)


@pytest.mark.parametrize(
    ("contents", "step"),
    [
        ({"coarse/t": COARSE, "fine/t": FINE}, 0.1),  # of the group
        ({"coarse/t": COARSE, "t": FINE}, 0.1),  # of a parent group
        ({"coarse/t": COARSE, "fine/t": FINE, "t": 2 * FINE}, 0.1),
        ({"coarse/t": COARSE}, 0.5),  # the only one
        ({"coarse/t": COARSE, "a/t": COARSE}, 0.5),  # of several that agree
    ],
)
def test_times_are_of_the_group_of_the_field(tmp_path, contents, step):
    contents = {"fine/u": VALUES, "coarse/u": VALUES, **contents}
    assert opened(tmp_path / "a.h5", "fine/u", contents).interval == step


def test_coordinates_are_of_the_group_of_the_field(tmp_path):
    contents = {"a/x": 5 * X, "b/x": X, "b/u": VALUES, "b/t": FINE}
    assert opened(tmp_path / "a.h5", "b/u", contents).axes[1].step == 1.0
    contents = {"a/x": 5 * X, "b/x": X, "b/state": VALUES[:, None], "b/t": FINE}
    format = HDF5(["time", "channel", "y", "x"], ["u"])
    assert opened(tmp_path / "a.h5", "u", contents, format).axes[1].step == 1.0


def test_coordinates_elsewhere_that_differ_are_refused_where_they_are_needed(tmp_path):
    contents = {"a/t": FINE, "b/t": COARSE, "a/u": VALUES, "c/u": VALUES}
    assert opened(tmp_path / "a.h5", "a/u", contents).interval == 0.1
    with pytest.raises(ValueError, match=r"a\.h5 has several .*\(a/t, b/t\), expected one"):
        opened(tmp_path / "a.h5", "c/u", contents)


def test_a_coordinate_of_another_length_in_the_group_is_refused(tmp_path):
    contents = {"a/x": X, "b/x": X[:-1], "b/u": VALUES, "b/t": FINE}
    with pytest.raises(ValueError, match=r"'b/x' has 4 values, expected 5"):
        opened(tmp_path / "a.h5", "b/u", contents)


def numbered(name, numbers):
    return {f"{name}/{number}": VALUES[k] for k, number in enumerate(numbers)}


def test_a_gap_in_the_numbers_of_snapshots_is_refused(tmp_path):
    format = HDF5(["time", "y", "x"], interval=0.1)
    contents = numbered("s/u", (0, 50, 100, 200, 250))
    with pytest.raises(ValueError, match=r"a\.h5: .*1 snapshot\(s\) are missing after stamp 2"):
        opened(tmp_path / "a.h5", "s/u", contents, format)
    contents = numbered("s/u", (100, 150, 200))
    times = opened(tmp_path / "a.h5", "s/u", contents, format).times
    np.testing.assert_allclose(times, [0, 0.1, 0.2])


@pytest.mark.parametrize("other", ["v", "t"])
def test_snapshots_of_other_numbers_are_not_paired(tmp_path, other):
    contents = numbered("s/u", range(0, 60, 10))
    more = numbered("s/v", range(0, 120, 20))
    if other == "t":
        more = {f"s/t/{20 * k}": 0.1 * k for k in range(6)}
    format = HDF5(["time", "y", "x"], interval=0.1)
    with pytest.raises(ValueError, match=rf"'s/u' .* 0, 10, .*'s/{other}' at 0, 20, "):
        opened(tmp_path / "a.h5", "s/u", contents | more, format)


def write(path, stamps):
    if path.suffix == ".nc":
        xarray.Dataset({"u": (("time", "y", "x"), VALUES)}, {"time": stamps}).to_netcdf(path)
    elif path.suffix == ".npz":
        np.savez(path, u=VALUES, t=stamps)
    else:
        with h5py.File(path, "w") as file:
            file["u"], file["t"] = VALUES, stamps


FORMATS = {".npz": NumPy, ".h5": HDF5}


@pytest.mark.parametrize(
    ("suffix", "option"),
    [
        (".nc", "data"),
        (".npz", "data"),
        (".h5", "data"),
        (".npz", "NumPy"),
        (".h5", "HDF5"),
    ],
)
def test_stamps_and_an_interval_agree_or_are_refused(tmp_path, suffix, option):
    def read(stamps, interval):
        write(tmp_path / f"a{suffix}", stamps)
        options = {"interval": interval} if option == "data" else {}
        if suffix in FORMATS:
            given = None if options else interval
            options["format"] = FORMATS[suffix](["time", "y", "x"], interval=given)
        return TrajectoryFile(tmp_path / f"a{suffix}", ("u",), SPACE, **options)

    assert read(3 + COARSE.astype("f4"), 0.5).interval == 0.5
    with pytest.raises(ValueError, match=rf"'time' are 0\.5 apart .* {option}\.interval is 0\.1"):
        read(COARSE, 0.1)
    with pytest.raises(ValueError, match=r"1 snapshot\(s\) are missing after stamp 2"):
        read(np.array([0.0, 1, 2, 4, 5, 6]), 1.0)


def test_stamps_that_only_count_are_multiplied_by_the_interval(tmp_path):
    write(tmp_path / "a.nc", np.arange(6))
    file = TrajectoryFile(tmp_path / "a.nc", ("u",), SPACE, interval=0.25)
    np.testing.assert_array_equal(file.times, 0.25 * np.arange(6))
