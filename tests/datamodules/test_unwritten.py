"""What was never written reads as missing, in every layout, storage and place."""

import os

import h5py
import netCDF4
import numpy as np
import pytest
import torch

from datamodules.files.arrays import open_array
from datamodules.files.dimensions import Dimensions
from datamodules.files.formats.netcdf import NetCDF
from datamodules.files.hdf5 import Hdf5Array
from datamodules.files.trajectory_file import TrajectoryFile
from datamodules.storage.in_memory import in_memory, shared
from datamodules.storage.on_device import on_device
from datamodules.trajectories import Range, Trajectories
from tests.datamodules.test_arrays import by_the_library

HELD, TIMES = 17, 20  # snapshots that were written, and that the time axis counts
LAYOUTS = {
    "one snapshot a chunk": {"chunksizes": (1, 8, 200)},
    "several": {"chunksizes": (3, 8, 200)},
    "more than are there": {"chunksizes": (32, 8, 200)},
    "parts of snapshots": {"chunksizes": (2, 4, 150)},
    "small": {"chunksizes": (1, 2, 10)},
    "compressed": {"chunksizes": (1, 8, 200), "zlib": True},
    "several, compressed": {"chunksizes": (5, 8, 200), "zlib": True, "shuffle": True},
    "float64, big-endian": {"chunksizes": (4, 8, 200), "datatype": ">f8", "endian": "big"},
    "marked": {"chunksizes": (1, 8, 200), "fill_value": -9.0},
    "no fill": {"chunksizes": (3, 8, 200), "fill_value": False},
    "packed": {"chunksizes": (1, 8, 200), "datatype": "i2", "scale": 0.01},
    "packed without fill": {"datatype": "i2", "scale": 0.01, "fill_value": False},
    "bytes": {"chunksizes": (1, 8, 200), "datatype": "i1", "scale": 0.5},
}
STORES = {
    "stream": lambda storage, folder: storage,
    "memory": lambda storage, folder: in_memory(storage),
    "shared": lambda storage, folder: shared(storage, folder / "a.float32"),
    "device": lambda storage, folder: on_device(storage, torch.device("cpu")),
}


def write_short(path, held=HELD, leading=(), datatype="f4", scale=None, **options):
    """Write `held` of 20 snapshots of u, and all of their times; return what is read of them."""
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (*((name, None) for name in leading), ("time", None), ("y", 8)):
            file.createDimension(name, size)
        file.createDimension("x", 200)
        file.createVariable("time", "f8", ("time",))[:] = np.arange(float(TIMES))
        for name in ("y", "x"):
            file.createVariable(name, "f8", (name,))[:] = np.arange(len(file.dimensions[name]))
        u = file.createVariable("u", datatype, (*leading, "time", "y", "x"), **options)
        values = np.random.default_rng(0).normal(0, 10, (*(3 for _ in leading), held, 8, 200))
        if scale:
            u.scale_factor = scale
        u[*(slice(3) for _ in leading), :held] = values
    wanted = np.full((*(3 for _ in leading), TIMES, 8, 200), np.nan)
    # netCDF-C 4.9 itself gives what lay in memory if two dimensions are longer than the data set
    wanted[..., :held, :, :] = values.astype("f4") if leading else by_the_library(path, "u")[:held]
    return wanted


@pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS)
def test_short_data_set_ends_in_missing_values(tmp_path, options):
    wanted = write_short(tmp_path / "a.nc", **options)
    assert np.isfinite(wanted[:HELD]).all()
    array = open_array(tmp_path / "a.nc", "u")
    assert array.shape == by_the_library(tmp_path / "a.nc", "u").shape == wanted.shape
    for start, stop in ((0, 20), (15, 19), (16, 18), (17, 20), (19, 20), (3, 9), (0, 17)):
        np.testing.assert_array_equal(array[start:stop], wanted[start:stop])
        out = np.full((stop - start, 2, 8, 200), 7.0, "f4")
        array.copy_to(out[:, 1], slice(start, stop))
        np.testing.assert_array_equal(out[:, 1], wanted[start:stop].astype("f4"))
    for snapshot in (0, 16, 17, 19):
        np.testing.assert_array_equal(array[snapshot], wanted[snapshot])
    np.testing.assert_array_equal(array[15:19, 3, 5:190], wanted[15:19, 3, 5:190])
    with pytest.raises(IndexError, match="20 cannot be read of an axis of 20 items"):
        array[20]
    array.close()


@pytest.mark.parametrize("zlib", [False, True])
def test_data_set_that_is_short_along_two_dimensions(tmp_path, zlib):
    path = tmp_path / "a.nc"
    held = write_short(path, leading=("trajectory",), chunksizes=(1, 1, 8, 200), zlib=zlib)
    wanted = np.full((5, *held.shape[1:]), np.nan)
    wanted[:3] = held
    with netCDF4.Dataset(path, "a") as file:  # five trajectories by another variable
        file.createVariable("run", "i4", ("trajectory",))[:] = np.arange(5)
    array = open_array(path, "u")
    assert array.shape == wanted.shape
    for key in (2, 4, (1, slice(15, 20)), (slice(2, 5), 16), (3, slice(0, 4)), (slice(1, 4),)):
        np.testing.assert_array_equal(array[key], wanted[key])
    array.close()


@pytest.mark.parametrize("store", STORES.values(), ids=STORES)
@pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS)
def test_every_storage_refuses_it_and_says_where(tmp_path, options, store):
    write_short(tmp_path / "a.nc", **options)
    file = TrajectoryFile(tmp_path / "a.nc", ["u"])
    with pytest.raises(ValueError, match=r"a.nc: variable 'u' is not finite at .* snapshot 17,"):
        store(Trajectories([file]).storage, tmp_path).windows([(0, 16)], 4)
    kept = store(Trajectories([file], times=Range(0, HELD)).storage, tmp_path)
    assert kept.windows([(0, 13)], 4).isfinite().all()  # what was written can be used


@pytest.mark.parametrize("zlib", [False, True])
@pytest.mark.parametrize("fill_value", [None, False, -1.0])
def test_chunks_that_were_never_written(tmp_path, zlib, fill_value):
    path, options = tmp_path / "a.nc", {"zlib": zlib, "fill_value": fill_value}
    write_short(path, held=20, chunksizes=(2, 8, 100), **options)
    with netCDF4.Dataset(path, "a") as file:
        v = file.createVariable("v", "f4", ("time", "y", "x"), chunksizes=(2, 8, 100), **options)
        v[4:6, :, 100:] = 3.0
        v[9] = 5.0
    wanted = np.full((20, 8, 200), np.nan)
    wanted[4:6, :, 100:], wanted[9] = 3.0, 5.0
    array = open_array(path, "v")
    found = array[3:12]
    found = np.where(np.abs(found) < 9e36, found, np.nan)
    if fill_value is False:  # the other half of a chunk of which something was written is HDF5's
        found[5] = wanted[8]
    np.testing.assert_array_equal(found[:5], wanted[3:8])
    assert (found[6] == 5).all()
    assert np.isnan(found[7:]).all()
    array.close()


def test_data_of_h5py_that_were_never_written(tmp_path):
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file.create_dataset("whole", (20, 8, 8), "f4")
        file.create_dataset("chunks", (20, 8, 8), "f4", chunks=(5, 8, 8))[:5] = 1.0
        file.create_dataset("zero", (20, 8, 8), "f4", chunks=(5, 8, 8), fillvalue=0.0)[:5] = 1.0
        file.create_dataset("compact", data=np.arange(4.0), track_times=False)
    assert np.isnan(open_array(tmp_path / "a.nc", "whole")[3:5]).all()
    chunks = open_array(tmp_path / "a.nc", "chunks")[2:9]
    np.testing.assert_array_equal(chunks[:, 0, 0], [1, 1, 1, *[np.nan] * 4])
    zero = open_array(tmp_path / "a.nc", "zero")[2:9]
    np.testing.assert_array_equal(zero[:, 0, 0], [1, 1, 1, *[np.nan] * 4])


@pytest.mark.parametrize("fill", [0.0, -999.0])
@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}, {"chunks": (2, 4, 4)}])
def test_no_fill_value_of_h5py_is_taken_for_data(tmp_path, fill, options):
    options = {"chunks": (4, 32, 40), **options}
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file.create_dataset("u", (12, 32, 40), "f4", fillvalue=fill, **options)[:8] = 2.0
        file.create_dataset("whole", (12, 32, 40), "f4", fillvalue=fill)
        file.create_dataset("bytes", (12, 32, 40), "i2", fillvalue=int(fill), **options)[4:] = 3
    u, whole, numbers = (open_array(tmp_path / "a.nc", n)[6:10] for n in ("u", "whole", "bytes"))
    assert (u[:2] == 2).all()
    assert np.isnan(u[2:]).all()
    assert np.isnan(whole).all()
    assert (numbers == 3).all()
    assert np.isnan(open_array(tmp_path / "a.nc", "bytes")[3]).all()


@pytest.mark.parametrize("kind", ["f4", "f8", ">f8", "i2"])
@pytest.mark.parametrize("chunks", [None, (1, 32, 32), (1, 4, 4)])
def test_no_row_is_repeated_where_fewer_are_read_than_asked_for(tmp_path, kind, chunks):
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file.create_dataset("u", data=np.ones((5, 32, 32), kind), chunks=chunks)
    array = open_array(tmp_path / "a.nc", "u")
    out = np.zeros((3, 32, 32), "f4")
    with pytest.raises(ValueError, match=r"a.nc: .*\(1, 32, 32\) .*\(3, 32, 32\)"):
        array.copy_to(out, slice(4, 7))
    assert (out == 0).all()
    array.close()


def test_data_set_shorter_than_its_fixed_dimension(tmp_path):
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file["time"] = np.arange(6.0)
        file["u"] = np.arange(8.0).reshape(4, 2)
        file["time"].make_scale("time")
        file["u"].dims[0].attach_scale(file["time"])
    array = open_array(tmp_path / "a.nc", "u")
    np.testing.assert_array_equal(array[2:6], [[4, 5], [6, 7], [np.nan] * 2, [np.nan] * 2])


def test_variable_with_the_name_of_another_dimension(tmp_path):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("time", 3)
        file.createDimension("u", 2)
        file.createVariable("u", "f4", ("time",))[:] = [1.0, 2.0, 4.0]
    np.testing.assert_array_equal(open_array(tmp_path / "a.nc", "u")[0:3], [1.0, 2.0, 4.0])


def test_damaged_data_name_their_file(tmp_path):
    write_short(tmp_path / "a.nc", chunksizes=(1, 8, 200), zlib=True)
    array = open_array(tmp_path / "a.nc", "u")
    assert isinstance(array.array, Hdf5Array)
    place = array.array.dataset.id.get_chunk_info(4).byte_offset
    array.close()
    with open(tmp_path / "a.nc", "r+b") as file:
        file.seek(place)
        file.write(b"\xff" * 300)
    array = open_array(tmp_path / "a.nc", "u")
    with pytest.raises(ValueError, match=r"a.nc: variable 'u' cannot be read \(.*damaged"):
        array[4]
    array.close()
    with open(tmp_path / "a.nc", "r+b") as file:
        file.seek(48)
        file.write(b"\xff" * 3000)
    with pytest.raises(ValueError, match=r"a.nc: variable 'u' cannot be read \("):
        open_array(tmp_path / "a.nc", "u")


def test_data_set_that_lies_in_another_file(tmp_path):
    with h5py.File(tmp_path / "part.nc", "w") as file:
        file["u"] = np.arange(12.0).reshape(4, 3)
    layout = h5py.VirtualLayout((4, 3), "f8")
    layout[:] = h5py.VirtualSource("part.nc", "u", (4, 3))
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file.create_virtual_dataset("u", layout)
    np.testing.assert_array_equal(open_array(tmp_path / "a.nc", "u")[2], [6, 7, 8])
    (tmp_path / "part.nc").rename(tmp_path / "moved.nc")
    os.utime(tmp_path / "a.nc")
    with pytest.raises(ValueError, match=r"a.nc: variable 'u' lies in part.nc, which is missing"):
        open_array(tmp_path / "a.nc", "u")


def test_chunk_that_lies_outside_of_its_array(tmp_path):
    with h5py.File(tmp_path / "a.nc", "w", libver="earliest") as file:
        file.create_dataset("u", data=np.ones((6, 32, 32)), chunks=(1, 32, 32))
    content = (tmp_path / "a.nc").read_bytes()
    key = np.array([32 * 32 * 8, 0, 3, 0, 0, 0], "<u4")  # size, filters, corner of the fourth chunk
    at = content.index(key.tobytes()) + 8
    (tmp_path / "a.nc").write_bytes(content[:at] + b"\xff\x00" + content[at + 2 :])
    with pytest.raises(ValueError, match=r"a.nc: variable 'u' cannot be read \(.*damaged"):
        open_array(tmp_path / "a.nc", "u")


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_CLASSIC"])
@pytest.mark.parametrize("kind", ["f8", "i4"])
def test_stamps_that_were_never_written_are_missing(tmp_path, format, kind):
    with netCDF4.Dataset(tmp_path / "a.nc", "w", format=format) as file:
        file.createDimension("time", None)
        file.createDimension("x", 4)
        file.createVariable("time", kind, ("time",))[:] = np.arange(17)
        file.createVariable("u", "f4", ("time", "x"))[:] = np.ones((20, 4))
    with NetCDF().open(tmp_path / "a.nc") as contents:
        found = contents.variables["time"].values()
    np.testing.assert_array_equal(found, [*range(17), *[np.nan] * 3])
    with pytest.raises(ValueError, match=r"a.nc: stamp 17 of 'time' was never written"):
        TrajectoryFile(tmp_path / "a.nc", ["u"], Dimensions(space=("x",)))


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("fill", [None, np.nan])
def test_values_that_no_source_holds(tmp_path, whole, fill):
    """HDF5 reads zeros for a renamed source and for a part that is not mapped."""
    with h5py.File(tmp_path / "part.nc", "w") as file:
        file["u"] = np.arange(1.0, 7.0).reshape(2, 3)
    layout = h5py.VirtualLayout((4, 3), "f8")
    layout[:2] = h5py.VirtualSource("part.nc", "u", (2, 3))
    if whole:
        layout[2:] = h5py.VirtualSource("part.nc", "v", (2, 3))
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file.create_virtual_dataset("u", layout, fillvalue=fill)
    if whole:
        with pytest.raises(ValueError, match=r"a.nc: variable 'u' lies in 'v' of .*part.nc, which"):
            open_array(tmp_path / "a.nc", "u")
    elif fill is None:
        with pytest.raises(ValueError, match=r"of the 12 values of variable 'u' only 6 are mapped"):
            open_array(tmp_path / "a.nc", "u")
    else:
        values = open_array(tmp_path / "a.nc", "u")[:]
        np.testing.assert_array_equal(np.isfinite(values).all(1), [True, True, False, False])


@pytest.mark.parametrize("there", [96, 48, 0])
def test_values_in_a_raw_file_that_was_cut(tmp_path, there):
    values = np.arange(12.0).reshape(4, 3)
    with h5py.File(tmp_path / "a.nc", "w") as file:
        external = [("raw.bin", 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("u", (4, 3), "f8", external=external)
    (tmp_path / "raw.bin").write_bytes(values.tobytes()[:there])
    if there == values.nbytes:
        open_array(tmp_path / "a.nc", "u")
        return
    with pytest.raises(ValueError, match=rf"raw.bin, which has {there} bytes of it, expected 96;"):
        open_array(tmp_path / "a.nc", "u")
