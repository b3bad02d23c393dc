"""Parts of the domain, and averages over blocks of points, read from files."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from datamodules import Generator, Range, SplitSize, TrajectoryDataModule
from datamodules.files.disk_array import DiskArray
from datamodules.files.subset import SubsetArray
from datamodules.solvers import GaussianField, Grid, KuramotoSivashinsky, SpectralSolver
from tests.datamodules.test_inputs import LAND, fields, module, write

CROP = {"lat": Range(start=1, stop=5), "lon": Range(start=2)}
PART = (slice(1, 5), slice(2, 8))


def block_means(values, *factors):
    """Return means over blocks of the last axes."""
    rows, columns = factors
    *rest, y, x = values.shape
    return values.reshape(*rest, y // rows, rows, x // columns, columns).mean((-3, -1))


@pytest.mark.parametrize("storage", ["memory", "stream"])
@pytest.mark.parametrize("north_first", [False, True])
@pytest.mark.parametrize("order", [None, ("lon", "time", "lat", "member")])
@pytest.mark.parametrize(("coarsen", "factors"), [(1, (1, 1)), (2, (2, 2)), ({"lon": 3}, (1, 3))])
def test_fields_are_parts_and_block_means(tmp_path, storage, north_first, order, coarsen, factors):
    known = fields()
    write(tmp_path / "train" / "a.nc", known, north_first, order)
    data = module(
        tmp_path, crop=CROP, coarsen=coarsen, static=["depth"], forcing=["stress", "co2"],
        storage=storage,
    )  # fmt: skip
    train = data.trajectories("train")
    states, forcing = train.windows_and_forcing([(0, 3), (2, 7)], 4)
    for row, (member, first) in enumerate([(0, 3), (2, 7)]):
        own = slice(first, first + 4)
        for c, name in enumerate("th"):
            expected = block_means(known[name][1][member, own][:, *PART], *factors)
            assert np.allclose(states[row, :, c], expected, atol=1e-6)
        expected = block_means(known["stress"][1][own][:, *PART], *factors)
        assert np.allclose(forcing[row, :, 0], expected, atol=1e-6)
        assert np.allclose(forcing[row, :, 1], known["co2"][1][own, None, None], atol=1e-6)
    assert np.allclose(train.static([1])[0, 0], block_means(known["depth"][1][PART], *factors),
                       atol=1e-6)  # fmt: skip


def test_coordinates_are_the_centres_of_the_blocks(tmp_path):
    write(tmp_path / "train" / "a.nc", fields(), north_first=True)
    data = module(tmp_path, crop={"lat": Range(start=2)}, coarsen=2).describe()
    latitude, longitude = data.axes
    assert latitude.values.tolist() == [0.0, 60.0]
    assert longitude.values.tolist() == [22.5, 112.5, 202.5, 292.5]
    assert data.periodic == (False, True)
    part = module(tmp_path, crop={"lon": Range(stop=6)}).describe()
    assert part.periodic == (False, False)
    assert part.shape == (6, 6)


def test_centres_of_blocks_of_whole_coordinates_are_not_rounded(tmp_path):
    write(tmp_path / "train" / "a.nc", fields())
    with netCDF4.Dataset(tmp_path / "train" / "a.nc", "a") as file:
        file.renameVariable("lon", "old")
        file.createVariable("lon", "i4", ("lon",))[:] = range(8)
    values, _ = module(tmp_path, coarsen=2).describe().coordinates["lon"]
    assert values.tolist() == [0.5, 2.5, 4.5, 6.5]


def test_a_part_of_a_circle_has_two_ends(tmp_path):
    write(tmp_path / "train" / "a.nc", fields())
    with netCDF4.Dataset(tmp_path / "train" / "a.nc", "a") as file:
        file["lat"].setncatts({"units": "m", "topology": "circular"})
        file["lon"].setncatts({"units": "m", "modulo": 360.0})
    assert module(tmp_path, coarsen=2).describe().periodic == (True, True)
    part = {"lat": Range(stop=4), "lon": Range(stop=6)}
    assert module(tmp_path, crop=part).describe().periodic == (False, False)


@pytest.mark.parametrize("north_first", [False, True])
@pytest.mark.parametrize("mask", ["missing", "wet", "not dry"])
def test_blocks_with_a_masked_point_are_masked(tmp_path, mask, north_first):
    known = fields()
    known["t"][1][..., LAND] = np.nan if mask == "missing" else 1e4  # rows 1, 2, columns 2 to 4
    known["dry"] = ("lat", "lon"), LAND.astype(float)
    write(tmp_path / "train" / "a.nc", known, north_first)
    data = module(tmp_path, mask=mask, coarsen=2, variables=["t"])
    gone = {(0, 1), (0, 2), (1, 1), (1, 2)}
    assert set(map(tuple, np.argwhere(~data.describe().mask[0].numpy()).tolist())) == gone
    there = np.ones((3, 4), bool)
    there[tuple(zip(*gone, strict=True))] = False
    means = block_means(known["t"][1], 2, 2)[..., there]
    assert np.isclose(data.statistics.mean, means.mean(), rtol=1e-5)
    crop = {"lat": Range(start=1, stop=5), "lon": Range(start=2)}
    part = module(tmp_path, mask=mask, coarsen={"lon": 3}, crop=crop, variables=["t"])
    expected = ~LAND[1:5, 2:].reshape(4, 2, 3).any(2)
    assert np.array_equal(part.describe().mask[0], expected)


@pytest.mark.parametrize("options", [{"coarsen": {"lat": 1}}, {"crop": {"lat": Range(stop=6)}}])
def test_subsets_that_change_nothing_leave_the_mask_as_it_is(tmp_path, options):
    write(tmp_path / "train" / "a.nc", fields())
    mask = module(tmp_path, mask="wet", **options).describe().mask
    assert np.array_equal(mask[1], ~LAND)


class Held(DiskArray):
    def __init__(self, values):
        self.values, self.path, self.shape = values, Path("a.nc"), values.shape

    def __getitem__(self, key):
        return self.values[key]

    def close(self):
        pass


def test_values_that_were_never_written_do_not_enter_means():
    values = np.ones((2, 4), "f4")
    values[1, 1] = 9.969209968386869e36
    found = SubsetArray(Held(values), [range(2), range(4)], [1, 2])
    assert np.array_equal(found[:], [[1, 1], [np.nan, 1]], equal_nan=True)
    assert found[1, 1:2].tolist() == [1.0]
    assert found[()].shape == (2, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coarsen": 4}, r"'lat' has 6 points, which data.coarsen: 4 does not divide; leave some "
                         r"out by data.crop: {lat: {start: 0, stop: 4}}, or"),
        ({"coarsen": 0}, "data.coarsen must be at least 1 along each axis, got 0"),
        ({"coarsen": {"y": 2}}, r"data.coarsen names 'y', expected one of .*\(lat, lon\)"),
        ({"crop": {"time": Range(2)}}, "data.crop names 'time', expected one of"),
        ({"crop": {"lat": Range(stop=721)}}, "data.crop.lat.stop is 721, but 'lat' has 6 points"),
        ({"crop": {"lon": Range(-9)}}, "data.crop.lon.start is -9, but 'lon' has 8 points"),
        ({"crop": {"lon": Range(9)}}, "data.crop.lon leaves none of the 8 points of 'lon'"),
        ({"coarsen": 2, "crop": {"lat": Range(1, 3), "lon": Range(2, 4)}, "mask": "wet"},
         r"all points of 't' are masked by data.mask: wet"),
    ],
)  # fmt: skip
def test_subsets_that_do_not_fit_are_refused(tmp_path, options, message):
    write(tmp_path / "train" / "a.nc", fields())
    with pytest.raises(ValueError, match=message):
        module(tmp_path, **options).describe()


def test_generated_data_are_read_whole(tmp_path):
    solver = SpectralSolver(KuramotoSivashinsky(Grid((16,), (22.0,))), dt=0.1, interval=1.0)
    sizes = {"train": SplitSize(trajectories=1, snapshots=4)}
    generator = Generator(solver, GaussianField(wavenumber=1.0), sizes, spin_up=1.0)
    with pytest.raises(ValueError, match=r"data.crop and data.coarsen are for files of other"):
        TrajectoryDataModule(tmp_path, coarsen=2, generator=generator)


def test_contents_follow_the_subset(tmp_path):
    write(tmp_path / "train" / "a.nc", fields())
    options = [{}, {"crop": {"lat": Range(stop=4)}}, {"coarsen": 2}, {"coarsen": {"lat": 2}}]
    found = [module(tmp_path, **given).contents("train") for given in options]
    assert len(set(found)) == len(found)
