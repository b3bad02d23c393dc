"""What is kept of data is kept by all that can enter it."""

import shutil

import netCDF4
import numpy as np
import pytest

from datamodules import Dimensions, Range, SplitFiles, TrajectoryDataModule
from tests.datamodules.files import write_file

OPTIONS = {"variables": ["vorticity", "T"], "periodic": True, "parameters": ["Re"]}


@pytest.fixture
def root(tmp_path):
    """Two fields on a square of unequal lengths, with units and a parameter of trajectories."""
    for seed, name in enumerate(("a", "b")):
        path = tmp_path / "train" / f"{name}.nc"
        write_file(path, (3, 6, 8, 8), ("vorticity", "T"), lengths=(2.0, 5.0), seed=seed)
        with netCDF4.Dataset(path, "a") as file:
            file.createVariable("Re", "f8", ("trajectory",))[:] = [10.0, 20.0, 30.0]
            units = {"time": "hours since 2000-01-01", "y": "km", "x": "km", "vorticity": "s-1",
                     "T": "K"}  # fmt: skip
            for variable, unit in units.items():
                file[variable].units = unit
    return tmp_path


def contents(root, **options):
    return TrajectoryDataModule(root, **{**OPTIONS, **options}).contents("train")


def edit(change):
    def edited(root):
        for path in (root / "train").glob("*.nc"):
            with netCDF4.Dataset(path, "a") as file:
                change(file)

    return edited


def times(factor):
    return edit(lambda file: file["time"].__setitem__(slice(None), factor * file["time"][:]))


def scaled(name, factor):
    return edit(lambda file: file[name].__setitem__(slice(None), factor * file[name][:]))


def shifted(name, by):
    return edit(lambda file: file[name].__setitem__(slice(None), file[name][:] + by))


def units(name, text):
    return edit(lambda file: file[name].setncattr("units", text))


def descending(file):
    file["y"][:] = file["y"][:][::-1]


def turned(root):
    """The same numbers as (x, y): of another field."""
    for path in (root / "train").glob("*.nc"):
        with netCDF4.Dataset(path) as old, netCDF4.Dataset(path.with_suffix(".new"), "w") as new:
            for name, size in old.dimensions.items():
                new.createDimension(name, len(size))
            for name, variable in old.variables.items():
                dims = variable.dimensions
                dims = (*dims[:2], "x", "y") if len(dims) == 4 else dims
                new.createVariable(name, variable.dtype, dims)[:] = variable[:]
                new[name].setncatts(variable.__dict__)
        path.with_suffix(".new").rename(path)


def another_order_of_files(root):
    train = root / "train"
    (train / "a.nc").rename(train / "c.nc")


CHANGES = {
    "coordinates": scaled("x", 1000),
    "coordinates shifted": shifted("y", 0.25),
    "coordinates by one part in a million": scaled("x", 1 + 1e-6),
    "unit of length": edit(lambda file: [file[name].setncattr("units", "m") for name in "xy"]),
    "interval": times(2),
    "unit of time": units("time", "days since 2000-01-01"),
    "unit of a variable": units("T", "degC"),
    "values": scaled("T", 2),
    "parameter": scaled("Re", 3),
    "direction of an axis": edit(descending),
    "order of the axes": turned,
    "files": lambda root: shutil.copy(root / "train" / "a.nc", root / "train" / "c.nc"),
    "order of the files": another_order_of_files,
}
OTHER = {
    "periodic": {"periodic": False},
    "periodic along one axis": {"periodic": [False, True]},
    "order of the variables": {"variables": ["T", "vorticity"]},
    "variables": {"variables": ["T"]},
    "vorticity": {"vorticity": "T"},
    "no vorticity": {"vorticity": None},
    "trajectories": {"train": SplitFiles("train/*.nc", Range(1))},
    "times": {"train": SplitFiles("train/*.nc", times=Range(0, 5))},
    "no parameter": {"parameters": []},
}


@pytest.mark.parametrize("change", CHANGES)
def test_change_of_a_file_is_another_content(root, change):
    before = contents(root)
    CHANGES[change](root)
    assert contents(root) != before


@pytest.mark.parametrize("option", OTHER)
def test_other_option_is_another_content(root, option):
    assert contents(root, **OTHER[option]) != contents(root)


def test_names_of_the_axes_are_part_of_the_content(tmp_path):
    found = set()
    for name in ("y", "eta"):
        write_file(tmp_path / name / "train" / "a.nc", dims=("trajectory", "time", name, "x"))
        names = Dimensions(space=(name, "x"))
        data = TrajectoryDataModule(tmp_path / name, dimensions=names, periodic=True)
        found.add(data.contents("train"))
    assert len(found) == 2


def test_what_enters_nothing_leaves_the_content_as_it_is(root, tmp_path_factory):
    before = contents(root)
    assert contents(root) == before
    edit(lambda file: (file.setncattr("history", "x"), file["T"].setncattr("long_name", "y")))(root)
    assert contents(root, batch_size=3, seed=7, storage="stream") == before
    moved = tmp_path_factory.mktemp("moved") / "data"
    shutil.copytree(root, moved)
    assert contents(moved) == before


def test_joined_files_are_another_content(root):
    with netCDF4.Dataset(root / "train" / "b.nc", "a") as file:
        file["time"][:] = file["time"][:] + 3.0
    assert contents(root, join="time") != contents(root)


def test_reference_follows_a_correction_of_the_coordinates(root):
    def length():
        data = TrajectoryDataModule(root, **OPTIONS)
        return data.reference(
            "train", {"name": "length"}, lambda: {"length": np.array(data.describe().grid.lengths)}
        )["length"]

    np.testing.assert_allclose(length(), [2.0, 5.0])
    CHANGES["coordinates"](root)
    np.testing.assert_allclose(length(), [2.0, 5000.0])
