"""Files of The Well, as its package writes and reads them."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from datamodules import Dimensions, SplitFiles, TheWell, TrajectoryDataModule
from datamodules.files.formats.detect import format_of
from datamodules.files.hdf5 import Hdf5Array
from datamodules.files.trajectory_file import TrajectoryFile

LAYOUTS = Path(__file__).parents[1] / "layouts"
FILE = LAYOUTS / "the_well.hdf5"
READ = np.load(LAYOUTS / "the_well.npz")  # by WellDataset: (trajectory, time, x, y, field)
NAMES = [str(name) for name in READ["names"]]
SPACE = Dimensions(space=("x", "y"))


def opened(path=FILE, names=tuple(NAMES), parameters=()):
    return TrajectoryFile(path, names, SPACE, parameters, format=TheWell())


def test_values_are_those_that_its_own_reader_gives():
    assert isinstance(format_of(FILE), TheWell)
    assert NAMES == ["density", "velocity_x", "velocity_y", "stress_xx", "stress_xy", "stress_yx",
                     "stress_yy"]  # fmt: skip
    file = opened(parameters=["Re", "nu"])
    assert (file.trajectories, file.snapshots, file.interval) == (2, 5, 0.25)
    found = np.stack([file.read(k, 0, 5) for k in range(2)])  # trajectory, time, field, y, x
    np.testing.assert_array_equal(found.transpose(0, 1, 4, 3, 2), READ["fields"])
    np.testing.assert_array_equal(file.times, 2.5 + 0.25 * np.arange(5))
    np.testing.assert_allclose(file.parameters, [[100.0, 0.01]] * 2, rtol=1e-7)


def test_axes_are_periodic_by_the_boundary_conditions_whatever_the_masks(tmp_path):
    y, x = opened().axes
    assert (x.name, x.periodic_by_attributes, y.periodic_by_attributes) == ("x", True, False)
    np.testing.assert_array_equal(x.values, 0.5 * np.arange(6))
    assert [axis.periodicity[1][-8:] for axis in (x, y)] == ["PERIODIC", " is WALL"]
    path = copied(tmp_path)
    with h5py.File(path, "a") as file:  # as the package's writer of dummy data has it
        condition = file["boundary_conditions/x_periodic"]
        condition["mask"][...] = False
        condition.attrs["associated_dims"] = "x"
        condition.attrs["bc_type"] = "periodic"
    assert [axis.periodic_by_attributes for axis in opened(path).axes] == [False, True]


def copied(folder):
    path = folder / "a.hdf5"
    path.write_bytes(FILE.read_bytes())
    return path


@pytest.mark.parametrize("absent", [False, True])
def test_fields_without_an_axis(tmp_path, absent):
    """The specification leaves out an axis along which a field is constant, its reader has one."""
    path = copied(tmp_path)
    profile = np.arange(60.0).reshape(2, 5, 6)
    with h5py.File(path, "a") as file:
        group = file["t0_fields"]
        group["profile"] = profile if absent else profile[..., None]
        group["profile"].attrs.update(
            {"sample_varying": True, "time_varying": True, "dim_varying": [True, False]}
        )
        names = [*group.attrs["field_names"], "profile"]
        group.attrs.create("field_names", np.array(names, dtype=object), dtype=h5py.string_dtype())
    with TheWell().open(path) as contents:
        found = contents.variables["profile"]
        assert (found.dimensions, found.shape) == (("trajectory", "time", "x"), (2, 5, 6))
        np.testing.assert_array_equal(found.open()[()], profile)
        assert contents.variables["height"].dimensions == ("trajectory", "x", "y")


def test_a_file_without_attributes_is_read_by_its_shapes(tmp_path):
    field = np.random.default_rng(0).normal(size=(1, 4, 6, 9)).astype("f4")
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["t0_fields/vorticity"] = field
        file["dimensions/time"] = np.arange(4.0)
        file["dimensions/x"], file["dimensions/y"] = np.arange(6.0), np.arange(9.0)
    file = opened(tmp_path / "a.hdf5", ["t0_fields/vorticity"])  # or without its group
    assert opened(tmp_path / "a.hdf5", ["vorticity"]).space == file.space == (9, 6)
    np.testing.assert_array_equal(file.read(0, 1, 3)[:, 0], field[0, 1:3].transpose(0, 2, 1))


def test_times_that_differ_between_trajectories_are_refused(tmp_path):
    path = copied(tmp_path)
    for second, match in ((0.0, None), (1.0, "times of its trajectories differ")):
        with h5py.File(path, "a") as file:
            times = 2.5 + 0.25 * np.arange(5)
            del file["dimensions/time"]
            file["dimensions/time"] = np.stack([times, times + second])
        if match is None:
            np.testing.assert_array_equal(opened(path).times, times)
        else:
            with pytest.raises(ValueError, match=match):
                opened(path)


def test_a_field_that_does_not_fit_its_flags_is_refused(tmp_path):
    path = copied(tmp_path)
    with h5py.File(path, "a") as file:
        file["t1_fields/velocity"].attrs["sample_varying"] = False
    with pytest.raises(ValueError, match=r"a\.hdf5: field 't1_fields/velocity' has the shape"):
        opened(path)


def test_parts_of_one_variable_read_it_once(monkeypatch):
    file = opened(names=("stress_xx", "stress_xy", "stress_yy"))
    read, real = [], Hdf5Array.__getitem__

    def counted(array, key):
        read.append(key)
        return real(array, key)

    monkeypatch.setattr(Hdf5Array, "__getitem__", counted)
    file.read(1, 2, 4)
    assert len(read) == 1


def test_a_missing_variable_names_those_that_exist():
    with pytest.raises(ValueError, match=r"no variable 'velocity', only density, .*velocity_x"):
        opened(names=("velocity",))


@pytest.mark.parametrize(("storage", "workers"), [("stream", 0), ("memory", 0), ("stream", 2)])
def test_windows_are_the_same_from_any_storage(tmp_path, storage, workers):
    one = SplitFiles(copied(tmp_path).name)
    names = ["stress_yx", "density", "velocity_y"]
    data = TrajectoryDataModule(
        tmp_path, names, SPACE, train=one, val=one, test=one, storage=storage, workers=workers
    )
    found = data.trajectories("train").windows([(1, 2), (0, 0)], 3)
    wanted = READ["fields"][..., [NAMES.index(name) for name in names]].transpose(0, 1, 4, 3, 2)
    np.testing.assert_array_equal(found, np.stack([wanted[1, 2:5], wanted[0, :3]]))


@pytest.mark.parametrize(("name", "more"), [("time", 1), ("time", -1), ("x", 1), ("y", -1)])
def test_coordinates_of_another_length_than_the_fields_are_refused(tmp_path, name, more):
    path = copied(tmp_path)
    with h5py.File(path, "a") as file:
        size = file["dimensions"][name].shape[-1]
        del file["dimensions"][name]
        file["dimensions"][name] = np.arange(size + more)
    with pytest.raises(ValueError, match=f"'{name}' has {size + more} values, but .* {size} along"):
        opened(path)
