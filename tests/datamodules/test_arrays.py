"""Every layout is read as the NetCDF library itself reads it."""

import os
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from datamodules.files.arrays import open_array
from datamodules.files.classic import ClassicArray
from datamodules.files.decoded_array import DecodedArray
from datamodules.files.filled_array import FilledArray
from datamodules.files.formats.plain_arrays import Values
from datamodules.files.hdf5 import Hdf5Array, find_layout
from datamodules.files.oriented_array import OrientedArray
from datamodules.files.part import PartArray, SharedArray, StackedArray
from datamodules.files.subset import SubsetArray
from tests.datamodules.files import write_file

CLASSIC = ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA")
KEYS = ((1, slice(3, 9)), (2, 4), 0, (slice(0, 2), 5))


def by_the_library(path, name):
    with netCDF4.Dataset(path) as dataset:
        return np.ma.filled(np.ma.asarray(dataset[name][:], dtype="f8"), np.nan)


def agrees(path, name, kind):
    array, wanted = open_array(path, name), by_the_library(path, name)
    assert isinstance(array, kind)
    assert array.shape == wanted.shape
    for key in KEYS[: 4 if wanted.ndim > 3 else 2]:
        key = key if wanted.ndim > 3 else slice(2, 5)
        np.testing.assert_array_equal(array[key], wanted[key])
        out = np.empty((*wanted[key].shape, 2))  # a channel of two: its values do not adjoin
        array.copy_to(out[..., 1], key)
        np.testing.assert_array_equal(out[..., 1], wanted[key])
    array.close()


@pytest.mark.parametrize("format", CLASSIC)
@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_classic_files_are_read(tmp_path, format, kind):
    path = tmp_path / "a.nc"
    write_file(path, names=("u", "v"), format=format, kind=kind)
    agrees(path, "v", ClassicArray)


@pytest.mark.parametrize("format", CLASSIC)
@pytest.mark.parametrize("others", [(), ("i2",), ("i1", "f8")])
def test_records_of_classic_files_are_read(tmp_path, format, others):
    path, rng = tmp_path / "a.nc", np.random.default_rng(0)
    with netCDF4.Dataset(path, "w", format=format) as file:
        file.title = "an odd one"  # 10 letters, padded to 12
        for name, size in (("time", None), ("y", 3), ("x", 5)):
            file.createDimension(name, size)
        for number, kind in enumerate(others):
            file.createVariable(f"other{number}", kind, ("time", "y"))[:] = np.ones((7, 3))
        field = file.createVariable("u", "f4", ("time", "y", "x"))
        field.units = "m/s"
        field[:] = rng.standard_normal((7, 3, 5))
    agrees(path, "u", ClassicArray)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"contiguous": True}, Hdf5Array),
        ({"contiguous": True, "fill_value": np.nan}, Hdf5Array),
        ({"zlib": True, "chunksizes": (2, 3, 8, 4)}, Hdf5Array),
        ({"fill_value": -999.0}, DecodedArray),
    ],
)
@pytest.mark.parametrize("type", ["f4", "f8"])
def test_hdf5_is_decoded_where_it_has_to_be(tmp_path, options, kind, type):
    write_file(tmp_path / "a.nc", kind=type, **options)
    agrees(tmp_path / "a.nc", "vorticity", kind)


CHUNKS = [
    (1, 1, 32, 32),
    (1, 7, 32, 32),
    (2, 7, 32, 32),
    (2, 3, 20, 12),
    (3, 20, 32, 8),
    (1, 4, 32, 9),
]


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("options", [{}, {"zlib": True}], ids=["plain", "compressed"])
def test_chunks_are_read(tmp_path, chunks, options):
    path = tmp_path / "a.nc"  # 20 snapshots, 32 points: not every chunk divides them
    write_file(path, shape=(3, 20, 32, 32), chunksizes=chunks, endian="big", **options)
    agrees(path, "vorticity", Hdf5Array)


def test_chunks_that_were_written_in_any_order_are_found(tmp_path):
    path, fields = tmp_path / "a.nc", np.random.default_rng(0).standard_normal((20, 32, 32))
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", None), ("y", 32), ("x", 32)):
            file.createDimension(name, size)
        field = file.createVariable("u", "f8", ("time", "y", "x"), chunksizes=(1, 32, 32))
        for n in (7, 8, 9, 3, 19, 0, 1, 2, 12, 11, 10, 4, 5, 6, 18, 13, 14, 15, 17, 16):
            field[n] = fields[n]
    array = open_array(path, "u")
    for start, stop in ((0, 20), (1, 5), (6, 13), (13, 20), (9, 9)):
        np.testing.assert_array_equal(array[start:stop], fields[start:stop])
    array.close()


@pytest.mark.parametrize("key", [(0, slice(None, None, 2)), (0, slice(None, None, -1)), (0, -1), 3])
def test_keys_that_chunks_do_not_know_are_refused(tmp_path, key):
    path = tmp_path / "a.nc"
    write_file(path, shape=(3, 20, 32, 32), chunksizes=(1, 7, 32, 32))
    array = open_array(path, "vorticity")
    with pytest.raises(IndexError, match=r"a.nc: .* cannot be read of an axis of (3|20) items"):
        array[key]
    array.close()


def test_chunks_are_found_once_while_the_file_stays_as_it_is(tmp_path):
    path = tmp_path / "a.nc"
    for seed in (0, 1):
        size = 32 + 8 * seed
        wanted = write_file(path, (3, 20, size, size), seed=seed, chunksizes=(1, 1, size, size))
        misses = find_layout.cache_info().misses
        for _ in range(3):
            array = open_array(path, "vorticity")
            np.testing.assert_array_equal(array[2], wanted["vorticity"][2])
            array.close()
        assert find_layout.cache_info().misses == misses + 1


def test_truncated_chunks_are_refused(tmp_path):
    path = tmp_path / "a.nc"
    write_file(path, shape=(3, 20, 32, 32), chunksizes=(1, 1, 32, 32))
    array = open_array(path, "vorticity")
    os.truncate(path, path.stat().st_size - 1000)
    with pytest.raises(ValueError, match=r"a.nc: variable 'vorticity' .*truncated"):
        array[2]
    array.close()


def test_small_chunks_and_missing_ones(tmp_path):
    path = tmp_path / "a.nc"
    write_file(path, shape=(3, 20, 32, 32), chunksizes=(1, 1, 8, 8))  # 256 bytes each
    agrees(path, "vorticity", Hdf5Array)
    with netCDF4.Dataset(path, "a") as file:
        sparse = file.createVariable(
            "u", "f4", ("trajectory", "time", "y", "x"), chunksizes=(1, 1, 32, 32), fill_value=False
        )
        sparse[0, :5] = 1.0
    array = open_array(path, "u")
    assert isinstance(array, FilledArray)
    assert isinstance(array.array, Hdf5Array)
    assert (array[0, :5] == 1.0).all()
    assert np.isnan(array[0, 5:]).all()
    assert np.isnan(array[1]).all()


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_CLASSIC"])
@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("i2", {"scale_factor": 0.5, "add_offset": 10.0}),
        ("i2", {"scale_factor": np.float32(0.1)}),
        ("i2", {"valid_range": np.array([-50, 60], "i2")}),
        ("i2", {"valid_min": np.int16(-50)}),
        ("i2", {"valid_max": np.int16(60)}),
        ("i1", {"_Unsigned": "true", "add_offset": 1.0}),
        ("f4", {"missing_value": np.float32(7.0)}),
        ("f4", {"add_offset": np.float32(273.15)}),
        ("i4", {}),
    ],
)
def test_packed_values_are_decoded(tmp_path, format, kind, attributes):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w", format=format) as file:
        for name, size in (("time", 6), ("y", 3), ("x", 5)):
            file.createDimension(name, size)
        packed = file.createVariable("u", kind, ("time", "y", "x"))
        packed.set_auto_maskandscale(False)
        packed.setncatts(attributes)
        values = np.random.default_rng(0).integers(-100, 100, (6, 3, 5))
        packed[:5] = values[:5]
        packed[2, 1, 1] = 7  # and the last snapshot is never written
    agrees(path, "u", DecodedArray)


def test_truncated_classic_file_is_refused(tmp_path):
    path = tmp_path / "a.nc"
    write_file(path, format="NETCDF3_CLASSIC")
    os.truncate(path, path.stat().st_size - 4)
    with pytest.raises(ValueError, match=r"a.nc is truncated: variable 'vorticity' ends at byte"):
        open_array(path, "vorticity")


def test_other_formats_are_refused(tmp_path):
    (tmp_path / "a.nc").write_bytes(b"GRIB and so on")
    with pytest.raises(
        ValueError, match=r"a.nc is neither HDF5 nor a classic NetCDF file \(.*GRIB"
    ):
        open_array(tmp_path / "a.nc", "u")


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_CLASSIC"])
def test_variable_that_is_missing_is_named(tmp_path, format):
    write_file(tmp_path / "a.nc", format=format)
    with pytest.raises(ValueError, match=r"a.nc has no variable 'u', only .*vorticity"):
        open_array(tmp_path / "a.nc", "u")


@pytest.mark.parametrize("format", CLASSIC)
def test_damaged_headers_are_refused_or_read(tmp_path, format):
    write_file(tmp_path / "a.nc", (2, 3, 4, 4), format=format)
    content = (tmp_path / "a.nc").read_bytes()
    end = content.index(b"vorticity") + 60
    refused = []
    for place in range(4, end, 3):
        for value in (0, 7, 255):
            damaged = bytearray(content)
            damaged[place] = value
            (tmp_path / "b.nc").write_bytes(damaged)
            try:
                open_array(tmp_path / "b.nc", "vorticity")[()]
            except ValueError as error:
                refused.append(str(error))
    assert all("b.nc" in sentence for sentence in refused)
    assert len(refused) > end // 6


@pytest.mark.parametrize(
    "view",
    [
        lambda array: OrientedArray(array, (1, 0), (1,)),
        lambda array: PartArray(OrientedArray(array, (1, 0)), [1, slice(None)]),
        lambda array: SharedArray(array, {1: slice(0, 3)}),
        lambda array: SubsetArray(array, [range(2), range(1, 3)], [1, 2]),
        lambda array: FilledArray(array, (3, 3)),
        lambda array: StackedArray(array.path, [lambda: array], array.shape),
    ],
)
def test_one_value_of_a_view_is_an_array(view):
    array = view(Values(Path("a.nc"), np.arange(6.0).reshape(2, 3)))
    whole = array[()]
    key = tuple(size - 1 for size in array.shape)
    found = array[key]
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, whole[key])
