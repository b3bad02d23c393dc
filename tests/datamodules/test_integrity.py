import netCDF4
import numpy as np
import pytest

from datamodules.files.formats.netcdf import read_provenance
from datamodules.files.integrity import checked_hash
from datamodules.files.netcdf_writer import write_trajectories
from datamodules.solvers import Grid, Variable
from tests.datamodules.files import write_file

VARIABLES = (Variable("u", "zonal velocity", "m s-1"), Variable("v", "velocity", "m s-1"))
NAMES = ["u", "v"]
SETTINGS = {"seed": 5, "count": 3, "snapshots": 4}


@pytest.fixture
def ours(tmp_path):
    """A file of ours and the hash that it carries."""
    values = np.random.default_rng(0).standard_normal((3, 4, 2, 8, 16), dtype=np.float32)
    arguments = (3, 4), VARIABLES, Grid((8, 16), (2.0, 3.0)), 0.5, 0, "winds", SETTINGS
    return tmp_path / "a.nc", write_trajectories(tmp_path / "a.nc", [values], *arguments)


def change(path, **attributes):
    with netCDF4.Dataset(path, "a") as dataset:
        dataset.setncatts(attributes)


def flip(path):
    with netCDF4.Dataset(path, "a") as dataset:
        dataset["v"][2, 3, 7, 15] *= -1


def test_file_of_ours_has_the_hash_that_it_carries(ours):
    path, digest = ours
    assert checked_hash(path, NAMES) == checked_hash(path, NAMES[::-1]) == digest


def test_flipped_value_of_a_file_of_ours_is_refused(ours):
    path, digest = ours
    flip(path)
    with pytest.raises(ValueError, match=rf"a\.nc: the values of u, v .*{digest[:12]}.*content_h"):
        checked_hash(path, NAMES)


def test_change_on_purpose_is_taken_once_the_hash_is_removed(ours):
    path, digest = ours
    flip(path)
    with netCDF4.Dataset(path, "a") as dataset:
        dataset.delncattr("content_hash")
    assert checked_hash(path, NAMES) != digest


def test_other_coordinates_are_no_other_values(ours):
    path, digest = ours
    with netCDF4.Dataset(path, "a") as dataset:
        dataset["x"][:] *= 1000
        dataset["u"].units = "km s-1"
    assert checked_hash(path, NAMES) == digest


def test_part_of_the_fields_and_part_of_the_file_are_taken_as_they_are(ours, tmp_path):
    path, digest = ours
    flip(path)
    assert checked_hash(path, ["u"]) != digest
    with netCDF4.Dataset(path) as whole, netCDF4.Dataset(tmp_path / "b.nc", "w") as cut:
        cut.setncatts(whole.__dict__)
        for name, size in whole.dimensions.items():
            cut.createDimension(name, 2 if name == "time" else len(size))
        for name in NAMES:
            cut.createVariable(name, "f4", whole[name].dimensions)[:] = whole[name][:, :2]
    assert checked_hash(tmp_path / "b.nc", NAMES) != digest


FOREIGN = ["text", "", "[1, 2]", "3", "null", "[" * 50_000, np.arange(3), np.float64(2), "ζ",
           '{"a": 1}', "NaN", np.array([b"a", b"b"]).view("S1")]  # fmt: skip


@pytest.mark.parametrize("value", FOREIGN, ids=range(len(FOREIGN)))
@pytest.mark.parametrize("name", ["provenance", "content_hash", "source"])
def test_attribute_of_others_of_the_same_name_stops_nothing(tmp_path, name, value):
    for file in ("a.nc", "b.nc"):
        write_file(tmp_path / file, (3, 4, 8, 8))
    plain = checked_hash(tmp_path / "a.nc", ["vorticity"])
    change(tmp_path / "a.nc", **{name: value})
    same = checked_hash(tmp_path / "a.nc", ["vorticity"]) == plain
    assert same or read_provenance(tmp_path / "a.nc") == {"a": 1}  # settings enter the hash
