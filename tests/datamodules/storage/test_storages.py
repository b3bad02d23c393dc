"""Every storage gives the windows that the NetCDF library reads."""

import json
import os
import pickle
import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch

from datamodules.files.hashes import stamp_of
from datamodules.files.trajectory_file import TrajectoryFile
from datamodules.generation.segments import locked_folder
from datamodules.storage.in_memory import in_memory, shared
from datamodules.storage.on_device import on_device
from datamodules.trajectories import Range, Trajectories
from tests.datamodules.files import write_file

PLACES = [(0, 0), (3, 5), (1, 2), (0, 7)]
STORES = {
    "stream": lambda storage, folder: storage,
    "memory": lambda storage, folder: in_memory(storage),
    "shared": lambda storage, folder: shared(storage, folder / "train.float32"),
    "device": lambda storage, folder: on_device(storage, torch.device("cpu")),
}


@pytest.mark.parametrize("store", STORES.values(), ids=STORES)
@pytest.mark.parametrize(
    "options",
    [
        {"contiguous": True},
        {"zlib": True, "chunksizes": (1, 2, 8, 8)},
        {"kind": "f8"},
        {"format": "NETCDF3_CLASSIC"},
    ],
    ids=["plain", "compressed", "float64", "classic"],
)
def test_windows_are_those_of_the_files(tmp_path, store, options):
    names, files = ("v", "u"), []
    for seed in (0, 1):
        write_file(tmp_path / f"{seed}.nc", names=("u", "v"), seed=seed, **options)
        files.append(TrajectoryFile(tmp_path / f"{seed}.nc", names))
    storage = store(Trajectories(files, Range(1, 3), Range(4, 16)).storage, tmp_path)
    assert (storage.lengths, storage.shape) == ([12] * 4, (2, 8, 8))
    windows = storage.windows(PLACES, 5)
    assert windows.dtype == torch.float32
    for window, (k, start) in zip(windows, PLACES, strict=True):
        with netCDF4.Dataset(tmp_path / f"{k // 2}.nc") as dataset:
            times = slice(4 + start, 4 + start + 5)
            wanted = np.stack([dataset[name][1 + k % 2, times] for name in names], axis=1)
        np.testing.assert_array_equal(window, wanted.astype("f4"))
        assert torch.equal(storage.read(k, start, start + 5), window)
    assert sum(len(piece) for piece in storage.pieces(5)) == 4 * 12


def in_another_process(claim):
    """Return the number of a forked process that exits with 0 if the claim holds in it."""
    child = os.fork()
    if child == 0:
        holds = False
        try:
            holds = claim()
        finally:
            os._exit(0 if holds else 1)
    return child


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_shared_file_is_written_once_and_mapped_by_every_process(files, tmp_path):
    path = tmp_path / "shared" / "train.float32"
    split = Trajectories(files).storage
    storage = shared(split, path)
    before = path.stat()

    def other():
        other = shared(pickle.loads(pickle.dumps(split)), path)
        value = other.read(3, 7, 8).mean()  # the second file counts from 1000
        maps = Path("/proc/self/maps")
        return value == 1007 and (not maps.exists() or maps.read_text().count(str(path)) == 2)

    assert os.waitpid(in_another_process(other), 0)[1] == 0
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    storage.values.zero_()  # of this process alone
    assert storage.read(0, 0, 20).sum() == 0
    assert shared(split, path).read(0, 3, 4).mean() == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_processes_wait_for_the_one_that_writes(files, tmp_path):
    path, split = tmp_path / "shared" / "train.float32", Trajectories(files).storage

    def other():
        while not path.parent.exists():
            time.sleep(0.01)
        time.sleep(0.1)
        return (shared(split, path).values == 1).all()

    child = in_another_process(other)  # before the lock, which it would inherit
    with locked_folder(path.parent):
        time.sleep(0.5)
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
        path.write_bytes(np.ones((80, 1, 8, 8), "f4"))  # by the process that got in
        path.with_name(f"{path.name}.json").write_text(json.dumps(stamp_of(path)))
    assert os.waitpid(child, 0)[1] == 0


def test_what_a_killed_process_left_is_removed(files, tmp_path):
    (tmp_path / "train.float32.123.tmp").write_bytes(b"part")
    shared(Trajectories(files).storage, tmp_path / "train.float32")
    assert not list(tmp_path.glob("*.tmp"))


def test_folder_that_cannot_be_written_is_named(files, tmp_path):
    (tmp_path / "shared").write_text("a file in the way")
    with pytest.raises(OSError, match=r"20 KiB that proces.*share \(.*set data.storage to memory"):
        shared(Trajectories(files).storage, tmp_path / "shared" / "train.float32")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_full_disk_is_named_and_nothing_is_left(files, tmp_path, monkeypatch):
    path = tmp_path / "shared" / "train.float32"
    path.parent.mkdir()
    (path.parent / f"{path.name}.{os.getpid()}.tmp").symlink_to("/dev/full")
    monkeypatch.setattr("pathlib.Path.glob", lambda self, pattern: [])
    with pytest.raises(
        OSError, match=r"cannot write the 20 KiB that .*\(No space left on device\)"
    ):
        shared(Trajectories(files).storage, path)
    assert sorted(os.listdir(path.parent)) == ["lock"]


@pytest.mark.parametrize(
    "damage", ["empty", "cut", "longer", "flipped", "no note", "note", "other note"]
)
def test_shared_file_that_was_changed_is_written_again_with_a_word(files, tmp_path, capsys, damage):
    path, split = tmp_path / "shared" / "train.float32", Trajectories(files).storage
    expected = shared(split, path).values.clone()
    whole, note = path.read_bytes(), path.with_name("train.float32.json")
    if damage in ("note", "other note"):
        note.write_text({"note": "{", "other note": "[1, 2, 3, 4]"}[damage])
    elif damage in ("flipped", "no note"):
        if damage == "no note":  # and a flipped bit
            note.unlink()
        with path.open("rb+") as file:
            file.seek(4000)
            file.write(b"\x7f")
    else:
        content = {"empty": b"", "cut": whole[:-4], "longer": whole + b"0000"}[damage]
        path.write_bytes(content)
    assert torch.equal(shared(split, path).values, expected)
    assert f"{path} is not as it was written" in capsys.readouterr().err
    assert path.read_bytes() == whole
    shared(split, path)
    assert "written again" not in capsys.readouterr().err
