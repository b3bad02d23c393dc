"""Files of Dedalus, as it writes and reads them."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from datamodules import Dedalus, Dimensions, SplitFiles, TrajectoryDataModule
from datamodules.files.formats.detect import format_of

LAYOUTS = Path(__file__).parents[1] / "layouts"
READ = np.load(LAYOUTS / "dedalus.npz")  # by load_tasks_to_xarray: (time, field, x, z)


@pytest.fixture
def folder(tmp_path):
    """Two sets of a run, whose numbers do not sort as text."""
    shutil.copy(LAYOUTS / "dedalus_s1.h5", tmp_path / "run_s2.h5")
    shutil.copy(LAYOUTS / "dedalus_s2.h5", tmp_path / "run_s10.h5")
    return tmp_path


def contents(path):
    with Dedalus().open(path) as found:
        return found.variables


@pytest.mark.parametrize("storage", ["stream", "memory"])
def test_values_are_those_that_its_own_reader_gives(folder, storage):
    assert isinstance(format_of(folder / "run_s2.h5"), Dedalus)
    one = SplitFiles("run_s*.h5")
    data = TrajectoryDataModule(
        folder, ["b", "u_x", "u_z"], Dimensions(space=("x", "z")), periodic=[False, True],
        join="time", train=one, val=one, test=one, storage=storage,
    )  # fmt: skip
    (run,) = data.readers("train")
    assert (run.snapshots, run.interval) == (5, 0.25)
    np.testing.assert_allclose(run.times, READ["times"], rtol=1e-12)
    z, x = run.axes
    np.testing.assert_allclose(x.values, 0.5 * np.arange(6))
    np.testing.assert_allclose(z.values, -np.cos(np.pi * (np.arange(5) + 0.5) / 5), atol=1e-12)
    found = data.trajectories("train").windows([(0, 0)], 5)[0]
    np.testing.assert_array_equal(found, READ["fields"].astype("f4").swapaxes(-1, -2))  # z, x


def test_tasks_of_another_resolution_and_of_coefficients(folder):
    found = contents(folder / "run_s2.h5")
    assert found["b_fine"].dimensions == ("time", "x_12", "z_10")
    assert found["b_fine"].open().shape == (3, 12, 10)
    assert found["total"].dimensions == ("time",)
    assert "b_hat" not in found


def test_a_file_of_one_process_names_the_whole(folder):
    process = folder / "run_s1" / "run_s1_p0.h5"
    process.parent.mkdir()
    with h5py.File(process, "w") as file:
        task = file.create_dataset("tasks/b", data=np.zeros((3, 6, 5)))
        task.attrs["ext_mesh"], task.attrs["grid_space"] = [1], [True, True]
    assert isinstance(format_of(process), Dedalus)
    with pytest.raises(ValueError, match=r"part of one process, .*run_s1\.h5"):
        contents(process)


def test_a_task_without_its_times_is_refused(folder):
    """A virtual data set whose files are missing has no times, without an error of HDF5."""
    with h5py.File(folder / "run_s2.h5", "a") as file:
        file["tasks/u"].resize(0, axis=0)
    with pytest.raises(ValueError, match=r"task 'u' has 0 times, .* 3; the files of its processes"):
        contents(folder / "run_s2.h5")


def test_axes_of_equal_size_on_another_grid_are_not_mixed_up(folder):
    with h5py.File(folder / "run_s2.h5", "a") as file:
        scale = file.create_dataset("scales/x_hash_other", data=7.0 * np.arange(6))
        scale.make_scale("x")
        for name in list(file["tasks/u"].dims[2].values()):
            file["tasks/u"].dims[2].detach_scale(name)
        file["tasks/u"].dims[2].attach_scale(scale)
    found = contents(folder / "run_s2.h5")
    assert found["b"].dimensions == ("time", "x", "z")
    assert found["u_x"].dimensions == ("time", "x_6", "z")
    np.testing.assert_array_equal(found["x_6"].values(), 7.0 * np.arange(6))
