"""Levels that become channels are read at once where they share chunks, and else one by one."""

import pickle

import numpy as np
import pytest
import xarray

from datamodules import Dimensions, Zarr
from datamodules.files.formats.zarr_store import ZarrArray
from datamodules.files.hdf5 import Hdf5Array
from datamodules.files.trajectory_file import TrajectoryFile

TIMES, LEVELS = 9, [1000, 850, 700, 500, 300]
VALUES = 300 + np.round(np.random.default_rng(0).normal(size=(TIMES, 5, 6, 8)), 2)
PACKED = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 300.0, "_FillValue": -32768}


def write(path, down=True, **encoding):
    data = xarray.Dataset(
        {"q": (("time", "level", "y", "x"), VALUES.astype("f4"))},
        {"time": 0.5 * np.arange(TIMES), "level": LEVELS, "y": np.arange(6.0) * (-1) ** down},
    )
    if path.suffix == ".zarr":
        data.to_zarr(path, zarr_format=3, consolidated=False, encoding={"q": encoding})
        return TrajectoryFile(
            path, ["q"], Dimensions(), format=Zarr(), select={"level": [300, 850]}
        )
    data.to_netcdf(path, encoding={"q": encoding})
    return TrajectoryFile(path, ["q"], Dimensions(), select={"level": [300, 850]})


def expected(start, stop, down=True):
    return VALUES[start:stop, [4, 1], :: (-1) ** down]  # y is read in increasing order


def count(monkeypatch, kind, method):
    """Return a list of the keys with which a method is called."""
    keys, original = [], getattr(kind, method)

    def counted(self, key):
        keys.append(key)
        return original(self, key)

    monkeypatch.setattr(kind, method, counted)
    return keys


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize(
    ("encoding", "reads"),
    [
        ({"zlib": True, "chunksizes": (2, 5, 6, 8)}, 1),
        ({"zlib": True, "chunksizes": (2, 5, 6, 8), **PACKED}, 1),
        ({"zlib": True, "chunksizes": (2, 3, 6, 8)}, 2),  # 850 and 300 in different chunks
        ({"zlib": True, "chunksizes": (2, 1, 6, 8)}, 2),
        ({"chunksizes": (2, 5, 6, 8)}, 2),
        ({"contiguous": True}, 2),
    ],
)
def test_compressed_chunks_are_read_once_for_all_levels(
    tmp_path, monkeypatch, encoding, reads, down
):
    file = pickle.loads(pickle.dumps(write(tmp_path / "a.nc", down, **encoding)))
    keys = count(monkeypatch, Hdf5Array, "__getitem__")
    first, second = file.read(0, 0, 3), file.read(0, 4, 9)
    assert len(keys) == 2 * reads
    np.testing.assert_allclose(first, expected(0, 3, down), atol=1e-4)
    np.testing.assert_allclose(second, expected(4, 9, down), atol=1e-4)
    file.close()
    np.testing.assert_array_equal(file.read(0, 0, 3), first)


def test_chunks_of_a_zarr_store_are_decoded_once_for_all_levels(tmp_path, monkeypatch):
    file = write(tmp_path / "a.zarr", chunks=(2, 5, 6, 8))
    blocks = count(monkeypatch, ZarrArray, "_block")
    np.testing.assert_allclose(file.read(0, 2, 5), expected(2, 5), atol=1e-4)
    assert sorted(blocks) == [(1, 0, 0, 0), (2, 0, 0, 0)]
