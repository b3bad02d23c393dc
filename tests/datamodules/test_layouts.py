"""Layouts of other programs within NetCDF, as xarray and netCDF4 write them, against the values."""

import netCDF4
import numpy as np
import pytest
import xarray

from datamodules import Dimensions, SplitFiles, TrajectoryDataModule
from datamodules.files.inspection import inspect_file
from datamodules.files.selected import channel_names
from datamodules.files.trajectory_file import TrajectoryFile

TIMES, LEVELS, SHAPE = 10, (1000.0, 850.0, 500.0), (6, 8)
PLANE = Dimensions()
AXES = {"y": 2.0 * np.arange(6), "x": 0.5 * np.arange(8)}


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("f4")


def write(path, fields, dims, **coordinates):
    """Write fields by xarray; axes along y and x have coordinates and are periodic."""
    data = xarray.Dataset({name: (dims, field) for name, field in fields.items()})
    known = {"time": 0.25 * np.arange(TIMES), **AXES, **coordinates}
    for name, values in known.items():
        if name in dims and values is not None:
            data[name] = (name, values, {"topology": "circular"} if name in AXES else {})
    data.to_netcdf(path)
    return path


def on_levels(path, names=("q",)):
    fields = {n: numbers(TIMES, 3, *SHAPE, seed=k) for k, n in enumerate(names)}
    write(path, fields, ("time", "level", "y", "x"), level=np.array(LEVELS))
    with netCDF4.Dataset(path, "a") as file:
        file["level"].units = "hPa"
    return fields


def data_of(path, variables, dimensions=PLANE, **options):
    one = SplitFiles(path.name)
    return TrajectoryDataModule(
        path.parent, variables, dimensions, train=one, val=one, test=one, **options
    )


def refused(path, variables, dimensions=PLANE, **options):
    with pytest.raises(ValueError, match=path.name) as error:
        data_of(path, variables, dimensions, **options).readers("train")
    return str(error.value)


def wrf(path, *names, units="minutes since 2000-01-01 00:00:00"):
    """Write a field along Time without a coordinate, and variables along it, like WRF."""
    field = numbers(TIMES, *SHAPE)
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        for name, size in {
            "Time": None,
            "DateStrLen": 19,
            "south_north": 6,
            "west_east": 8,
        }.items():
            file.createDimension(name, size)
        file.createVariable("Times", "S1", ("Time", "DateStrLen"))
        file.createVariable("T2", "f4", ("Time", "south_north", "west_east"))[:] = field
        for name in names:
            stamps = file.createVariable(name, "f4", ("Time",))
            stamps[:] = 60 * np.arange(TIMES)
            if units:
                stamps.units = units
    return field


WRF = Dimensions(time="Time", space=("south_north", "west_east"))


def test_time_is_the_only_variable_along_its_dimension_with_units_of_time(tmp_path):
    field = wrf(tmp_path / "a.nc", "XTIME")
    file = TrajectoryFile(tmp_path / "a.nc", ["T2"], WRF)
    assert (file.time.name, file.time.unit, file.interval) == ("XTIME", "min", 60.0)
    np.testing.assert_array_equal(file.time.values, 60 * np.arange(TIMES))
    np.testing.assert_array_equal(file.read(0, 2, 7)[:, 0], field[2:7])


def test_several_variables_of_time_are_named_and_one_is_chosen(tmp_path):
    wrf(tmp_path / "a.nc", "XTIME", "ITIME")
    message = refused(tmp_path / "a.nc", ["T2"], WRF)
    assert "(XTIME, ITIME)" in message
    assert "data.dimensions.time_variable" in message
    names = Dimensions("trajectory", "Time", WRF.space, time_variable="ITIME")
    assert data_of(tmp_path / "a.nc", ["T2"], names).readers("val")[0].interval == 60
    names = Dimensions("trajectory", "Time", WRF.space, time_variable="NTIME")
    assert "no time variable 'NTIME'" in refused(tmp_path / "a.nc", ["T2"], names)


def test_an_interval_stands_for_stamps_that_are_not_there(tmp_path):
    wrf(tmp_path / "a.nc", "step", units="")
    assert "data.interval" in refused(tmp_path / "a.nc", ["T2"], WRF)
    one, two = (data_of(tmp_path / "a.nc", ["T2"], WRF, interval=i) for i in (0.3, 0.4))
    assert one.describe().interval == 0.3
    np.testing.assert_allclose(one.readers("train")[0].times, 0.3 * np.arange(TIMES))
    assert one.contents("train") != two.contents("train")


@pytest.mark.parametrize("options", [{"interval": 0.0}, {"interval": 1.0, "join": "time"}])
def test_an_interval_is_positive_and_of_files_that_are_not_joined(tmp_path, options):
    with pytest.raises(ValueError, match=r"data\.interval is .*data\.join"):
        data_of(tmp_path / "a.nc", ["T2"], WRF, **options)


def test_one_level_is_selected_by_its_value(tmp_path):
    field = on_levels(tmp_path / "a.nc")["q"]
    data = data_of(tmp_path / "a.nc", ["q"], select={"level": 850})
    assert (data.variables, data.channels) == (["q"], 1)
    np.testing.assert_array_equal(data.readers("train")[0].read(0, 3, 8)[:, 0], field[3:8, 1])


def test_levels_become_channels_in_the_order_of_the_option(tmp_path):
    fields = on_levels(tmp_path / "a.nc", ("q", "v"))
    data = data_of(tmp_path / "a.nc", ["v", "q"], select={"level": [500, 1000]})
    assert data.variables == ["v_500", "v_1000", "q_500", "q_1000"] == data.describe().variables
    assert data.readers("train")[0].variables[1].long_name == "v, level 1000 hPa"
    expected = [fields[name][4:6, k] for name in ("v", "q") for k in (2, 0)]
    found = data.readers("train")[0].read(0, 4, 6)
    np.testing.assert_array_equal(found, np.stack(expected, 1))


def test_a_dimension_without_coordinate_is_selected_by_index(tmp_path):
    field = numbers(TIMES, 3, *SHAPE)
    path = write(tmp_path / "a.nc", {"q": field}, ("time", "lev", "y", "x"))
    data = data_of(path, ["q"], select={"lev": 2})
    np.testing.assert_array_equal(data.readers("train")[0].read(0, 0, 3)[:, 0], field[:3, 2])
    assert "no coordinate, but indices 0 to 2" in refused(path, ["q"], select={"lev": 3})


def test_what_is_selected_is_part_of_the_contents(tmp_path):
    on_levels(tmp_path / "a.nc")
    found = [
        data_of(tmp_path / "a.nc", ["q"], select={"level": value}).contents("test")
        for value in (500, 850, [500], [500, 850], [850, 500])
    ]
    assert len(set(found)) == 5


def test_a_level_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    on_levels(tmp_path / "a.nc")
    message = refused(tmp_path / "a.nc", ["q"], select={"level": 700})
    assert "data.select.level is 700" in message
    assert "1000, 850, 500" in message
    assert "names the dimension 'height'" in refused(
        tmp_path / "a.nc", ["q"], select={"level": 500, "height": 2}
    )


def test_channels_of_a_dimension_that_one_variable_lacks_are_refused(tmp_path):
    on_levels(tmp_path / "a.nc")
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        file.createVariable("t2m", "f4", ("time", "y", "x"))[:] = field = numbers(TIMES, *SHAPE)
    assert "makes channels of 'level'" in refused(
        tmp_path / "a.nc", ["q", "t2m"], select={"level": [500, 850]}
    )
    data = data_of(tmp_path / "a.nc", ["q", "t2m"], select={"level": 500})
    np.testing.assert_array_equal(data.readers("train")[0].read(0, 1, 5)[:, 1], field[1:5])


@pytest.mark.parametrize(
    ("variables", "select", "message"),
    [
        (["q"], {"time": 3}, r"data\.select names 'time'"),
        (["q"], {"level": []}, r"data\.select\.level is an empty list"),
        (["q"], {"level": [500, 500]}, "two channels would have the name 'q_500'"),
        (["q", "q_500"], {"level": [500]}, None),
    ],
)
def test_a_selection_that_cannot_be_meant_is_refused(tmp_path, variables, select, message):
    if message is None:
        assert data_of(tmp_path / "a.nc", variables, select=select).channels == 2
        return
    with pytest.raises(ValueError, match=message):
        data_of(tmp_path / "a.nc", variables, select=select)


def test_a_dimension_of_one_item_is_left_out_with_a_note_and_texts_do_not_hurt(tmp_path, capsys):
    """The layout of ERA5 of 2024: one level, seconds since 1970, scalar and text coordinates."""
    field = numbers(TIMES, 1, *SHAPE)
    stamps = 1577836800 + 3600 * np.arange(TIMES)
    latitude, longitude = 60.0 - 0.25 * np.arange(6), 0.25 * np.arange(8)
    data = xarray.Dataset(
        {"z": (("valid_time", "pressure_level", "latitude", "longitude"), field)},
        {
            "valid_time": ("valid_time", stamps, {"units": "seconds since 1970-01-01"}),
            "pressure_level": [500.0],
            "latitude": ("latitude", latitude, {"units": "degrees_north"}),
            "longitude": ("longitude", longitude, {"units": "degrees_east"}),
            "number": 0,
            "expver": ("valid_time", np.array(["0001"] * TIMES, dtype=object)),
        },
    )
    data.to_netcdf(tmp_path / "era5.nc")
    names = Dimensions(time="valid_time", space=("latitude", "longitude"))
    file = TrajectoryFile(tmp_path / "era5.nc", ["z"], names)
    assert "left out: pressure_level" in "".join(capsys.readouterr())
    assert (file.interval, file.time.unit) == (3600, "s")
    np.testing.assert_array_equal(file.read(0, 2, 5)[:, 0], field[2:5, 0, ::-1])


def test_members_may_come_after_time(tmp_path):
    field = numbers(TIMES, 3, *SHAPE)
    path = write(tmp_path / "a.nc", {"u": field}, ("time", "member", "y", "x"))
    file = TrajectoryFile(path, ["u"], Dimensions("member"))
    assert file.trajectories == 3
    np.testing.assert_array_equal(file.read(2, 1, 6)[:, 0], field[1:6, 2])


def grouped(path, axis=AXES["x"]):
    """Write groups a/b and c, with time at the top and y and x within a."""
    u, w = numbers(TIMES, *SHAPE), numbers(TIMES, *SHAPE, seed=1)
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", TIMES)
        file.createVariable("time", "f8", ("time",))[:] = 0.5 * np.arange(TIMES)
        for group in (file.createGroup("a"), file.createGroup("c")):
            for name, values in {
                "y": AXES["y"],
                "x": AXES["x"] if group.name == "a" else axis,
            }.items():
                group.createDimension(name, len(values))
                group.createVariable(name, "f8", (name,))[:] = values
        file["c"].createDimension("u", 3)  # HDF5 has the variable of this name under another one
        inner = file["a"].createGroup("b")
        inner.createVariable("u", "f4", ("time", "y", "x"))[:] = u
        file["c"].createVariable("w", "f4", ("time", "y", "x"))[:] = w
        file["c"].createVariable("u", "f4", ("time", "y", "x"))[:] = -u
    return u, w


def test_variables_of_groups_have_the_coordinates_of_their_parents(tmp_path):
    u, w = grouped(tmp_path / "a.nc")
    data = data_of(tmp_path / "a.nc", ["a/b/u", "c/w"])
    assert data.variables == ["u", "w"]
    file = data.readers("train")[0]
    np.testing.assert_array_equal(file.read(0, 3, 5), np.stack([u, w], 1)[3:5])
    np.testing.assert_array_equal(file.axes[1].values, AXES["x"])
    assert file.interval == 0.5
    assert data.contents("train") != data_of(tmp_path / "a.nc", ["c/u", "c/w"]).contents("train")
    both = data_of(tmp_path / "a.nc", ["a/b/u", "c/u"])
    assert both.variables == ["a_b_u", "c_u"]
    found = both.readers("train")[0].read(0, 3, 5)
    np.testing.assert_array_equal(found, np.stack([u, -u], 1)[3:5])


def test_dimensions_that_a_group_defines_have_no_coordinates_of_its_parents(tmp_path):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name, size in {"time": TIMES, "y": SHAPE[0], "x": SHAPE[1]}.items():
            file.createDimension(name, size)
            file.createVariable(name, "f8", (name,))[:] = 10.0 * np.arange(size)
        group = file.createGroup("a")
        for name, size in {"time": TIMES, "x": SHAPE[1]}.items():
            group.createDimension(name, size)
        group.createVariable("time", "f8", ("time",))[:] = 0.5 * np.arange(TIMES)
        inner = group.createGroup("b")
        inner.createVariable("u", "f4", ("time", "y", "x"))[:] = numbers(TIMES, *SHAPE)
    file = TrajectoryFile(path, ["a/b/u"])
    assert file.interval == 0.5
    assert [axis.step for axis in file.axes] == [10, None]


def test_groups_of_different_coordinates_are_refused(tmp_path):
    grouped(tmp_path / "a.nc", 0.6 * np.arange(8))
    message = refused(tmp_path / "a.nc", ["a/b/u", "c/w"])
    assert "the coordinate 'x' of group 'c' differs from the one of group 'a/b'" in message


def test_a_variable_that_is_not_in_a_group_is_refused_with_those_that_are(tmp_path):
    grouped(tmp_path / "a.nc")
    for name in ("u", "a/u", "d/u"):
        assert f"no variable '{name}', only" in (message := refused(tmp_path / "a.nc", [name]))
        assert "a/b/u" in message


def test_inspection_selects_the_first_item_of_further_dimensions(tmp_path):
    on_levels(tmp_path / "a.nc")
    assert inspect_file(tmp_path / "a.nc").select == {"level": 1000.0}
    field = numbers(TIMES, 1, 3, *SHAPE)
    write(tmp_path / "b.nc", {"q": field}, ("time", "one", "lev", "y", "x"))
    assert inspect_file(tmp_path / "b.nc").select == {"lev": 0}


def test_names_of_channels():
    assert channel_names(["a/q", "b/q", "w"], {"level": [1.5], "n": 0}) == [
        "a_q_1.5", "b_q_1.5", "w_1.5",
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("chunks", [None, (1, 3, 6, 8), (4, 2, 3, 8)])
def test_windows_of_levels_are_the_same_from_any_storage(tmp_path, chunks):
    fields = on_levels(tmp_path / "b.nc")
    options = {"chunksizes": chunks, "zlib": True} if chunks else {}
    with xarray.open_dataset(tmp_path / "b.nc") as data:
        data.to_netcdf(tmp_path / "a.nc", encoding={"q": options})
    expected = np.stack([fields["q"][2:9, k] for k in (2, 1)], 1)
    for storage in ("stream", "memory"):
        data = data_of(tmp_path / "a.nc", ["q"], storage=storage, select={"level": [500, 850]})
        windows = data.trajectories("train").storage.windows([(0, 2)], 7)
        np.testing.assert_array_equal(np.asarray(windows)[0], expected)
