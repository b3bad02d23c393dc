"""Levels whose dimension is left out are compared between files, runs and splits."""

import numpy as np
import pytest
import xarray

from datamodules import DataDescription, Dimensions, SplitFiles, TrajectoryDataModule, Xarray


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


@pytest.mark.parametrize("scalar", [False, True])
@pytest.mark.parametrize("name", ["number", "member", "realization"])
def test_members_may_not_differ_within_a_run(tmp_path, name, scalar):
    for value in (1.0, 2.0):
        write(tmp_path / f"train/{value:g}.nc", name, value, 5 * (value - 1), scalar, units="1")
    with pytest.raises(ValueError, match=rf"2.nc has the level {name} = 2, .* 1;"):
        module(tmp_path, join="time").readers("train")
    assert len(module(tmp_path).readers("train")) == 2  # runs of their own


def test_the_note_on_a_dimension_left_out_has_its_level(tmp_path, capsys):
    write(tmp_path / "train/a.nc", "lev", 500.0)
    module(tmp_path).readers("train")
    assert "left out: lev (500 hPa)" in "".join(capsys.readouterr())


def write_levels(path, levels, units="hPa"):
    """Write five snapshots at several levels, each with its number as value."""
    field = np.broadcast_to(np.asarray(levels)[:, None, None], (5, len(levels), 4, 6))
    coordinates = {"time": np.arange(5.0), "lev": ("lev", levels, {"units": units})}
    path.parent.mkdir(exist_ok=True)
    xarray.Dataset({"q": (("time", "lev", "y", "x"), field)}, coordinates).to_netcdf(path)


def test_the_level_is_in_the_description_however_it_is_given(tmp_path):
    write_levels(tmp_path / "train/a.nc", [500.0, 850.0])
    write(tmp_path / "val/b.nc", "lev", 500.0)
    before = module(tmp_path, select={"lev": 500}).describe()
    assert before.levels == {"lev": (500.0, "hPa")}
    kept = DataDescription.from_dict(before.to_dict())
    assert kept.levels == before.levels
    assert kept.difference(module(tmp_path, select={"lev": 500}).describe()) is None
    other = module(tmp_path, select={"lev": 850}).describe()
    assert other.difference(kept) == "data with level lev = 500 hPa, these data have 850 hPa"
    dropped = TrajectoryDataModule(tmp_path, ["q"], train=SplitFiles("val/*.nc"))
    assert dropped.describe().difference(kept) is None
    assert dropped.describe().difference(other) is not None
    earlier = {name: value for name, value in kept.to_dict().items() if name != "levels"}
    assert other.difference(DataDescription.from_dict(earlier)) is None  # not known


def test_levels_that_are_channels_have_their_values_in_the_names(tmp_path):
    write_levels(tmp_path / "train/a.nc", [500.0, 850.0])
    data = module(tmp_path, select={"lev": [850, 500]}).describe()
    assert data.variables == ["q_850", "q_500"]


@pytest.mark.parametrize("among", ["files", "splits"])
@pytest.mark.parametrize("select", [{"lev": 500}, {"lev": [500, 850]}])
def test_selected_levels_in_other_units_are_refused(tmp_path, among, select):
    write_levels(tmp_path / "train/a.nc", [500.0, 850.0])
    folder = "val" if among == "splits" else "train"
    write_levels(tmp_path / folder / "b.nc", [500.0, 850.0], units="m")
    data = module(tmp_path, select=select)
    with pytest.raises(ValueError, match=r"b.nc has the level lev = 500 m, .*a.nc 500 hPa"):
        data.readers("train"), data.readers("val")


def test_an_emulator_refuses_selected_levels_in_other_units(tmp_path):
    write_levels(tmp_path / "train/a.nc", [500.0, 850.0])
    write_levels(tmp_path / "val/b.nc", [500.0, 850.0], units="m")
    one, other = (
        TrajectoryDataModule(
            tmp_path, ["q"], train=SplitFiles(f"{folder}/*.nc"), select={"lev": [850, 500]}
        ).describe()
        for folder in ("train", "val")
    )
    assert "level lev = 850 hPa" in other.difference(one)


@pytest.mark.parametrize("variables", [["sp", "q"], ["q", "sp"]])
@pytest.mark.parametrize("select", [{"lev": 500}, {}])
def test_levels_of_all_variables_are_compared(tmp_path, variables, select):
    for folder, level in (("train", 500.0), ("val", 850.0)):
        levels = [500.0, 850.0] if select else [level]
        write_levels(tmp_path / folder / "a.nc", levels)
        with xarray.open_dataset(tmp_path / folder / "a.nc") as file:
            data = file.load().assign(sp=file.q[:, 0].drop_vars("lev"))
        data.to_netcdf(tmp_path / folder / "a.nc")
    one, other = (
        TrajectoryDataModule(
            tmp_path, variables, train=SplitFiles(f"{folder}/a.nc"), select=chosen
        ).describe()
        for folder, chosen in (("train", select), ("val", {"lev": 850} if select else {}))
    )
    assert one.levels == {"lev": (500.0, "hPa")}
    assert "level lev = 500 hPa" in other.difference(one)


FORMATS = ["netcdf", "netcdf characters", "zarr 2", "zarr 3", "xarray"]


def write_names(path, name, labels, format, start=0):
    """Write five snapshots per text label along a dimension."""
    shape = (5, len(labels), 4, 6)
    values = np.array(labels, "S8" if format == "netcdf characters" else object)
    coordinates = {"time": start + np.arange(5.0), name: (name, values)}
    data = xarray.Dataset({"q": (("time", name, "y", "x"), np.ones(shape))}, coordinates)
    path.parent.mkdir(exist_ok=True)
    if format.startswith("zarr"):
        data.to_zarr(path, zarr_format=int(format[-1]), consolidated=False)
    else:
        data.to_netcdf(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("name", "join", "refused"),
    [("lev", None, True), ("member", None, False), ("member", "time", True)],
)
def test_names_of_levels_and_members_are_compared(tmp_path, format, name, join, refused):
    for number, label in enumerate(("one", "other")):
        write_names(tmp_path / f"train/{number}.nc", name, [label], format, 5 * number)
    kind = Xarray() if format == "xarray" else None
    data = module(tmp_path, join=join, format=kind)
    if not refused:
        assert len(data.readers("train")) == 2
        return
    with pytest.raises(ValueError, match=f"the level {name} = other, .* one;"):
        data.readers("train")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("same", [True, False])
def test_names_of_trajectories_may_not_differ_within_a_run(tmp_path, format, same):
    for number, labels in enumerate((["a", "b"], ["a", "b"] if same else ["b", "a"])):
        write_names(tmp_path / f"train/{number}.nc", "member", labels, format, 5 * number)
    kind = Xarray() if format == "xarray" else None
    data = module(tmp_path, join="time", format=kind, dimensions=Dimensions("member"))
    if same:
        assert len(data.trajectories("train")) == 2
        return
    with pytest.raises(ValueError, match=r"has the trajectories member = b, a, .* a, b;"):
        data.readers("train")
