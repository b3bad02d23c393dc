import os
import pickle
import resource
import shutil
import sys

import h5py
import netCDF4
import numpy as np
import pytest

from datamodules.files import open_files
from datamodules.files.arrays import open_array
from datamodules.files.open_files import FILES
from datamodules.files.trajectory_file import TrajectoryFile
from datamodules.statistics import accumulate
from datamodules.trajectories import Trajectories
from tests.datamodules.files import write_file
from tests.datamodules.storage.test_storages import STORES, in_another_process

SNAPSHOTS = 50 * 2**30 // (512 * 512 * 4)


def write_sparse(path, snapshots):
    """A file of zeros that takes no room on the disk."""
    with h5py.File(path, "w") as file:
        shape = (snapshots, 512, 512)
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_layout(h5py.h5d.CONTIGUOUS)
        layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space, kind = h5py.h5s.create_simple(shape), h5py.h5t.IEEE_F32LE
        field = h5py.Dataset(h5py.h5d.create(file.id, b"vorticity", kind, space, layout))
        file["time"] = np.arange(float(snapshots))
        for name in ("y", "x"):
            file[name] = np.arange(512.0)
        for axis, name in enumerate(("time", "y", "x")):
            file[name].make_scale(name)
            field.dims[axis].attach_scale(file[name])


def growth(work):
    """Return by how many bytes the memory of a process grows at most while it works."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        work()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        os.write(writing, str(1024 * (peak - before)).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        return int(pipe.read())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts memory as Linux does")
def test_random_windows_of_50_gb_take_little_memory(tmp_path):
    path = tmp_path / "large.nc"
    write_sparse(path, SNAPSHOTS)
    assert path.stat().st_size > 50 * 2**30
    assert path.stat().st_blocks * 512 < 2**26  # on the disk
    trajectories = Trajectories([TrajectoryFile(path, ["vorticity"])])

    def read():
        rng = np.random.default_rng(0)
        for _ in range(75):
            starts = rng.integers(0, SNAPSHOTS - 4, 4).tolist()
            trajectories.windows([(0, start) for start in starts], 4)
        array = open_array(path, "vorticity")
        for snapshot in range(300):
            array[snapshot]

    assert growth(read) < 2**28  # of 75 batches of 16 MiB, and 300 snapshots of 1 MiB


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts memory as Linux does")
@pytest.mark.parametrize(
    "options",
    [{}, {"zlib": True, "complevel": 1, "chunksizes": (1, 721, 1440)}, {"scale_factor": 0.001}],
    ids=["plain", "compressed", "packed"],
)
def test_statistics_of_large_snapshots_take_little_memory(tmp_path, options):
    kind, shape = "i2" if "scale_factor" in options else "f4", (16, 721, 1440)
    scale = options.pop("scale_factor", None)
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for name, size in zip(("time", "y", "x"), shape, strict=True):
            file.createDimension(name, size)
            file.createVariable(name, "f8", (name,))[:] = np.arange(float(size))
        for number, name in enumerate(("u", "v")):
            field = file.createVariable(name, kind, ("time", "y", "x"), **options)
            field.set_auto_maskandscale(False)
            for snapshot in range(shape[0]):
                field[snapshot] = np.arange(1440) % (7 + snapshot + number)
            if scale:
                field.scale_factor = scale
    trajectories = Trajectories([TrajectoryFile(tmp_path / "a.nc", ["u", "v"])])
    trajectories.read(0, 0, 1)
    assert growth(lambda: accumulate(trajectories.chunks("statistics"), [16])) < 2**29


LAYOUTS = {
    "plain": {"contiguous": True},
    "chunks": {"chunksizes": (1, 32, 32)},
    "compressed": {"zlib": True, "chunksizes": (1, 8, 8)},
    "classic": {"format": "NETCDF3_CLASSIC"},
}


def test_few_files_are_open_at_a_time(tmp_path):
    names, count = ["u", "v", "w"], 80  # of the 64 that are allowed, the program has some itself
    for number, options in enumerate(LAYOUTS.values()):
        path = tmp_path / f"{number}.nc"
        wanted = write_file(path, (5, 32, 32), names, ("time", "y", "x"), **options)
        for copy in range(number + len(LAYOUTS), count, len(LAYOUTS)):
            shutil.copy(path, tmp_path / f"{copy}.nc")

    def work():
        limit = max(64, max(map(int, os.listdir("/proc/self/fd"))) + 20)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        files = [TrajectoryFile(tmp_path / f"{n}.nc", names) for n in range(count)]
        for file in files[:8]:
            file.compute_hash()
        first = np.stack([wanted[name][1:4] for name in names], axis=1)
        for store in STORES.values():
            storage = store(Trajectories(files).storage, tmp_path)
            windows = storage.windows([(k % count, 1) for k in range(2 * count)], 3)
            if (windows.numpy() != first).any():
                return False
        return True

    assert os.waitpid(in_another_process(work), 0)[1] == 0


def test_file_whose_place_another_has_taken_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("datamodules.files.open_files.open_files_limit", lambda: 1)
    for name in ("a", "b", "new"):
        write_file(tmp_path / f"{name}.nc", contiguous=True)
    storages = [
        Trajectories([TrajectoryFile(tmp_path / f"{name}.nc", ["vorticity"])]) for name in "ab"
    ]
    storages[0].read(0, 0, 2)
    os.replace(tmp_path / "new.nc", tmp_path / "a.nc")
    storages[0].read(0, 0, 2)  # of the file that is still open
    storages[1].read(0, 0, 2)
    assert len(FILES) == 1
    with pytest.raises(OSError, match=r"a.nc was replaced while it was being read"):
        storages[0].read(0, 0, 2)


@pytest.mark.parametrize("options", [LAYOUTS["plain"], LAYOUTS["chunks"], LAYOUTS["classic"]])
@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("left", [0, 9000, 40000])
def test_file_that_shrinks_is_refused(tmp_path, options, kind, left):
    path = tmp_path / "a.nc"
    write_file(path, (20, 32, 32), dims=("time", "y", "x"), kind=kind, **options)

    def work():
        storage = Trajectories([TrajectoryFile(path, ["vorticity"])]).storage
        storage.read(0, 0, 3)
        os.truncate(path, left)
        try:
            storage.read(0, 17, 20)
        except (OSError, ValueError) as error:
            return str(path) in str(error) and "truncated" in str(error)

    assert os.waitpid(in_another_process(work), 0)[1] == 0  # a signal would end it


def test_file_that_grows_can_be_read_on(tmp_path):
    write_file(tmp_path / "a.nc", contiguous=True)
    before = open_array(tmp_path / "a.nc", "vorticity")
    assert before[0].shape == (20, 8, 8)
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        new = file.createVariable("u", "f4", ("time", "y", "x"), contiguous=True)
        new[:] = np.arange(20)[:, None, None]
    assert open_array(tmp_path / "a.nc", "u")[19, 2, 3] == 19
    assert before[1].shape == (20, 8, 8)


def test_empty_file_is_named(tmp_path):
    (tmp_path / "a.nc").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a.nc is neither HDF5 nor .*b''"):
        open_array(tmp_path / "a.nc", "u")


def test_processes_open_files_of_their_own(tmp_path):
    write_file(tmp_path / "a.nc", zlib=True, chunksizes=(1, 1, 8, 8))
    storage = Trajectories([TrajectoryFile(tmp_path / "a.nc", ["vorticity"])]).storage
    wanted = storage.read(1, 2, 9)
    opened = storage.spans[0][0]._arrays[0].dataset
    assert np.array_equal(pickle.loads(pickle.dumps(storage)).read(1, 2, 9), wanted)
    child = os.fork()
    if child == 0:
        found = storage.read(1, 2, 9)
        own = storage.spans[0][0]._arrays[0].dataset
        os._exit(0 if (found == wanted).all() and own is not opened else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (np.nan, "missing values"),
        (np.inf, "it is inf in single precision; rescale"),
        (-np.inf, "it is -inf"),
        (9.969209968386869e36, "it is 9.97e.36 .* never written"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_values_that_mean_nothing_are_located(tmp_path, value, advice):
    fields = np.zeros((2, 20, 8, 8), "f4")
    fields[1, 7, 2, 5] = value
    fields[0, 0, 0, 0] = -3e36  # large, and whose square is not finite, but a number
    write_file(tmp_path / "a.nc", (2, 20, 8, 8), fields={"vorticity": fields}, contiguous=True)
    storage = Trajectories([TrajectoryFile(tmp_path / "a.nc", ["vorticity"])]).storage
    assert storage.windows([(0, 0)], 4).min() == np.float32(-3e36)
    match = rf"'vorticity' is not finite at trajectory 1, snapshot 7, point \(2, 5\);.*{advice}"
    with pytest.raises(ValueError, match=match):
        storage.windows([(0, 0), (1, 4)], 4)


@pytest.mark.filterwarnings("error")
def test_value_beyond_single_precision_is_located(tmp_path):
    fields = np.full((2, 20, 8, 8), -3.4e38)
    fields[0] = 1.0
    fields[1, 2, 3, 4] = 3.5e38
    path = tmp_path / "a.nc"
    write_file(path, (2, 20, 8, 8), fields={"vorticity": fields / 1e4}, kind="f8")
    assert Trajectories([TrajectoryFile(path, ["vorticity"])]).read(1, 0, 20).min() < -3e34
    fields[1] = 2.0
    fields[1, 2, 3, 4] = 3.5e38
    write_file(path, (2, 20, 8, 8), fields={"vorticity": fields}, kind="f8")
    with pytest.raises(ValueError, match=r"trajectory 1, snapshot 2, point \(3, 4\); it is inf"):
        Trajectories([TrajectoryFile(path, ["vorticity"])]).read(1, 0, 20)


@pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS)
def test_file_that_is_written_again_is_opened_again(tmp_path, options):
    path, shape, dims = tmp_path / "a.nc", (5, 32, 32), ("time", "y", "x")
    for seed, names in enumerate((["vorticity"], ["u", "vorticity"])):
        wanted = write_file(path, shape, names, dims, seed=seed, **options)["vorticity"]
        before = len(FILES)
        storage = Trajectories([TrajectoryFile(path, ["vorticity"])]).storage
        np.testing.assert_array_equal(storage.read(0, 1, 4)[:, 0], wanted[1:4])
        del storage
        assert len(FILES) == before  # nobody has access to it


def test_accesses_may_end_while_a_file_is_opened(tmp_path, monkeypatch):
    """Python collects unused arrays at any time, which closes their files in the same thread."""
    for name in "abc":
        write_file(tmp_path / f"{name}.nc", (1, 3, 8, 8))
    accesses = {name: open_files.Access(tmp_path / f"{name}.nc") for name in "ab"}
    for access in accesses.values():
        access.get()
    same = open_files.is_same_file

    def collecting(one, other):
        accesses.clear()
        return same(one, other)

    monkeypatch.setattr(open_files, "is_same_file", collecting)
    assert open_files.Access(tmp_path / "c.nc").get().file["vorticity"].shape == (1, 3, 8, 8)
