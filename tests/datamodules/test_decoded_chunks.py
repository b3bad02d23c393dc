"""Chunks that are decoded once for several reads of their parts."""

import gc

import h5py
import numpy as np
import pytest
import zarr

from datamodules.files import decoded_chunks
from datamodules.files.arrays import open_array
from datamodules.files.decoded_chunks import ChunkedArray
from datamodules.files.formats.zarr_store import ZarrArray
from datamodules.files.last_arrays import LastArrays

VALUES = np.random.default_rng(0).normal(size=(3, 25, 30, 40)).astype("f4")
CHUNK = (2, 10, 30, 40)  # which does not divide the array; at least 64 KiB


def hdf5_array(folder):
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("u", data=VALUES, chunks=CHUNK, compression="gzip")
    return open_array(folder / "a.h5", "u")


def zarr_array(folder):
    zarr.create_array(folder / "a.zarr", data=VALUES, chunks=CHUNK)
    return ZarrArray(folder / "a.zarr")


@pytest.fixture(params=[hdf5_array, zarr_array])
def array(request, tmp_path, monkeypatch):
    """An array, the numbers of whose decoded chunks are listed in `decoded`."""
    monkeypatch.setattr(decoded_chunks, "CHUNKS", LastArrays(2**20))
    found = request.param(tmp_path)
    found.decoded, decode = [], found._block

    def block(number):
        found.decoded.append(number)
        return decode(number)

    found._block = block
    return found


def test_a_chunk_that_is_read_state_by_state_is_decoded_once(array):
    for snapshot in range(25):
        for member in range(3):
            np.testing.assert_array_equal(array[member, snapshot], VALUES[member, snapshot])
    assert sorted(array.decoded) == [(m, t, 0, 0) for m in range(2) for t in range(3)]


def test_a_chunk_that_is_read_whole_is_not_kept(array):
    for _ in range(2):
        np.testing.assert_array_equal(array[0:2, 10:20], VALUES[0:2, 10:20])
        np.testing.assert_array_equal(array[2, 20:25], VALUES[2, 20:25])  # cut at the ends
    assert decoded_chunks.CHUNKS.bytes == 0


def test_parts_are_cut_from_chunks_at_any_place(array):
    random = np.random.default_rng(1)
    for _ in range(40):
        ends = [np.sort(random.integers(0, size + 1, 2)) for size in VALUES.shape]
        key = tuple(slice(int(start), int(stop)) for start, stop in ends)
        np.testing.assert_array_equal(array[key], VALUES[key])
    np.testing.assert_array_equal(array[2, 24, 3, 5:7], VALUES[2, 24, 3, 5:7])


def test_chunks_of_a_closed_or_collected_array_are_dropped(array):
    assert array[0, 0].shape == (30, 40)
    assert decoded_chunks.CHUNKS.bytes == 2 * 10 * 30 * 40 * 4
    array.close()
    assert decoded_chunks.CHUNKS.bytes == 0
    assert array[0, 0].shape == (30, 40)
    assert len(array.decoded) == 2


class Ones(ChunkedArray):
    def __init__(self, path, size):
        super().__init__()
        self.path, self.shape, self.chunk = path, (8, size), (1, size)
        self.dtype, self.decoded = np.dtype("i1"), []

    def __getitem__(self, key):
        return self._of_chunks((key,), [range(key, key + 1), range(1)])

    def _block(self, number):
        self.decoded.append(number[0])
        return np.ones(self.chunk, self.dtype)


def test_the_least_recently_used_chunks_make_room(tmp_path, monkeypatch):
    kept = LastArrays(25)
    monkeypatch.setattr(decoded_chunks, "CHUNKS", kept)
    array, other = Ones(tmp_path, 10), Ones(tmp_path, 30)
    for number in (0, 1, 0, 2, 0, 1):
        array[number]
    assert (array.decoded, kept.bytes) == ([0, 1, 2, 1], 20)
    other[0], other[0]  # larger than all may be together, and kept until others are used
    assert (other.decoded, kept.bytes) == ([0], 30)
    array[0]
    assert (array.decoded[4:], kept.bytes) == ([0], 10)
    del array
    gc.collect()
    assert kept.bytes == 0
