from dataclasses import replace

import netCDF4
import numpy as np
import pytest
import torch

from datamodules import DataDescription, Dimensions, TrajectoryDataModule
from datamodules.files.space_axis import SpaceAxis
from datamodules.solvers import Grid, Variable
from datamodules.statistics import Statistics
from tests.datamodules.files import write_file

U, V = {"units": "m/s"}, {"units": "K"}


def written(folder, change=lambda file: None, split="train", **options):
    """Write a file of two variables with units, changed by a function; return the data module."""
    arguments = {"names": ("u", "v"), "lengths": (2.0, 4.0), "interval": 6.0, **options}
    write_file(folder / split / "a.nc", **arguments)
    with netCDF4.Dataset(folder / split / "a.nc", "a") as file:
        file["time"].units = "hours since 2000-01-01"
        for name, labels in {"u": U, "v": V, "x": {"units": "m"}, "y": {"units": "m"}}.items():
            file[name].setncatts(labels)
        change(file)
    return TrajectoryDataModule(folder, variables=["u", "v"])


def kept(data):
    """Return the description of data as a checkpoint gives it back."""
    return DataDescription.from_dict(data.describe().to_dict())


def days(file):
    file["time"][:] = file["time"][:] / 24
    file["time"].units = "days since 1999-12-01"


def set_units(name, units):
    def change(file):
        file[name].units = units

    return change


def scaled(name, factor, offset=0.0):
    def change(file):
        file[name][:] = factor * file[name][:] + offset
        if name != "time":
            file[name].modulo = factor * file[name].modulo

    return change


def flipped(file):
    for name in ("u", "v"):
        file[name][:] = file[name][:][:, :, ::-1]
    file["y"][:] = file["y"][:][::-1]


def test_description_is_plain_and_survives_a_checkpoint(tmp_path):
    data = written(tmp_path)
    torch.save(data.describe().to_dict(), tmp_path / "a.ckpt")
    loaded = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert loaded == data.describe().to_dict()
    assert loaded["variables"] == ["u", "v"]
    assert loaded["shape"] == [8, 8]
    assert loaded["domain lengths"] == [2.0, 4.0]
    assert (loaded["interval"], loaded["time unit"]) == (6.0, "h")
    assert loaded["units"] == ["m/s", "K"]
    assert loaded["periodic"] == [True, True]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (scaled("time", 2.0), "interval"),
        (set_units("time", "days since 2000-01-01"), "interval"),
        (scaled("x", 1.1), "the grid"),
        (scaled("y", 1.0, 0.5), "the grid"),
        (set_units("x", "km"), "the grid"),
        (lambda file: file["x"].setncattr("standard_name", "longitude"), "the grid"),
        (set_units("v", "degC"), "units"),
        (lambda file: file["time"].setncattr("calendar", "360_day"), "calendar"),
        (lambda file: file["y"].delncattr("modulo"), "periodic"),
    ],
)
def test_data_that_differ_from_those_of_a_checkpoint_are_named(tmp_path, change, name):
    first = written(tmp_path / "one", lambda file: file["x"].setncattr("standard_name", "x_name"))
    other = written(
        tmp_path / "two",
        lambda file: (file["x"].setncattr("standard_name", "x_name"), change(file)),
    )
    for one, two in ((first, other), (other, first)):
        said = one.describe().difference(kept(two))
        assert said.startswith(f"data with {name} ")
        assert ", these data have " in said
    assert first.describe().difference(kept(first)) is None


FIELDS = Variable("u", "wind", "m/s"), Variable("t", "temperature", "K")
PLANE = Grid((8, 8), (2.0, 4.0))
KNOWN = DataDescription.on_grid(
    FIELDS, PLANE, 6.0, "m", "h", vorticity="u", parameters=("nu",), parameter_units={"nu": "m2/s"},
    calendar="standard", time_attributes={"units": "hours since 2000-01-01"},
    trajectory_dimension="run", hashes={"train": "ab12"},
    statistics=Statistics(*torch.tensor([[0.1, 280.0], [1 / 3, 7.0], [0.01, 0.2]])),
)  # fmt: skip


def renamed(name):
    """Return the axes with another name for the first."""
    return replace(KNOWN.axes[0], name=name), KNOWN.axes[1]


def test_dictionary_gives_back_all_that_was_known():
    saved = KNOWN.to_dict()
    found = DataDescription.from_dict(saved)
    assert found.to_dict() == saved
    assert KNOWN.difference(found) is None
    for name in ("fields", "interval", "periodic", "parameters", "units", "grid", "vorticity"):
        assert getattr(found, name) == getattr(KNOWN, name)
    assert (found.dimension_names, found.hashes) == (KNOWN.dimension_names, KNOWN.hashes)
    for name in ("mean", "std", "increment_std"):
        one, two = (getattr(each.statistics, name) for each in (found, KNOWN))
        torch.testing.assert_close(one, two, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("changes", "was"),
    [
        ({"fields": FIELDS[::-1]}, "variables ['t', 'u'], these data have ['u', 't']"),
        ({"axes": KNOWN.axes[1:], "periodic": (True,)}, "shape [8], these data have [8, 8]"),
        ({"parameters": ("mu",)}, "parameters ['mu'], these data have ['nu']"),
        ({"periodic": (True, False)}, "periodic [True, False], these data have [True, True]"),
        ({"interval": 3.0}, "interval 3 h, these data have 6 h"),
        ({"time_unit": "s"}, "interval 6 s, these data have 6 h"),
        ({"calendar": "360_day"}, "calendar 360_day, these data have standard"),
        (
            {"fields": (FIELDS[0], Variable("t", "", "degC"))},
            "units ['m/s', 'degC'], these data have ['m/s', 'K']",
        ),
        (
            {"parameter_units": {"nu": "cm2/s"}},
            "units of parameter 'nu' cm2/s, these data have m2/s",
        ),
        ({"axes": renamed("z")}, "the grid an axis 'z', these data have 'y'"),
    ],
)
def test_every_difference_is_said_with_both_values(changes, was):
    other = replace(KNOWN, **changes)
    for earlier in (other, DataDescription.from_dict(other.to_dict())):
        assert KNOWN.difference(earlier) == f"data with {was}"


@pytest.mark.parametrize(
    "changes",
    [
        {"interval": 0.25, "time_unit": "d"},
        {"vorticity": None},
        {"statistics": None},
        {"hashes": {"train": "cd34"}},
        {"time_attributes": {}, "calendar": None},
    ],
)
def test_what_an_emulator_does_not_depend_on_may_differ(changes):
    assert KNOWN.difference(replace(KNOWN, **changes)) is None
    assert replace(KNOWN, **changes).difference(KNOWN) is None


@pytest.mark.parametrize("missing", [*KNOWN.to_dict()])
def test_dictionary_without_any_one_entry_is_accepted(missing):
    saved = {name: value for name, value in KNOWN.to_dict().items() if name != missing}
    found = DataDescription.from_dict(saved)
    if missing == "parameters":  # of which data of earlier versions had none, as of inputs
        assert KNOWN.difference(found) == "data with parameters [], these data have ['nu']"
    else:
        assert KNOWN.difference(found) is None
    if missing not in ("variables", "parameters", "mean", "std"):
        assert found.to_dict() == saved


LAND = torch.tensor([[[True, False], [True, True], [True, True]]])
OCEAN = DataDescription(
    (Variable("t", "temperature", "degC"),),
    (
        SpaceAxis("lat", 3, np.array([-60.0, 0.0, 60.0]), {"units": "degrees_north"}),
        SpaceAxis("lon", 2, np.array([0.0, 180.0]), {"units": "degrees_east"}),
    ),
    1.0,
    "d",
    (False, True),
    static=(Variable("depth", "depth of the sea", "m"),),
    forcing=(Variable("stress", "wind stress", "Pa"),),
    mask=LAND,
    missing=~LAND,
    weighting="latitude",
)


def test_what_is_beside_the_state_is_kept_in_a_checkpoint(tmp_path):
    torch.save(OCEAN.to_dict(), tmp_path / "a.pt")
    found = DataDescription.from_dict(torch.load(tmp_path / "a.pt", weights_only=True))
    assert found.static == OCEAN.static
    assert found.forcing == OCEAN.forcing
    assert torch.equal(found.missing, ~LAND)
    assert found.weighting == "latitude"
    assert torch.equal(found.mask, LAND)
    assert found.difference(OCEAN) is None
    assert OCEAN.difference(found) is None


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"static": ()}, "data with static ['depth [m]'], these data have []"),
        (
            {"forcing": (Variable("stress", "", "N m-3"),)},
            "data with forcing ['stress [Pa]'], these data have ['stress [N m-3]']",
        ),
        ({"mask": None}, "data with masked points 1, these data have none, or others"),
        ({"mask": ~LAND}, "data with masked points 1, these data have 5, or others"),
        ({"weighting": None}, "data with weights latitude, these data have None"),
    ],
)
def test_other_inputs_masks_and_weights_are_a_difference(changes, clause):
    assert replace(OCEAN, **changes).difference(OCEAN) == clause
    earlier = {k: v for k, v in OCEAN.to_dict().items() if k != "axes"}
    assert replace(OCEAN, **changes).difference(DataDescription.from_dict(earlier)) == clause


def test_weights_are_areas_on_the_sphere_without_masked_points():
    # The outer rows cover latitudes from 30 to 90 degrees, the middle row from -30 to 30. The ratio
    # of their areas is (1 - 1/2) / (2 · 1/2). The weights of the five points that are not masked
    # add up to 6.
    areas = torch.tensor([[0.5, 0.0], [1.0, 1.0], [0.5, 0.5]], dtype=torch.float64)
    assert torch.allclose(OCEAN.weights, areas[None] * 6 / 3.5)
    assert KNOWN.weights is None
    assert OCEAN.grid is None
    assert OCEAN.no_grid == "points are masked"


def test_weights_of_another_kind_are_refused():
    with pytest.raises(ValueError, match=r"data.weights must be latitude or null, got 'area'"):
        replace(OCEAN, weighting="area")


def test_states_have_no_value_where_files_have_none():
    state = torch.ones(2, 1, 3, 2)
    found = OCEAN.with_missing(state)
    assert found.isnan().sum() == 2
    assert bool(found[:, 0, 0, 1].isnan().all())
    assert replace(OCEAN, missing=None).with_missing(state) is state


def test_weights_by_latitude_need_a_latitude():
    with pytest.raises(ValueError, match=r"data.weights is latitude, but of the axes y, x 0 are"):
        _ = replace(KNOWN, weighting="latitude").weights


def test_grid_of_none_says_why():
    bare = replace(KNOWN, axes=(SpaceAxis("y", 8, None, {}), KNOWN.axes[1]))
    assert (KNOWN.no_grid, KNOWN.grid) == ("", PLANE)
    assert bare.grid is None
    assert bare.no_grid == "'y' has no coordinate variable"


def test_description_reads_no_fields(tmp_path, monkeypatch):
    data = written(tmp_path)
    monkeypatch.setattr(TrajectoryDataModule, "trajectories", lambda *_: pytest.fail("fields read"))
    assert data.describe().statistics is None
    assert data.describe().hashes == {}


def test_statistics_and_hashes_are_in_the_description_once_they_are_known(tmp_path):
    data = written(tmp_path)
    known = data.statistics, {"train": data.content_hash("train")}
    assert (data.describe().statistics, data.describe().hashes) == known


@pytest.mark.parametrize("change", [days, set_units("u", "m s**-1"), flipped])
def test_the_same_data_written_otherwise_do_not_differ(tmp_path, change):
    first, other = written(tmp_path / "one"), written(tmp_path / "two", change)
    assert other.describe().difference(kept(first)) is None
    assert first.describe().difference(kept(other)) is None


@pytest.mark.parametrize(
    "change",
    [
        scaled("time", 2.0),
        scaled("x", 1.1),
        set_units("v", "degC"),
        lambda file: file["time"].setncattr("calendar", "360_day"),
    ],
)
def test_the_same_holds_between_the_files_of_a_data_set(tmp_path, change):
    written(tmp_path)
    data = written(tmp_path, change, split="test")
    data.readers("train")
    with pytest.raises(ValueError, match=r"test/a.nc has .*train/a.nc .*data set must share"):
        data.readers("test")


def test_a_file_of_an_earlier_version_lacks_what_it_did_not_know(tmp_path):
    data = written(tmp_path)
    names = ("variables", "shape", "domain lengths", "interval")
    earlier = {name: data.describe().to_dict()[name] for name in names}

    def difference(changes, module=data):
        return module.describe().difference(DataDescription.from_dict({**earlier, **changes}))

    assert difference({}) is None
    assert difference({"interval": 0.5}).startswith("data with interval 0.5 h, ")
    assert difference({"domain lengths": [1.0, 4.0]}) == (
        "data with domain lengths [1.0, 4.0], these data have [2.0, 4.0]"
    )
    assert difference({}, written(tmp_path / "other", flipped)).startswith("data with rows ")


def test_a_flipped_file_is_read_in_increasing_order(tmp_path):
    data = written(tmp_path, flipped)
    values = write_file(tmp_path / "same.nc", names=("u", "v"), lengths=(2.0, 4.0))
    window = data.trajectories("train").read(1, 3, 5)
    np.testing.assert_array_equal(window[:, 0], values["u"][1, 3:5])
    assert data.describe().coordinates["y"][0].tolist() == np.arange(0, 2, 0.25).tolist()


def test_periodic_is_said_and_not_guessed(tmp_path):
    walls = written(tmp_path, periodic=False)
    assert walls.describe().periodic == (False, False)
    assert walls.describe().grid is None
    assert walls.describe().uniform_grid == Grid((8, 8), (2.0, 4.0))
    assert "'y' is not periodic" in walls.describe().no_grid
    said = TrajectoryDataModule(tmp_path, ["u"], periodic=True)
    assert (said.describe().periodic, said.describe().grid) == (
        (True, True),
        Grid((8, 8), (2.0, 4.0)),
    )
    half = TrajectoryDataModule(tmp_path, ["u"], periodic=[True, False])
    assert half.describe().periodic == (True, False)
    assert "'x' is not periodic" in half.describe().no_grid


def test_files_of_a_spectral_solver_of_ours_are_periodic(tmp_path):
    def made(file):
        file.provenance = '{"solver": {"class": "SpectralSolver", "equation": {}, "scheme": {}}}'

    assert written(tmp_path / "one", made, periodic=False).describe().periodic == (True, True)
    other = written(tmp_path / "two", lambda f: f.setncattr("provenance", "a ship"), periodic=False)
    assert other.describe().periodic == (False, False)


def test_periodic_needs_an_entry_for_each_axis(tmp_path):
    with pytest.raises(ValueError, match=r"data.periodic .*\[True\]"):
        TrajectoryDataModule(tmp_path, ["u"], periodic=[True])


LATITUDES = np.linspace(-87.5, 87.5, 8)


def globe(folder, longitudes, latitudes=LATITUDES):
    """Write a field on latitudes and longitudes."""
    shape = (3, len(latitudes), len(longitudes))
    write_file(folder / "train" / "a.nc", shape, ("u",), ("time", "lat", "lon"), periodic=False)
    with netCDF4.Dataset(folder / "train" / "a.nc", "a") as file:
        for name, values, units in (
            ("lat", latitudes, "degrees_north"),
            ("lon", longitudes, "degrees_east"),
        ):
            file[name][:] = values
            file[name].units = units
    return TrajectoryDataModule(folder, ["u"], Dimensions(space=("lat", "lon")))


@pytest.mark.parametrize(
    ("longitudes", "periodic"),
    [
        (np.arange(0, 360, 22.5), True),
        (np.arange(-180, 180, 22.5), True),
        (np.arange(0, 180, 11.25), False),
        (np.linspace(0, 360, 16), False),  # the first meridian twice
    ],
)
def test_only_a_full_circle_of_longitude_is_periodic_by_itself(tmp_path, longitudes, periodic):
    data = globe(tmp_path, longitudes)
    assert data.describe().periodic == (False, periodic)
    assert data.describe().spherical
    assert data.describe().grid is None


def test_a_region_across_the_date_line_is_read(tmp_path):
    data = globe(tmp_path, [170, 175, 180, -175, -170, -165])
    assert data.describe().coordinates["lon"][0].tolist() == [170, 175, 180, 185, 190, 195]


def test_what_is_vorticity_is_said(tmp_path):
    named = lambda file: file["v"].setncattr("standard_name", "atmosphere_relative_vorticity")  # noqa: E731
    assert written(tmp_path).describe().vorticity is None
    assert written(tmp_path, named).describe().vorticity == "v"
    assert TrajectoryDataModule(tmp_path, ["u", "v"], vorticity="u").describe().vorticity == "u"
    assert TrajectoryDataModule(tmp_path, ["u", "v"], vorticity=None).describe().vorticity is None
    with pytest.raises(ValueError, match=r"data.vorticity is 'w', expected one of .*\(u, v\)"):
        TrajectoryDataModule(tmp_path, ["u", "v"], vorticity="w")


@pytest.mark.parametrize(
    ("standard", "found"),
    [
        ("", True),
        ("vorticity", True),
        ("Atmosphere_Relative_Vorticity ", True),
        ("ocean_upward_relative_vorticity", True),
        ("ertel_potential_vorticity", False),
        ("atmosphere_absolute_vorticity", False),
        ("tendency_of_ocean_relative_vorticity", False),
        ("atmosphere_northward_relative_vorticity", False),
    ],
)
def test_a_standard_name_tells_more_than_the_name(tmp_path, standard, found):
    write_file(tmp_path / "train" / "a.nc")
    with netCDF4.Dataset(tmp_path / "train" / "a.nc", "a") as file:
        file["vorticity"].standard_name = standard
    name = TrajectoryDataModule(tmp_path, ["vorticity"]).describe().vorticity
    assert name == ("vorticity" if found else None)


def test_names_given_twice_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"data.variables names 'u' twice"):
        TrajectoryDataModule(tmp_path, ["u", "u"])
    with pytest.raises(ValueError, match=r"data.dimensions names 'x' twice"):
        TrajectoryDataModule(tmp_path, ["u"], Dimensions(space=("x", "x")))


def test_units_of_parameters_are_compared_too(tmp_path):
    def kelvin(units):
        def change(file):
            file.createVariable("wall", "f8", ("trajectory",))[:] = [1.0, 2.0, 3.0]
            file["wall"].units = units

        return change

    written(tmp_path / "one", kelvin("K"))
    written(tmp_path / "one", kelvin("degC"), split="test")
    data = TrajectoryDataModule(tmp_path / "one", ["u"], parameters=["wall"])
    earlier = kept(data)
    with pytest.raises(ValueError, match=r"'wall' in units of 'K', .*test/a.nc 'degC'"):
        data.readers("train")
    written(tmp_path / "two", kelvin("K"))
    other = TrajectoryDataModule(tmp_path / "two", ["u"], parameters=["wall"])
    assert other.describe().difference(earlier) == (
        "data with units of parameter 'wall' degC, these data have K"
    )


def test_channels_of_equal_weights_share_memory_on_a_device():
    fields = (*OCEAN.fields, Variable("s", "salinity", "1"))
    cpu = torch.device("cpu")
    assert KNOWN.weights_on(cpu) is None
    for entries in ({"mask": None}, {"mask": LAND.repeat(2, 1, 1)}):
        data = replace(OCEAN, fields=fields, **entries)
        for weights in (data.weights, data.weights_on(cpu)):
            assert weights.shape == (2, 3, 2)
            assert weights.stride(0) == 0
    several = replace(OCEAN, fields=fields, mask=torch.cat((LAND, ~LAND))).weights_on(cpu)
    assert torch.equal(several > 0, torch.cat((LAND, ~LAND)))
    assert torch.allclose(several.mean((1, 2)), torch.ones(2, dtype=torch.float64))


def test_mask_and_weighting_are_named_as_far_as_there_are_any():
    assert KNOWN.mask_and_weighting == {}
    assert replace(OCEAN, mask=None).mask_and_weighting == {"weighting": "latitude"}
    assert OCEAN.mask_and_weighting.keys() == {"weighting", "mask"}
    other = replace(OCEAN, mask=LAND.flip(1)).mask_and_weighting
    assert other["mask"] != OCEAN.mask_and_weighting["mask"]
