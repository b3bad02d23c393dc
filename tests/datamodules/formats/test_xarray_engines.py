"""Files that xarray opens, compared with what it reads itself."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray

from datamodules import Dimensions, NetCDF, Xarray
from datamodules.files.formats.detect import format_of
from datamodules.files.trajectory_file import TrajectoryFile
from tests.datamodules.files import write_file

LAYOUTS = Path(__file__).parents[1] / "layouts"
SPHERE = Dimensions(space=("latitude", "longitude"))


@pytest.fixture
def grib(tmp_path):
    return Path(shutil.copy(LAYOUTS / "era5.grib", tmp_path / "a.grib"))


def test_grib_is_read_as_by_cfgrib(grib):
    pytest.importorskip("cfgrib")
    assert isinstance(format_of(grib), Xarray)
    levels = {"filter_by_keys": {"typeOfLevel": "isobaricInhPa"}, "indexpath": ""}
    file = TrajectoryFile(
        *(grib, ("t",), SPHERE), select={"isobaricInhPa": [500, 1000]}, format=Xarray()
    )
    with xarray.open_dataset(grib, engine="cfgrib", backend_kwargs=levels) as wanted:
        fields = wanted["t"].sel(isobaricInhPa=[500, 1000]).values[:, :, ::-1]  # northwards
        hours = (wanted["time"].values - wanted["time"].values[0]) / np.timedelta64(1, "h")
    np.testing.assert_array_equal(file.read(0, 1, 3), fields[1:])
    np.testing.assert_array_equal((file.times - file.times[0]) / file.interval, hours)
    assert [variable.units for variable in file.variables] == ["K", "K"]
    assert [path.name for path in grib.parent.iterdir()] == ["a.grib"]  # no index


def test_levels_of_grib_are_chosen_by_options(grib):
    pytest.importorskip("cfgrib")
    options = {"filter_by_keys": {"typeOfLevel": "surface"}}
    file = TrajectoryFile(grib, ("sst",), SPHERE, format=Xarray(options=options))
    state = file.read(0, 0, 1)[0, 0]
    assert np.isnan(state[2:4, 1:5]).all()  # land
    assert np.isnan(state).sum() == 8
    with pytest.raises(ValueError, match=r"a\.grib has no variable 't', only"):
        TrajectoryFile(grib, ("t",), SPHERE, format=Xarray(options=options))


def test_grib_of_one_time_has_an_axis_of_time(grib):
    pytest.importorskip("cfgrib")
    options = {"filter_by_keys": {"dataTime": 100, "typeOfLevel": "surface"}}
    with Xarray(options=options).open(grib) as contents:
        assert contents.variables["sst"].dimensions == ("time", "latitude", "longitude")
        assert contents.variables["time"].shape == (1,)
        assert contents.variables["sst"].values().shape == (1, 6, 8)


def test_damaged_grib_is_named(grib):
    pytest.importorskip("cfgrib")
    file = TrajectoryFile(grib, ("t",), SPHERE, select={"isobaricInhPa": 500}, format=Xarray())
    grib.write_bytes(grib.read_bytes()[: grib.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"a\.grib.* restore it or remove it"):
        file.read(0, 0, 3)


@pytest.mark.parametrize("engine", [None, "netcdf4"])
def test_other_engines_read_what_xarray_reads(tmp_path, engine):
    write_file(tmp_path / "a.nc")
    format = pickle.loads(pickle.dumps(Xarray(engine)))
    file = TrajectoryFile(tmp_path / "a.nc", ("vorticity",), format=format)
    own = TrajectoryFile(tmp_path / "a.nc", ("vorticity",), format=NetCDF())
    np.testing.assert_array_equal(file.read(0, 1, 3), own.read(0, 1, 3))
    np.testing.assert_array_equal(file.times, own.times)
    assert file.variables == own.variables
    again = pickle.loads(pickle.dumps(file))
    np.testing.assert_array_equal(again.read(0, 1, 3), own.read(0, 1, 3))


def test_a_file_that_was_replaced_is_opened_again(tmp_path):
    for value in (1.0, 2.0):
        field = xarray.DataArray(np.full((2, 3), value), dims=["time", "x"])
        (tmp_path / "a.nc").unlink(missing_ok=True)
        xarray.Dataset({"u": field}).to_netcdf(tmp_path / "a.nc")
        with Xarray("netcdf4").open(tmp_path / "a.nc") as contents:
            assert contents.variables["u"].values().tolist() == [[value] * 3] * 2


def test_engines_that_are_missing_are_named_with_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.grib").write_bytes(b"GRIB0000")
    monkeypatch.setattr(xarray.backends, "list_engines", lambda: {"netcdf4": None})
    cases = [(None, r"'cfgrib'.*found netcdf4; run `pip install \"implicit-emulators\[grib\]\"`")]
    cases += [("rasterio", r"'rasterio'.*install the package that has it, or set data\.format")]
    for engine, match in cases:
        with pytest.raises(ValueError, match=match), Xarray(engine).open(tmp_path / "a.grib"):
            pass


def test_files_that_an_engine_cannot_open_are_named(tmp_path):
    (tmp_path / "a.nc").write_bytes(b"text")
    with (
        pytest.raises(ValueError, match=r"a\.nc cannot be opened by the engine 'netcdf4'"),
        Xarray("netcdf4").open(tmp_path / "a.nc"),
    ):
        pass
    with pytest.raises(FileNotFoundError, match="no such file"), Xarray().open(tmp_path / "b.nc"):
        pass


def test_complex_numbers_are_refused(tmp_path):
    values = np.ones((3, 4), complex)
    xarray.Dataset({"u": (("time", "x"), values)}).to_zarr(tmp_path / "a.zarr")
    wrong = pytest.raises(ValueError, match="variable 'u' holds complex numbers, expected real")
    with wrong, Xarray("zarr").open(tmp_path / "a.zarr") as contents:
        contents.variables["u"].open()
