"""Static fields, forcing and masks in files: what is read, and what is refused."""

import netCDF4
import numpy as np
import pytest
import torch
import xarray

from datamodules import Dimensions, Range, Rollouts, SplitFiles, TrajectoryDataModule
from datamodules.files.input_fields import FileInputs
from datamodules.rollouts import InitialConditions
from datamodules.static_fields import StaticFields
from datamodules.statistics import accumulate
from datamodules.windows import WindowDataset

MEMBERS, TIMES, ROWS, COLUMNS = 3, 12, 6, 8
SPACE = ("lat", "lon")
LAND = np.zeros((ROWS, COLUMNS), bool)
LAND[1:3, 2:5] = True


def fields(seed=0):
    """Return arrays by name with their dimensions, latitude from south to north."""
    rng = np.random.default_rng(seed)
    state, series = ("member", "time", *SPACE), ("time",)
    sizes = {"member": MEMBERS, "time": TIMES, "lat": ROWS, "lon": COLUMNS}

    def normal(*dims):
        return dims, rng.normal(size=[sizes[d] for d in dims])

    found = {"t": normal(*state), "h": normal(*state), "depth": normal(*SPACE)}
    found |= {"soil": normal("member", *SPACE), "stress": normal("time", *SPACE)}
    found |= {"co2": normal(*series), "noise": normal(*state), "wet": (SPACE, ~LAND * 0.8 + 0.1)}
    return found


def write(path, arrays, north_first=False, order=None, times=slice(None)):
    """Write a file; rows from north to south, and dimensions in another order, on request."""
    path.parent.mkdir(parents=True, exist_ok=True)
    latitudes = np.array([-75.0, -45.0, -15.0, 15.0, 45.0, 75.0])
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("member", MEMBERS), ("lat", ROWS), ("lon", COLUMNS), ("time", None)):
            file.createDimension(name, size)
        stamps = 6.0 * np.arange(TIMES)[times]
        coordinates = {
            "time": (stamps, "hours since 2000-01-01"),
            "lon": (45.0 * np.arange(8), "degrees_east"),
        }
        rows = latitudes[::-1] if north_first else latitudes
        for name, (values, units) in {**coordinates, "lat": (rows, "degrees_north")}.items():
            file.createVariable(name, "f8", (name,)).units = units
            file[name][:] = values
        for name, (dims, values) in arrays.items():
            if "time" in dims:
                values = values[:, times] if dims[0] == "member" else values[times]
            if north_first and "lat" in dims:
                values = np.flip(values, dims.index("lat"))
            wanted = [d for d in order or dims if d in dims]
            values = values.transpose([dims.index(d) for d in wanted])
            variable = file.createVariable(name, "f4", wanted, fill_value=np.float32(-99))
            variable.units = {"co2": "ppm", "depth": "m"}.get(name, "1")
            variable[:] = np.ma.masked_invalid(values)


def module(root, **options):
    names = {"variables": ["t", "h"], "dimensions": Dimensions("member", "time", SPACE)}
    return TrajectoryDataModule(root, **{**names, **options})


GIVEN = {"static": ["depth", "soil"], "forcing": ["stress", "co2", "noise"]}


def check_batch(data):
    known = fields()
    windows = WindowDataset(data.trajectories("train"), 4)
    batch = windows.__getitems__([4, 11, 25])
    for row, (member, first) in enumerate([windows.locate(index) for index in (4, 11, 25)]):
        own = slice(first, first + 4)
        for c, name in enumerate(("t", "h")):
            expected = known[name][1][member, own]
            assert np.allclose(batch.states[row, :, c], expected, atol=1e-6)
        assert np.allclose(batch.static[row, 0], known["depth"][1], atol=1e-6)
        assert np.allclose(batch.static[row, 1], known["soil"][1][member], atol=1e-6)
        forcing = batch.forcing[row]
        assert np.allclose(forcing[:, 0], known["stress"][1][own], atol=1e-6)
        assert np.allclose(forcing[:, 1], known["co2"][1][own, None, None], atol=1e-6)
        assert np.allclose(forcing[:, 2], known["noise"][1][member, own], atol=1e-6)


@pytest.mark.parametrize("storage", ["memory", "stream", "shared"])
@pytest.mark.parametrize("order", [None, ("lon", "time", "lat", "member")])
@pytest.mark.parametrize("north_first", [False, True])
def test_windows_bring_their_own_fields(tmp_path, storage, order, north_first):
    write(tmp_path / "train" / "a.nc", fields(), north_first, order)
    check_batch(module(tmp_path, storage=storage, **GIVEN))


def test_files_of_one_run_are_joined_with_their_forcing(tmp_path):
    write(tmp_path / "train" / "a.nc", fields(), times=slice(0, 5))
    write(tmp_path / "train" / "b.nc", fields(), times=slice(5, None))
    check_batch(module(tmp_path, join="time", **GIVEN))


def test_parts_of_a_run_with_other_static_fields_are_refused(tmp_path):
    write(tmp_path / "train" / "a.nc", fields(), times=slice(0, 5))
    known = fields()
    known["depth"][1][0, 0] += 1
    write(tmp_path / "train" / "b.nc", known, times=slice(5, None))
    with pytest.raises(ValueError, match=r"b.nc has other static fields than .*a.nc"):
        module(tmp_path, join="time", static=["depth"]).describe()


def test_inputs_of_a_group_are_hashed_by_their_whole_names(tmp_path):
    known = {name: (dims, values) for name, (dims, values) in fields().items() if name in "tdepth"}
    (tmp_path / "train").mkdir()
    xarray.Dataset(known, {"time": 6.0 * np.arange(TIMES)}).to_netcdf(
        tmp_path / "train" / "a.nc", group="sea"
    )
    data = module(tmp_path, variables=["sea/t"], static=["depth"])
    assert len(data.content_hash("train")) == 64


def test_description_has_names_and_units(tmp_path):
    write(tmp_path / "train" / "a.nc", fields())
    data = module(tmp_path, **GIVEN, mask="wet", weights="latitude").describe()
    assert [(v.name, v.units) for v in data.static] == [("depth", "m"), ("soil", "1")]
    assert [(v.name, v.units) for v in data.forcing] == [
        ("stress", "1"), ("co2", "ppm"), ("noise", "1"),
    ]  # fmt: skip
    assert data.variables == ["t", "h"]
    assert data.mask.shape == (2, ROWS, COLUMNS)
    assert np.array_equal(data.mask[1], ~LAND)
    assert (data.missing, data.weighting) == (None, "latitude")


def test_statistics_are_of_each_field(tmp_path):
    known = fields()
    known["co2"] = (("time",), np.full(TIMES, 400.0))  # a constant one keeps its unit
    write(tmp_path / "train" / "a.nc", known)
    data = module(tmp_path, **GIVEN)
    names = ["depth", "soil", "stress", "co2", "noise"]
    expected = [known[name][1] for name in names]
    found = data.input_statistics
    assert np.allclose(found.mean, [values.mean() for values in expected], atol=1e-5)
    std = [known[name][1].std() if name != "co2" else 1.0 for name in names]
    assert np.allclose(found.std, std, rtol=1e-5)
    assert np.allclose(data.statistics.mean, [known[n][1].mean() for n in "th"], atol=1e-6)


@pytest.mark.parametrize("weights", [None, "latitude"])
@pytest.mark.parametrize("mask", [None, "missing", "wet", "not dry"])
def test_statistics_are_weighted_means_over_what_is_there(tmp_path, mask, weights):
    known = fields()
    known["t"] = ("member", "time", *SPACE), 280 + 3 * known["t"][1]
    known["dry"] = SPACE, LAND.astype(float)
    if mask:
        for name in "th":
            known[name][1][..., LAND] = np.nan if mask == "missing" else 1e4
    if mask == "missing":
        known["h"][1][..., 5, 0] = np.nan
    write(tmp_path / "train" / "a.nc", known)
    found = module(tmp_path, mask=mask, weights=weights).statistics
    edges = np.sin(np.deg2rad([-90, -60, -30, 0, 30, 60, 90]))
    area = np.ones(ROWS) if weights is None else np.diff(edges)
    for c, name in enumerate("th"):
        values = known[name][1].astype("f4").astype("f8")
        there = np.isfinite(values[0, 0]) & ~(LAND & bool(mask))
        own = np.broadcast_to(area[:, None] * there, values.shape)
        values = np.where(there, values, 0)
        mean = np.average(values, weights=own)
        change = np.diff(values, axis=1) ** 2
        assert np.isclose(found.mean[c], mean, rtol=1e-6)
        assert np.isclose(found.std[c] ** 2, np.average((values - mean) ** 2, weights=own))
        expected = np.average(change, weights=own[:, 1:])
        assert np.isclose(found.increment_std[c] ** 2, expected)


@pytest.mark.parametrize("weights", [None, "latitude"])
@pytest.mark.parametrize("mask", [None, "missing", "wet"])
def test_statistics_of_inputs_are_weighted_means_over_what_is_there(tmp_path, mask, weights):
    names = ["depth", "soil", "stress", "noise"]
    known = fields()
    if mask:
        for name in ("t", "h", *names):
            known[name][1][..., LAND] = np.nan if mask == "missing" and name in "th" else 1e4
    known["h"][1][..., 5, 0] = np.nan if mask == "missing" else 1.0  # t has a value there
    known["co2"] = (("time",), np.full(TIMES, 0.1))
    write(tmp_path / "train" / "a.nc", known)
    data = module(tmp_path, static=names[:2], forcing=[*names[2:], "co2"], mask=mask,
                  weights=weights)  # fmt: skip
    edges = np.sin(np.deg2rad([-90, -60, -30, 0, 30, 60, 90]))
    area = np.ones(ROWS) if weights is None else np.diff(edges)
    found = data.input_statistics
    for c, name in enumerate(names):
        values = known[name][1].astype("f4").astype("f8")
        own = np.broadcast_to(area[:, None] * ~(LAND & bool(mask)), values.shape)
        mean = np.average(values, weights=own)
        assert np.isclose(found.mean[c], mean, rtol=1e-5)
        assert np.isclose(found.std[c] ** 2, np.average((values - mean) ** 2, weights=own))
    assert found.std[4] == 1
    assert np.isclose(found.mean[4], 0.1)


@pytest.mark.parametrize("mask", ["missing", "wet"])
def test_inputs_need_no_values_where_all_channels_are_masked(tmp_path, mask):
    known = fields()
    names = ["t", "h", "depth", "soil", "stress", "noise"]
    for name in names:
        known[name][1][..., LAND] = np.nan
    known["stress"][1][3, 1, 3] = 1.0  # forcing may have values there
    write(tmp_path / "train" / "a.nc", known)
    options = {**GIVEN, "mask": mask}
    train = module(tmp_path, **options).trajectories("train")
    train.check()
    static = train.static([1])[0]
    assert np.allclose(static[1], np.nan_to_num(known["soil"][1][1]), atol=1e-6)
    forcing = train.read_forcing(1, 2, 5)
    assert np.allclose(forcing[:, 2], np.nan_to_num(known["noise"][1][1, 2:5]), atol=1e-6)
    assert forcing[1, 0, 1, 3] == 1
    write(tmp_path / "train" / "a.nc", known, times=slice(0, 5))
    write(tmp_path / "train" / "b.nc", known, times=slice(5, None))
    assert len(module(tmp_path, join="time", **options).trajectories("train")) == MEMBERS
    known["h"][1][..., 2, 4] = 1.0  # a channel has a value there, and so must the inputs
    if mask == "missing":
        for file in (tmp_path / "train").iterdir():
            file.unlink()
        write(tmp_path / "train" / "a.nc", known)
        with pytest.raises(ValueError, match=r"'depth' has no finite value at point \(2, 4\), exp"):
            module(tmp_path, mask=mask, static=["depth"]).trajectories("train").static([0])
        with pytest.raises(ValueError, match=r"'stress' is not finite at .* point \(2, 4\)"):
            module(tmp_path, mask=mask, forcing=["stress"]).trajectories("train").check()


def test_every_trajectory_counts_once_in_statistics_of_static_fields(tmp_path):
    for name, seed in (("a", 1), ("b", 2)):
        write(tmp_path / "train" / f"{name}.nc", fields(seed))
    known = [fields(seed) for seed in (1, 2)]
    options = {"static": ["depth", "soil"]}
    found = module(tmp_path, **options).input_statistics
    for c, name in enumerate(options["static"]):
        values = np.stack([each[name][1] for each in known])
        assert np.isclose(found.mean[c], values.mean(), rtol=1e-5)
        assert np.isclose(found.std[c], values.std(), rtol=1e-5)
    # of "soil" the last trajectory of each file; "depth" is the same for all
    part = SplitFiles("train/*.nc", trajectories=Range(2))
    found = module(tmp_path, train=part, **options).input_statistics
    assert np.isclose(found.mean[1], np.mean([each["soil"][1][2] for each in known]), rtol=1e-5)
    assert np.isclose(found.mean[0], np.mean([each["depth"][1] for each in known]), rtol=1e-5)


def test_equal_static_fields_of_files_are_in_memory_once(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write(tmp_path / "train" / f"{name}.nc", fields(seed))
    train = module(tmp_path, static=["depth"]).trajectories("train")
    one = 4 * ROWS * COLUMNS
    assert train.static(range(9)).shape == (9, 1, ROWS, COLUMNS)
    assert train._static.last.bytes == 2 * one
    limited = StaticFields(most=one)
    for _ in range(2):
        for reader, seed in zip(train.files, (1, 1, 2), strict=True):
            assert np.allclose(limited.of(reader)[0, 0], fields(seed)["depth"][1], atol=1e-6)
            assert limited.last.bytes == one


def test_statistics_of_static_fields_hold_one_file_at_a_time(tmp_path, monkeypatch):
    for name in "abcd":
        write(tmp_path / "train" / f"{name}.nc", fields(ord(name)))
    data = module(tmp_path, static=["soil"])
    static = data.trajectories("train")._static
    static.last.most = 0
    held = []
    monkeypatch.setattr(
        "datamodules.training_statistics.accumulate",
        lambda chunks, *args, **kwargs: accumulate(
            (held.append((len(one), static.last.bytes)) or one for one in chunks), *args, **kwargs
        ),
    )
    _ = data.input_statistics
    one = 4 * MEMBERS * ROWS * COLUMNS
    assert held[-4:] == [(MEMBERS, one)] * 4


def test_masked_points_are_zero_or_what_the_file_has(tmp_path):
    known = fields()
    known["t"][1][..., LAND] = np.nan
    write(tmp_path / "train" / "a.nc", known)
    data = module(tmp_path, mask="missing", variables=["t"])
    assert bool((data.trajectories("train").read(1, 2, 5)[:, :, LAND] == 0).all())
    assert np.array_equal(data.describe().missing[0], LAND)
    known["t"][1][..., LAND] = 7
    write(tmp_path / "train" / "b.nc", known)
    data = module(tmp_path / "train", mask="wet", variables=["t"], train=SplitFiles("b.nc"))
    assert bool((data.trajectories("train").read(1, 2, 5)[:, :, LAND] == 7).all())
    assert data.describe().missing is None


def test_masked_points_are_missing_in_forecasts_where_they_are_in_the_data(tmp_path):
    known = fields()
    known["t"][1][..., LAND] = 7
    known["t"][1][..., 1, 2:4] = np.nan
    known["h"][1][..., LAND] = np.nan
    write(tmp_path / "train" / "a.nc", known)
    data = module(tmp_path, mask="wet")
    state = data.trajectories("train").read(1, 2, 5)
    assert bool(state.isfinite().all())
    found = data.describe().with_missing(state)
    for c, name in enumerate("th"):
        assert np.allclose(found[:, c], known[name][1][1, 2:5], atol=1e-6, equal_nan=True)


def change(name, where, value):
    def changed(known):
        known[name][1][where] = value

    return changed


def read_all(module, root, options):
    windows = WindowDataset(module(root, **options).trajectories("train"), 2)
    windows.__getitems__(list(range(len(windows))))


REFUSED = [
    ({"variables": ["t", "depth"]}, None, r"'depth' has .* list it in data.static if it does not"),
    ({"static": ["ice"]}, None, r"has no variable 'ice' for data.static, only t, h, depth"),
    ({"static": ["stress"]}, None, r"'stress' of data.static has .* list it in data.forcing"),
    ({"forcing": ["depth"]}, None, r"'depth' of data.forcing has .* list it in data.static"),
    ({"static": ["t"]}, None, r"data.variables, data.static and data.forcing name 't' twice"),
    (
        {"static": ["depth"]},
        change("depth", (2, 3), np.nan),
        r"'depth' has no finite value at point \(2, 3\)",
    ),
    ({"mask": "depth"}, None, r"mask 'depth' holds -\d.* to .*, expected numbers from 0 to 1"),
    ({"mask": "soil"}, change("soil", (...,), 0.0), r"all points of 't' are masked"),
    (
        {"mask": "soil"},
        change("soil", (...,), np.arange(3.0).reshape(3, 1, 1) / 2),
        "mask 'soil' differs between trajectories",
    ),
    ({"mask": "missing"}, None, r"data.mask is missing, but no point is masked"),
    ({"mask": "stress"}, None, r"'stress' of data.mask has .* store it once, without time"),
    ({"mask": "missing"}, change("t", (1, 4, 3, 3), np.nan), r"data.mask is missing, but no point"),
    (
        {"mask": "wet"},
        change("t", (0, 1, 0, 0), np.nan),
        r"'t' is not finite at trajectory 0, snapshot 1, point \(0, 0\)",
    ),
    (
        {"forcing": ["stress"]},
        change("stress", (3, 1, 1), np.nan),
        r"'stress' is not finite at trajectory 0, snapshot 3, point \(1, 1\)",
    ),
]


@pytest.mark.parametrize(("options", "changed", "message"), REFUSED)
def test_what_is_not_certain_is_refused(tmp_path, options, changed, message):
    known = fields()
    if changed is not None:
        changed(known)
    write(tmp_path / "train" / "a.nc", known)
    with pytest.raises(ValueError, match=message):
        read_all(module, tmp_path, options)


def test_missing_points_that_change_with_time_are_refused(tmp_path):
    known = fields()
    known["t"][1][..., LAND] = np.nan
    known["t"][1][2, 7, 1, 3] = 1.0  # a value where there was none
    write(tmp_path / "train" / "a.nc", known)
    words = r"'t' has a value at trajectory 2, snapshot 7, point \(1, 3\), where the first snapshot"
    with pytest.raises(ValueError, match=words):
        module(tmp_path, mask="missing").trajectories("train").check()
    known["t"][1][2, 7, 1, 3] = np.nan
    known["t"][1][2, 7, 5, 5] = np.nan  # a value is missing where there was one
    write(tmp_path / "train" / "a.nc", known)
    with pytest.raises(ValueError, match=r"not finite at trajectory 2, snapshot 7, point \(5, 5\)"):
        module(tmp_path, mask="missing").trajectories("train").check()


def test_files_with_other_masks_are_refused(tmp_path):
    known = fields()
    write(tmp_path / "train" / "a.nc", known)
    known["wet"][1][4, 4] = 0
    write(tmp_path / "train" / "b.nc", known)
    with pytest.raises(
        ValueError, match=r"b.nc has a mask with 41 points, .*a.nc one that differs"
    ):
        module(tmp_path, mask="wet").trajectories("train")


def test_masks_of_files_are_compared_by_one_read_of_each(tmp_path, monkeypatch):
    for name in "abcd":
        write(tmp_path / "train" / f"{name}.nc", fields())
    read, paths = FileInputs.read_mask, []
    monkeypatch.setattr(FileInputs, "read_mask", lambda self: paths.append(self.path) or read(self))
    module(tmp_path, mask="wet").readers("train")
    assert sorted(path.name for path in paths) == ["a.nc", "b.nc", "c.nc", "d.nc"]


def test_content_follows_every_input(tmp_path):
    write(tmp_path / "train" / "a.nc", fields())
    options = [{}, {"static": ["depth"]}, {"forcing": ["co2"]}, {"mask": "wet"}]
    options += [{"mask": "not wet"}, {"weights": "latitude"}]
    hashes = [module(tmp_path, **given).contents("train") for given in options]
    assert len(set(hashes)) == len(hashes)
    changed = fields()
    changed["co2"][1][3] += 1
    write(tmp_path / "train" / "a.nc", changed)
    assert module(tmp_path).contents("train") == hashes[0]
    assert module(tmp_path, forcing=["co2"]).contents("train") != hashes[2]


def test_rollouts_are_given_the_forcing_of_their_own_times(tmp_path):
    write(tmp_path / "test" / "a.nc", fields())
    data = module(tmp_path, **GIVEN)
    starts = InitialConditions(data.trajectories("test"), 4, steps=5, truth_steps=2)
    batch = starts.collate([1, 3])
    known = fields()
    for row, (member, first) in enumerate(batch.places):
        assert first + 5 < TIMES
        for lead in (0, 3, 5):
            found = batch.forcing(lead)[row]
            assert np.allclose(found[0], known["stress"][1][first + lead], atol=1e-6)
            assert np.allclose(found[2], known["noise"][1][member, first + lead], atol=1e-6)
        assert np.allclose(batch.static[row, 1], known["soil"][1][member], atol=1e-6)
        assert batch.initial.shape == (2, 2, ROWS, COLUMNS)
        assert np.allclose(batch.truth(1)[row, 0], known["t"][1][member, first + 1], atol=1e-6)


def test_the_last_forcing_is_held_beyond_the_end_of_rollout_and_trajectory(tmp_path):
    write(tmp_path / "test" / "a.nc", fields())
    data = module(tmp_path, **GIVEN)
    batch = InitialConditions(data.trajectories("test"), 15, steps=7, truth_steps=0).collate([2, 4])
    known = fields()
    assert [first for _, first in batch.places] == [2, 4]
    for row, last in enumerate((2 + 9, 4 + 7)):  # the second trajectory has no snapshot at lead 9
        found = batch.forcing(9)[row]
        assert np.allclose(found[0], known["stress"][1][last], atol=1e-6)
        assert np.allclose(found[2], known["noise"][1][0, last], atol=1e-6)


def test_forcing_that_ends_before_the_rollout_is_refused(tmp_path):
    write(tmp_path / "test" / "a.nc", fields())
    rollouts = Rollouts(initial_conditions=1, steps=20)
    data = module(tmp_path, forcing=["co2"], test_rollouts=rollouts)
    words = r"forcing \(co2\) for at most 11 steps, the rollouts have 20; lower steps"
    with pytest.raises(ValueError, match=words):
        data.test_dataloader()


def test_perturbations_leave_masked_points_alone(tmp_path):
    known = fields()
    known["t"] = ("member", "time", *SPACE), 280 + known["t"][1]
    for name in "th":
        known[name][1][..., LAND] = np.nan
    write(tmp_path / "test" / "a.nc", known)
    data = module(tmp_path, mask="missing")
    starts = InitialConditions(data.trajectories("test"), 2, 3, 1, members=3000, noise=0.1)
    batch = starts.collate([0, 1])
    change = batch.perturbed - batch.initial
    assert bool((change[..., torch.from_numpy(LAND)] == 0).all())
    there = batch.initial[:, 0][:, torch.from_numpy(~LAND)]
    found = change[:, :, 0][..., torch.from_numpy(~LAND)].std((0, 2))
    assert torch.allclose(found, 0.1 * there.std(1), rtol=0.01)


def two_groups(path, rows=range(4), hours=range(5), own=True):
    """Write a state in group `a` and inputs in group `b`, whose coordinates may differ."""
    rows, hours, columns = np.asarray(rows, float), np.asarray(hours, float), np.arange(6.0)
    state = {"u": (("time", "y", "x"), np.ones((5, 4, 6), "f4"))}
    points = {"time": np.arange(5.0), "y": np.arange(4.0), "x": columns}
    inputs = {"z": (("y", "x"), columns + 10 * rows[:, None]),
              "wet": (("y", "x"), np.ones((len(rows), 6))),
              "co2": (("time",), hours)}  # fmt: skip
    theirs = {"time": hours, "y": rows, "x": columns} if own else {}
    path.parent.mkdir(parents=True)
    for group, fields, coordinates in (("a", state, points), ("b", inputs, theirs)):
        data = xarray.Dataset(fields, coordinates)
        if path.suffix == ".nc":
            data.to_netcdf(path, mode="w" if group == "a" else "a", group=group)
        else:
            data.to_zarr(path, group=group, zarr_format=int(path.stem[-1]), consolidated=False)


STORES = ["a.nc", "a2.zarr", "a3.zarr"]


@pytest.mark.filterwarnings("ignore:.*Zarr")
@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize(
    ("other", "axis"),
    [
        ({"rows": np.arange(4.0)[::-1]}, "y"),
        ({"rows": np.arange(4.0) * 100}, "y"),
        ({"rows": np.arange(7.0)}, "y"),
        ({"hours": np.arange(10) * 0.5}, "time"),
        ({"hours": np.arange(5) + 1.0}, "time"),
    ],
)
@pytest.mark.parametrize("option", ["static", "mask", "forcing"])
def test_inputs_of_a_group_with_other_coordinates_are_refused(tmp_path, other, axis, option, store):
    two_groups(tmp_path / "train" / store, **other)
    given = {"static": {"static": ["b/z"]}, "mask": {"mask": "b/wet"},
             "forcing": {"forcing": ["b/co2"]}}[option]  # fmt: skip
    space = Dimensions(space=("y", "x"))
    train = SplitFiles(f"train/{store}")
    data = TrajectoryDataModule(tmp_path, ["a/u"], space, train=train, **given)
    if (option == "forcing") == (axis == "time"):
        name = next(iter(given.values()))
        name = name if isinstance(name, str) else name[0]
        with pytest.raises(ValueError, match=f"the coordinate '{axis}' of '{name}' differs from "):
            data.readers("train")
    else:
        data.readers("train")


@pytest.mark.parametrize("store", STORES)
def test_inputs_of_another_group_with_the_same_points_are_read(tmp_path, store):
    two_groups(tmp_path / "train" / store)
    space, train = Dimensions(space=("y", "x")), SplitFiles(f"train/{store}")
    data = TrajectoryDataModule(tmp_path, ["a/u"], space, static=["b/z"], train=train)
    wanted = np.arange(6) + 10 * np.arange(4.0)[:, None]
    np.testing.assert_array_equal(data.readers("train")[0].read_static()[0, 0], wanted)


@pytest.mark.parametrize("store", STORES)
def test_inputs_without_coordinates_have_the_points_of_the_state(tmp_path, store):
    space, train = Dimensions(space=("y", "x")), SplitFiles(f"train/{store}")
    two_groups(tmp_path / "train" / store, own=False)
    given = {"static": ["b/z"], "train": train}
    data = TrajectoryDataModule(tmp_path, ["a/u"], space, forcing=["b/co2"], **given)
    data.readers("train")
    two_groups(tmp_path / "other" / "train" / store, rows=np.arange(3.0), own=False)
    data = TrajectoryDataModule(tmp_path / "other", ["a/u"], space, **given)
    with pytest.raises(ValueError, match=r"'b/z' of data.static has 3 points along 'y', but the"):
        data.readers("train")
