import json
import math

import h5py
import netCDF4
import numpy as np
import pytest
import xarray

from datamodules.files.arrays import open_array
from datamodules.files.formats.netcdf import read_provenance
from datamodules.files.netcdf_writer import atomic_file, write_trajectories
from datamodules.files.provenance import content_hash
from datamodules.solvers import Grid, Variable

GRID = Grid((4, 6), (1.0, 2 * math.pi))
VARIABLES = (Variable("u", "eastward wind", "m s-1"), Variable("v", "northward wind", "m s-1"))


@pytest.fixture
def written(tmp_path):
    fields = np.random.default_rng(0).standard_normal((3, 10, 2, 4, 6)).astype("f4")
    segments = [fields[:, :4], fields[:, 4:8], fields[:, 8:]]
    path = tmp_path / "deep" / "a.nc"
    digest = write_trajectories(
        path, segments, (3, 10), VARIABLES, GRID, 0.25, 6, "winds", {"seed": 5}
    )
    return path, fields, digest


def test_round_trip(written):
    path, fields, _ = written
    with xarray.open_dataset(path, decode_times=False) as dataset:
        assert dataset["v"].dims == ("trajectory", "time", "y", "x")
        np.testing.assert_array_equal(dataset["u"], fields[:, :, 0])
        np.testing.assert_array_equal(dataset["v"], fields[:, :, 1])
        np.testing.assert_allclose(dataset["time"], np.arange(10) * 0.25)
        np.testing.assert_allclose(dataset["x"], np.arange(6) * 2 * math.pi / 6)
        assert dataset["trajectory"].values.tolist() == [6, 7, 8]


def test_metadata_follow_cf(written):
    with netCDF4.Dataset(written[0]) as dataset:
        assert dataset.Conventions == "CF-1.11"
        for name in ("title", "institution", "source", "history", "references", "comment"):
            assert getattr(dataset, name)
        assert dataset["time"].standard_name == "time"
        assert dataset["time"].units == "seconds since 2000-01-01 00:00:00"
        assert dataset["time"].calendar == "standard"
        assert (dataset["y"].axis, dataset["x"].axis) == ("Y", "X")
        assert dataset["x"].standard_name == "projection_x_coordinate"
        assert (dataset["u"].long_name, dataset["u"].units) == ("eastward wind", "m s-1")
        for variable in dataset.variables.values():
            assert "_FillValue" not in variable.ncattrs()


def test_snapshots_are_contiguous(written):
    path, fields, _ = written
    with h5py.File(path) as file:
        assert file["u"].chunks is None
    np.testing.assert_array_equal(open_array(path, "v")[1, 2:5], fields[1, 2:5, 1])


def test_provenance_and_hash_are_attributes(written):
    path, fields, digest = written
    assert read_provenance(path) == {"seed": 5}
    with netCDF4.Dataset(path) as dataset:
        assert json.loads(dataset.provenance) == {"seed": 5}
        assert dataset.content_hash == digest
    arrays = {"u": fields[:, :, 0], "v": fields[:, :, 1]}
    assert digest == content_hash(arrays, {"seed": 5})


def test_file_of_others_has_no_provenance(tmp_path):
    netCDF4.Dataset(tmp_path / "a.nc", "w").close()
    assert read_provenance(tmp_path / "a.nc") is None


def test_failed_writing_leaves_nothing(tmp_path):
    def segments():
        yield np.zeros((3, 4, 2, 4, 6), dtype="f4")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_trajectories(
            tmp_path / "a.nc", segments(), (3, 10), VARIABLES, GRID, 0.25, 0, "winds", {}
        )
    assert list(tmp_path.iterdir()) == []


def test_written_whole_replaces_only_at_the_end(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_file(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
