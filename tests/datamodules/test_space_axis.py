import shutil

import netCDF4
import numpy as np
import pytest

from datamodules import Dimensions
from datamodules.describe import describe
from datamodules.files.axis_roles import role_of_name
from datamodules.files.trajectory_file import TrajectoryFile

RNG = np.random.default_rng(0)


def field_file(folder, dims, coordinates, attributes=None, name="a.nc"):
    """Write a field over any order of dimensions; return its values by name of dimension."""
    sizes = {"time": 5, **{dim: len(values) for dim, values in coordinates.items()}}
    sizes |= {dim: 3 for dim in dims if dim not in sizes}
    values = RNG.standard_normal([sizes[dim] for dim in dims]).astype("f4")
    with netCDF4.Dataset(folder / name, "w") as file:
        for dim in dims:
            file.createDimension(dim, sizes[dim])
        file.createVariable("time", "f8", ("time",))[:] = np.arange(5.0)
        for dim, points in coordinates.items():
            axis = file.createVariable(dim, np.asarray(points).dtype, (dim,))
            axis[:] = points
            axis.setncatts((attributes or {}).get(dim, {}))
        file.createVariable("u", "f4", dims)[:] = values
    return values


def read(folder, *space, name="a.nc", trajectory="run"):
    return TrajectoryFile(folder / name, ["u"], Dimensions(trajectory, "time", space))


X, Y = np.arange(6.0), 10.0 * np.arange(4)


@pytest.mark.parametrize("space", [("x", "y"), ("y", "x")])
@pytest.mark.parametrize(
    "dims",
    [("time", "y", "x"), ("time", "x", "y"), ("x", "y", "time"), ("y", "time", "x")],
)
def test_axes_are_put_in_the_order_y_x_by_their_names(tmp_path, dims, space):
    values = field_file(tmp_path, dims, {"x": X, "y": Y})
    file = read(tmp_path, *space)
    assert file.dimensions.space == ("y", "x")
    assert file.space == (4, 6)
    right = values.transpose([dims.index(name) for name in ("time", "y", "x")])
    np.testing.assert_array_equal(file.read(0, 1, 4)[:, 0], right[1:4])


def test_trajectories_may_come_after_time(tmp_path):
    values = field_file(tmp_path, ("time", "run", "y", "x"), {"x": X, "y": Y})
    np.testing.assert_array_equal(read(tmp_path, "y", "x").read(2, 1, 4)[:, 0], values[1:4, 2])


@pytest.mark.parametrize(
    "attributes",
    [
        {"a": {"axis": "X"}},
        {"b": {"axis": "Y"}},
        {"a": {"standard_name": "longitude"}, "b": {"standard_name": "latitude"}},
        {"a": {"standard_name": "projection_x_coordinate"}},
        {"a": {"units": "degrees_east"}},
        {"b": {"units": "degree_N"}},
    ],
)
def test_attributes_say_which_axis_is_which(tmp_path, attributes):
    values = field_file(tmp_path, ("time", "a", "b"), {"a": X, "b": Y}, attributes)
    file = read(tmp_path, "a", "b")
    assert file.dimensions.space == ("b", "a")
    np.testing.assert_array_equal(file.read(0, 0, 5)[:, 0], values.transpose(0, 2, 1))


def test_where_nothing_else_tells_the_configuration_does(tmp_path):
    values = field_file(tmp_path, ("time", "a", "b"), {"a": X, "b": Y})
    np.testing.assert_array_equal(read(tmp_path, "a", "b").read(0, 0, 5)[:, 0], values)
    swapped = read(tmp_path, "b", "a").read(0, 0, 5)[:, 0]
    np.testing.assert_array_equal(swapped, values.transpose(0, 2, 1))


def test_a_guess_is_said_once(tmp_path, capsys):
    field_file(tmp_path, ("time", "a", "b"), {"a": X, "b": Y})
    read(tmp_path, "a", "b")
    note = capsys.readouterr().err
    assert "'a' is taken as y and 'b' as x" in note
    assert "set it to [b, a]" in note
    field_file(tmp_path, ("time", "a", "b"), {"a": X, "b": Y}, {"b": {"axis": "X"}})
    read(tmp_path, "a", "b")
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ("nx", "ny"),
        ("x_c", "y_c"),
        ("xc", "yc"),
        ("xi_rho", "eta_rho"),
        ("i", "j"),
        ("ni", "nj"),
        ("grid_xt", "grid_yt"),
        ("xt_ocean", "yu_ocean"),
        ("nlon", "nlat"),
        ("rlon", "rlat"),
        ("g0_lon_2", "g0_lat_1"),
        ("lon_rho", "lat_rho"),
        ("west_east_stag", "south_north"),
        ("XDim", "YDim"),
        ("XLONG", "XLAT"),
        ("gridX", "gridY"),
        ("x1", "y2"),
        ("Xp1", "Yp1"),
        ("nav_lon", "nav_lat"),
        ("longitude", "grid_latitude"),
    ],
)
def test_names_of_models_say_which_axis_is_which(x, y):
    assert (role_of_name(x), role_of_name(y)) == ("x", "y")


@pytest.mark.parametrize(
    "name",
    ["xylem", "year", "yr", "a", "time", "lev", "along", "late", "index", "x_y", "dim_0", "phi"],
)
def test_other_names_say_nothing(name):
    assert role_of_name(name) is None


def test_an_index_is_what_its_attributes_say(tmp_path):
    both = {"i": {"axis": "Y"}, "j": {"axis": "X"}}
    values = field_file(tmp_path, ("time", "i", "j"), {"i": X, "j": Y}, both)
    np.testing.assert_array_equal(read(tmp_path, "j", "i").read(0, 0, 5)[:, 0], values)


DEGREES = {"units": "degrees"}


@pytest.mark.parametrize(
    ("x", "y", "attributes", "spherical"),
    [
        ("rlon", "rlat", DEGREES, True),
        ("i", "j", DEGREES, True),
        ("g0_lon_2", "g0_lat_1", DEGREES, True),
        ("rlon", "rlat", {}, True),
        ("nlon", "nlat", {}, True),
        ("lon", "lat", {"units": "radians"}, True),
        ("b", "a", {"units": "Degree"}, True),
        ("lon", "lat", {"units": "m"}, False),
        ("x", "y", {"units": "radians"}, False),  # a plane of 2π by 2π
        ("x", "y", {"units": "degC"}, False),
        ("x", "y", {}, False),
    ],
)
def test_degrees_of_a_sphere_are_no_lengths(tmp_path, x, y, attributes, spherical):
    field_file(tmp_path, ("time", y, x), {x: X, y: Y}, {x: attributes, y: attributes})
    assert [axis.spherical for axis in read(tmp_path, y, x).axes] == [spherical] * 2


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"x": {"axis": "Y"}}, "'x' has the attributes of the y axis .*axis: Y"),
        ({"y": {"units": "degrees_east"}}, "'y' has the attributes of the x axis"),
        (
            {"x": {"axis": "X", "standard_name": "latitude"}},
            "attributes of 'x' contradict each other .axis: X, standard_name: latitude",
        ),
        (
            {"y": {"standard_name": "latitude", "units": "degrees_east"}},
            "attributes of 'y' contradict each other",
        ),
    ],
)
def test_contradictions_are_refused(tmp_path, attributes, words):
    field_file(tmp_path, ("time", "y", "x"), {"x": X, "y": Y}, attributes)
    with pytest.raises(ValueError, match=rf"a.nc.*{words}"):
        read(tmp_path, "y", "x")


def test_the_same_axis_twice_is_refused(tmp_path):
    both = {"a": {"axis": "X"}, "b": {"axis": "X"}}
    field_file(tmp_path, ("time", "a", "b"), {"a": X, "b": Y}, both)
    with pytest.raises(ValueError, match="'a' and 'b' are both the x axis"):
        read(tmp_path, "a", "b")


@pytest.mark.parametrize("dims", [("time", "y", "x"), ("run", "time", "x", "y")])
@pytest.mark.parametrize("down", [("y",), ("x",), ("x", "y")])
def test_descending_axes_are_flipped_with_a_word(tmp_path, dims, down, capsys):
    points = {name: p[::-1] if name in down else p for name, p in (("x", X), ("y", Y))}
    values = field_file(tmp_path, dims, points)
    file = read(tmp_path, "y", "x")
    right = values.transpose(
        [dims.index(name) for name in dims[:-2]] + [dims.index("y"), dims.index("x")]
    )
    flips = tuple(slice(None, None, -1 if name in down else 1) for name in ("y", "x"))
    right = right[(..., *flips)][0 if dims[0] == "run" else slice(None)]
    np.testing.assert_array_equal(file.read(0, 1, 3)[:, 0], right[1:3])
    np.testing.assert_array_equal(describe(file, []).coordinates["y"][0], Y)
    np.testing.assert_array_equal(describe(file, []).coordinates["x"][0], X)
    assert "descend" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("points", "uniform"),
    [
        ((350 + 0.01 * np.arange(64)).astype("f4"), True),
        ((350 + 0.01 * np.arange(64)).astype("f4").astype("f8"), True),
        (1e-9 * np.cumsum(1 + 0.9 * np.sin(np.arange(64))), False),
        (np.arange(64.0)[::-1], True),
        (np.arange(64) * 3, True),
        (np.arange(64.0) ** 1.05, False),
        (1e7 + np.cumsum(1 + 0.05 * np.sin(np.arange(64.0))), False),
        (np.where(np.arange(64) > 30, 1.0, 0) + np.arange(64.0), False),
        ((1e6 + np.arange(64)).astype("f4"), True),
        # metres far from the origin, with and without a missing column
        (6.5e6 + np.arange(64), True),
        (6.5e6 + 0.5 + np.arange(64), True),
        (6.5e6 + np.delete(np.arange(65.0), 30), False),
        (6.5e6 + 0.5 + np.delete(np.arange(65.0), 30), False),
        ((6.5e6 + np.delete(np.arange(65.0), 30)).astype("f4"), False),
        ((6.5e6 + np.delete(np.arange(65), 30)).astype("i4"), False),
        ((6.5e6 + 10.1 * np.arange(64)).astype("f4"), True),
        ((6.5e6 + 1.3 * np.arange(64)).astype("f4"), False),
        ((2.5e7 + 101.0 * np.arange(64)).astype("f4"), True),
    ],
)
def test_uniform_is_judged_by_the_spacing_in_the_precision_of_the_coordinate(
    tmp_path, points, uniform
):
    field_file(tmp_path, ("time", "x"), {"x": points})
    grid = describe(read(tmp_path, "x"), []).uniform_grid
    assert (grid is not None) == uniform
    if uniform:
        step = abs(float(points[-1]) - float(points[0])) / 63
        assert grid.lengths[0] == pytest.approx(64 * step, rel=1e-6)


@pytest.mark.parametrize("kind", ["f8", "f4", "i4"])
@pytest.mark.parametrize("first", [0, 6.5e6])
def test_grids_that_are_shifted_by_a_cell_differ(tmp_path, kind, first):
    for name, shift in (("a.nc", 0), ("b.nc", 1), ("c.nc", 0)):
        points = (first + shift + np.arange(32)).astype(kind)
        field_file(tmp_path, ("time", "x"), {"x": points}, name=name)
    a, b, c = (read(tmp_path, "x", name=f"{letter}.nc").axes[0] for letter in "abc")
    assert a.difference(b) == (f"x = {first:.8g} at point 0", f"{first + 1:.8g}")
    assert a.difference(c) is None


def test_half_metres_in_single_precision_may_be_shifted_by_no_cell_either(tmp_path):
    for name, shift in (("a.nc", 0), ("b.nc", 1)):
        points = (6.5e6 + 0.5 + shift + np.arange(32)).astype("f4")
        field_file(tmp_path, ("time", "x"), {"x": points}, name=name)
    a, b = (read(tmp_path, "x", name=name).axes[0] for name in ("a.nc", "b.nc"))
    assert a.difference(b) == ("x = 6500000.5 at point 0", "6500001.5")


def test_a_type_that_is_too_coarse_is_the_reason_for_no_grid(tmp_path):
    points = (3e6 + 1.3 * np.arange(32)).astype("f4")  # which is rounded to 0.25 there
    field_file(tmp_path, ("time", "x"), {"x": points})
    assert "'x' is rounded to 0.25, too coarse" in describe(read(tmp_path, "x"), []).no_grid


def test_single_points_are_compared_too(tmp_path):
    for name, place in (("a.nc", 10.1), ("b.nc", 50.1)):
        field_file(tmp_path, ("time", "x"), {"x": [place]}, name=name)
    a, b = (read(tmp_path, "x", name=name).axes[0] for name in ("a.nc", "b.nc"))
    assert a.difference(a) is None
    assert a.difference(b) == ("x = 10.1 at point 0", "50.1")


def test_axes_in_different_units_make_no_grid(tmp_path):
    units = {"x": {"units": "m"}, "y": {"units": "km"}}
    field_file(tmp_path, ("time", "y", "x"), {"x": X, "y": Y}, units)
    file = read(tmp_path, "y", "x")
    assert describe(file, []).uniform_grid is None
    assert "different units (km, m)" in describe(file, []).no_grid


@pytest.mark.parametrize("points", [[0, 1, 1, 2.0], [0, 2, 1, 3.0], [0, 0, 0, 0.0]])
def test_coordinates_that_go_back_are_refused(tmp_path, points):
    field_file(tmp_path, ("time", "x"), {"x": points})
    with pytest.raises(ValueError, match="'x' must increase or decrease"):
        read(tmp_path, "x")


def test_a_coordinate_that_was_never_written_is_refused(tmp_path):
    field_file(tmp_path, ("time", "x"), {"x": np.ma.masked_array(X, [0, 0, 1, 0, 0, 0])})
    with pytest.raises(ValueError, match="'x' is missing or not finite at point 2"):
        read(tmp_path, "x")


def test_a_curvilinear_grid_has_no_coordinates(tmp_path, capsys):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for name, size in (("time", 5), ("lat", 4), ("lon", 6)):
            file.createDimension(name, size)
        file.createVariable("time", "f8", ("time",))[:] = np.arange(5.0)
        for name in ("lat", "lon"):
            file.createVariable(name, "f8", ("lat", "lon"))[:] = RNG.standard_normal((4, 6))
        file.createVariable("u", "f4", ("time", "lat", "lon"))[:] = 1.0
    file = read(tmp_path, "lat", "lon")
    assert "curvilinear" in capsys.readouterr().err
    shutil.copy(tmp_path / "a.nc", tmp_path / "b.nc")
    read(tmp_path, "lat", "lon", name="b.nc")
    assert "curvilinear" not in capsys.readouterr().err  # said once for a folder
    assert describe(file, []).coordinates == {}
    assert "no coordinate" in describe(file, []).no_grid


@pytest.mark.parametrize(
    ("raw", "packing", "points"),
    [
        # 20 + 0.1 · 4 n, from north to south
        (
            np.arange(0, 24, 4, "i2")[::-1],
            {"scale_factor": np.float32(0.1), "add_offset": np.float32(20), "valid_max": 24},
            [20, 20.4, 20.8, 21.2, 21.6, 22],
        ),
        (np.arange(0, 24, 4, "i2"), {"scale_factor": 0.1}, [0, 0.4, 0.8, 1.2, 1.6, 2]),
        (np.uint8([0, 48, 96, 144, 192, 240]).view("i1"), {"_Unsigned": "true"}, 48 * np.arange(6)),
        (np.arange(6, dtype="i2"), {}, np.arange(6)),
        (0.1 * np.arange(6, dtype="f4"), {}, 0.1 * np.arange(6)),
    ],
)
def test_packed_coordinates_are_given_unpacked(tmp_path, raw, packing, points):
    field_file(tmp_path, ("time", "x"), {"x": X})
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        file.renameVariable("x", "old")
        axis = file.createVariable("x", raw.dtype, ("x",))
        axis.set_auto_maskandscale(False)
        axis.setncatts({"units": "m", **packing})
        axis[:] = raw
    values, attributes = describe(read(tmp_path, "x"), []).coordinates["x"]
    np.testing.assert_allclose(values, points, rtol=1e-6)
    assert attributes == {"units": "m"}  # what says how they were packed is no longer true
    assert packing or values.dtype == raw.dtype


@pytest.mark.parametrize(
    ("name", "units", "turn"),
    [
        ("lon", "degrees_east", 360),
        ("lon", "degrees", 360),
        ("rlon", "1", 360),
        ("i", "degree", 360),
        ("lon", "radians", 2 * np.pi),
    ],
)
def test_a_region_across_the_date_line_goes_on_beyond_it(tmp_path, name, units, turn):
    points = turn * (np.arange(0.4, 0.6, 1 / 64) - (np.arange(0.4, 0.6, 1 / 64) > 0.5))
    field_file(tmp_path, ("time", name), {name: points}, {name: {"units": units}})
    axis = read(tmp_path, name).axes[0]
    np.testing.assert_allclose(axis.values, turn * np.arange(0.4, 0.6, 1 / 64))
    assert not axis.periodic_by_attributes


@pytest.mark.parametrize(("units", "turn"), [("degrees", 360), ("radians", 2 * np.pi)])
def test_a_full_circle_is_periodic_in_any_units(tmp_path, units, turn):
    points = turn * np.arange(16) / 16
    field_file(tmp_path, ("time", "lon"), {"lon": points}, {"lon": {"units": units}})
    assert read(tmp_path, "lon").axes[0].periodic_by_attributes


@pytest.mark.parametrize(
    ("points", "attributes", "periodic"),
    [
        (np.arange(16.0), {"modulo": 16.0}, True),
        (0.1 * np.arange(16, dtype="f4") + 7, {"modulo": np.float32(1.6)}, True),
        (np.arange(16.0), {"modulo": 15.0}, False),
        (np.arange(16.0), {"modulo": 360.0}, False),
        (np.arange(16.0), {"modulo": " "}, False),
        (np.arange(16.0), {"modulo": "no"}, False),
        (np.arange(16.0), {"modulo": [16.0, 16.0]}, False),
        (np.arange(16.0) ** 1.1, {"modulo": 16.0}, False),
        (np.arange(16.0), {"units": "degrees_east", "modulo": 360.0}, False),
        (22.5 * np.arange(16), {"units": "degrees_east", "modulo": " "}, True),
        (22.5 * np.arange(16), {"units": "degrees_north", "modulo": 360.0}, False),
        (np.arange(16.0), {"topology": "circular"}, True),
        (np.arange(16.0), {"topology": "linear"}, False),
        (np.arange(16.0), {"topology": "circular", "modulo": 32.0}, False),
    ],
)
def test_only_a_modulo_that_is_the_length_says_that_an_axis_is_periodic(
    tmp_path, points, attributes, periodic
):
    field_file(tmp_path, ("time", "a"), {"a": points}, {"a": attributes})
    assert read(tmp_path, "a").axes[0].periodic_by_attributes == periodic


@pytest.mark.parametrize(
    "longitudes",
    [
        np.tile(np.arange(0.0, 360.0, 45.0), 2),  # two files, joined along the wrong axis
        np.concatenate([np.arange(0.0, 360.0, 90.0), np.arange(45.0, 360.0, 90.0)]),
        np.arange(0.0, 720.0, 45.0),
    ],
)
def test_longitudes_beyond_a_circle_are_refused(tmp_path, longitudes):
    east = {"lon": {"units": "degrees_east"}}
    field_file(tmp_path, ("time", "lat", "lon"), {"lat": Y, "lon": longitudes}, east)
    with pytest.raises(ValueError, match=r"longitudes of 'lon' extend over .*, more than a circle"):
        read(tmp_path, "lat", "lon")


@pytest.mark.parametrize("last", [315.0, 360.0])
def test_a_circle_may_have_both_ends(tmp_path, last):
    east, points = {"lon": {"units": "degrees_east"}}, np.arange(0.0, last + 1, 45.0)
    field_file(tmp_path, ("time", "lat", "lon"), {"lat": Y, "lon": points}, east)
    np.testing.assert_array_equal(read(tmp_path, "lat", "lon").axes[1].values, points)


@pytest.mark.parametrize(
    ("name", "units"), [("lon", "degrees_west"), ("lon", "degreesW"), ("lat", "degree_S")]
)
def test_degrees_to_the_west_or_south_are_refused(tmp_path, name, units):
    field_file(tmp_path, ("time", "lat", "lon"), {"lat": Y, "lon": X}, {name: {"units": units}})
    with pytest.raises(ValueError, match=rf"'{name}' counts to the west or south \(units: {units}"):
        read(tmp_path, "lat", "lon")
