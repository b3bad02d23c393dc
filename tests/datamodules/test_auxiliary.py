"""Auxiliary coordinates of a grid, which files of one data set share."""

import netCDF4
import numpy as np
import pytest

from datamodules import Dimensions, SplitFiles, TrajectoryDataModule

LAT, LON = np.linspace(30, 60, 6), np.linspace(0, 35, 8)
FIELD = np.random.default_rng(0).normal(size=(5, 6, 8))


def write(path, lat, lon, start=0.0, kind="f8", moving=False):
    """Write a field on dimensions without coordinates, with its latitudes and longitudes."""
    lat, lon = np.asarray(lat), np.asarray(lon)
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", 5), ("y", 6), ("x", 8)):
            file.createDimension(name, size)
        file.createVariable("time", "f8", ("time",))[:] = start + np.arange(5.0)
        for name, values, dims in (("lat", lat, ("y", "x")), ("lon", lon, ("y", "x"))):
            dims = dims if values.ndim == 2 else {"lat": ("y",), "lon": ("x",)}[name]
            dims = ("time", *dims) if moving else dims
            variable = file.createVariable(name, kind, dims)
            variable[:] = np.broadcast_to(values, (5, *values.shape)) if moving else values
        field = file.createVariable("u", "f4", ("time", "y", "x"))
        field[:] = FIELD
        field.coordinates = "lat lon"


def readers(folder, **options):
    source = SplitFiles("*.nc")
    splits = dict.fromkeys(("train", "val", "test"), source)
    data = TrajectoryDataModule(folder, ["u"], Dimensions(space=("y", "x")), **splits, **options)
    return data.readers("train")


GRIDS = {"lines": (LAT, LON), "fields": tuple(np.meshgrid(LAT, LON, indexing="ij"))}


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("join", [None, "time"])
def test_rows_in_the_opposite_order_and_other_regions_are_refused(tmp_path, grid, moving, join):
    lat, lon = GRIDS[grid]
    write(tmp_path / "a.nc", lat, lon, moving=moving)
    write(tmp_path / "b.nc", lat[::-1], lon, start=5.0, moving=moving)
    with pytest.raises(ValueError, match=r"b.nc has 'lat' = 60 at its first point, .*a.nc 30; all"):
        readers(tmp_path, join=join)
    write(tmp_path / "b.nc", lat, lon + 20, start=5.0, moving=moving)
    with pytest.raises(ValueError, match=r"b.nc has 'lon' = 20 at its first point, .*a.nc 0; all"):
        readers(tmp_path, join=join)


def test_a_turn_within_the_grid_is_seen_at_its_middle(tmp_path):
    lat, lon = GRIDS["fields"]
    write(tmp_path / "a.nc", lat, lon)
    bent = lat.copy()
    bent[1:-1, 1:-1] += 2
    write(tmp_path / "b.nc", bent, lon)
    with pytest.raises(ValueError, match="'lat' = 50 at its middle point"):
        readers(tmp_path)


def test_the_same_points_in_another_precision_agree(tmp_path):
    write(tmp_path / "a.nc", *GRIDS["fields"])
    write(tmp_path / "b.nc", *GRIDS["fields"], start=5.0, kind="f4")
    assert [reader.snapshots for reader in readers(tmp_path, join="time")] == [10]
