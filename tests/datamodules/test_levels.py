"""Levels whose dimension is left out are compared between files, runs and splits."""

import numpy as np
import pytest
import xarray

from datamodules import SplitFiles, TrajectoryDataModule


def write(path, name, value, start=0, scalar=False, units="hPa"):
    """Write five snapshots at one value of a further coordinate, of no axis if it is a scalar."""
    dims = ("time", "y", "x") if scalar else ("time", name, "y", "x")
    field = np.full((5, 4, 6) if scalar else (5, 1, 4, 6), value)
    data = xarray.Dataset({"q": (dims, field)}, {"time": start + np.arange(5.0)})
    data.coords[name] = ((), value) if scalar else ((name,), [value])
    data[name].attrs["units"] = units
    path.parent.mkdir(exist_ok=True)
    data.to_netcdf(path)


def module(folder, **options):
    val = SplitFiles("val/*.nc")
    return TrajectoryDataModule(folder, ["q"], train=SplitFiles("train/*.nc"), val=val, **options)


@pytest.mark.parametrize("scalar", [False, True])
@pytest.mark.parametrize("among", ["files", "run", "splits"])
def test_levels_that_differ_are_refused(tmp_path, among, scalar):
    write(tmp_path / "train/a.nc", "lev", 1000.0, scalar=scalar)
    folder = "val" if among == "splits" else "train"
    write(tmp_path / folder / "b.nc", "lev", 850.0, 5 if among == "run" else 0, scalar)
    data = module(tmp_path, join="time" if among == "run" else None)
    with pytest.raises(ValueError, match=r"b.nc has the level lev = 850 hPa, .*a.nc 1000 hPa"):
        data.readers("train"), data.readers("val")


@pytest.mark.parametrize(
    ("name", "units", "options"),
    [
        ("number", "1", {}),  # members of an ensemble, each in a file
        ("start", "hours since 2000-01-01", {}),
        ("depth", "m", {"parameters": ["depth"]}),
    ],
)
def test_other_coordinates_may_differ_between_files(tmp_path, name, units, options):
    for value in (1.0, 2.0):
        write(tmp_path / f"train/{value:g}.nc", name, value, scalar=bool(options), units=units)
    assert len(module(tmp_path, **options).readers("train")) == 2


def test_members_may_not_differ_within_a_run(tmp_path):
    for value in (1.0, 2.0):
        write(tmp_path / f"train/{value:g}.nc", "number", value, 5 * (value - 1), units="1")
    with pytest.raises(ValueError, match=r"2.nc has the level number = 2, .* 1;"):
        module(tmp_path, join="time").readers("train")


def test_the_note_on_a_dimension_left_out_has_its_level(tmp_path, capsys):
    write(tmp_path / "train/a.nc", "lev", 500.0)
    module(tmp_path).readers("train")
    assert "left out: lev (500 hPa)" in "".join(capsys.readouterr())
