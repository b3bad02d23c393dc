import json
import os
import sys
from dataclasses import replace
from types import SimpleNamespace

import netCDF4
import numpy as np
import pytest
import torch
import xarray
import zarr
from lightning import LightningModule, Trainer

from callbacks import ForecastWriter
from datamodules.files import growing_zarr
from datamodules.files.space_axis import SpaceAxis
from emulators.rollout import run_rollout
from tests.callbacks.conftest import Data, Exact, RolloutBatch, Scripted


def writer(folder, plane, every=1, names=("vorticity",), format="netcdf"):
    forecast = ForecastWriter(folder, every, format)
    latitude = SpaceAxis("lat", 8, np.linspace(10, 17, 8), {"units": "degrees_north"})
    forecast.data = replace(
        Data(plane, torch.zeros(1, 1, 8, 8), names).describe(),
        axes=(latitude, SpaceAxis("lon", 8, None, {})),
        time_unit="h",
        time_attributes={"units": "hours since 1990-01-01", "calendar": "noleap"},
        trajectory_dimension="member",
        time_dimension="t",
    )
    forecast.about = {"emulator": "Exact"}
    forecast.target = folder
    return forecast


def test_file_is_named_after_the_first_initial_condition(tmp_path, plane, capsys):
    initial = torch.randn(2, 1, 8, 8)
    start = RolloutBatch(initial, torch.tensor([4, 5]), 6, 0)
    start.times = [100.0, 200.0]
    run_rollout(Exact(2.0), start, [writer(tmp_path, plane, 3)])
    assert [path.name for path in tmp_path.iterdir()] == ["forecast_0004.nc"]
    assert "wrote" in capsys.readouterr().out
    with netCDF4.Dataset(tmp_path / "forecast_0004.nc") as file:
        np.testing.assert_allclose(file["t"][:], [1.5, 3.0])
        assert (file["t"].standard_name, file["t"].units) == ("forecast_period", "h")
        np.testing.assert_allclose(file["valid_time"][:], [[101.5, 103.0], [201.5, 203.0]])
        assert file["valid_time"].units == "hours since 1990-01-01"
        assert file["valid_time"].calendar == "noleap"
        assert file["member"][:].tolist() == [4, 5]
        assert file["vorticity"].dimensions == ("member", "t", "lat", "lon")
        np.testing.assert_allclose(file["lat"][:], np.arange(10, 18))
        assert file["lat"].units == "degrees_north"
        assert json.loads(file.provenance) == {"emulator": "Exact"}
        np.testing.assert_allclose(file["vorticity"][:, 1], 64 * initial[:, 0], rtol=1e-6)
        assert file["vorticity"].long_name == "long vorticity"


def test_a_dimension_called_valid_time_keeps_its_name(tmp_path, plane):
    forecast = writer(tmp_path, plane)
    forecast.data = replace(forecast.data, time_dimension="valid_time")
    start = RolloutBatch(torch.randn(2, 1, 8, 8), torch.tensor([0, 1]), 2, 0)
    start.times = [100.0, 200.0]
    run_rollout(Exact(2.0), start, [forecast])
    with netCDF4.Dataset(tmp_path / "forecast_0000.nc") as file:
        np.testing.assert_allclose(file["valid_time"][:], [0.5, 1.0])
        assert file["vorticity"].coordinates == "verification_time"
        np.testing.assert_allclose(file["verification_time"][1], [200.5, 201.0])


def test_masked_points_have_no_value_if_they_have_none_in_the_data(tmp_path, plane):
    forecast = writer(tmp_path, plane)
    mask = torch.ones(1, 8, 8, dtype=torch.bool)
    mask[0, 2, 5:] = False
    start = RolloutBatch(torch.randn(2, 1, 8, 8), torch.tensor([0, 1]), 2, 0)
    some = torch.zeros_like(mask)
    some[0, 2, 6] = True  # the other masked points have a value
    for missing in (None, ~mask, some):
        forecast.data = replace(forecast.data, mask=mask, missing=missing)
        run_rollout(Exact(2.0), start, [forecast])
        with netCDF4.Dataset(tmp_path / "forecast_0000.nc") as file:
            found = np.isnan(np.ma.filled(file["vorticity"][:], np.nan))
        wanted = torch.zeros_like(mask) if missing is None else missing
        np.testing.assert_array_equal(found, np.broadcast_to(wanted, (2, 2, 8, 8)))


def test_every_variable_has_its_own_field(tmp_path, plane):
    forecast = writer(tmp_path, plane, names=("vorticity", "depth"))
    initial = torch.randn(2, 2, 8, 8)
    run_rollout(Exact(2.0), RolloutBatch(initial, torch.tensor([0, 1]), 1, 0), [forecast])
    with netCDF4.Dataset(tmp_path / "forecast_0000.nc") as file:
        for channel, name in enumerate(("vorticity", "depth")):
            np.testing.assert_allclose(file[name][:, 0], 2 * initial[:, channel], rtol=1e-6)


class Failing(Scripted):
    def at(self, lead, first):
        if lead > 150:
            raise RuntimeError("out of memory")
        return first


def test_interrupted_forecast_keeps_what_it_had(tmp_path, plane):
    forecast = writer(tmp_path, plane)
    start = RolloutBatch(torch.randn(1, 1, 8, 8), torch.tensor([0]), 200, 0)
    with pytest.raises(RuntimeError) as error:
        run_rollout(Failing(), start, [forecast])
    trainer = Trainer(logger=False, enable_checkpointing=False)
    forecast.on_exception(trainer, LightningModule(), error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["forecast_0000.partial.nc"]
    with netCDF4.Dataset(tmp_path / "forecast_0000.partial.nc") as file:
        assert file["vorticity"].shape == (1, 150, 8, 8)


def test_spacing_must_be_positive():
    with pytest.raises(ValueError, match="every must be at least 1, got 0"):
        ForecastWriter(every=0)


def test_rollouts_too_short_for_a_stored_state_are_refused(tmp_path, plane):
    start = RolloutBatch(torch.randn(1, 1, 8, 8), torch.arange(1), 6, 0)
    with pytest.raises(ValueError, match=r"ForecastWriter.every is 7, .* 6 steps"):
        run_rollout(Exact(), start, [writer(tmp_path, plane, 7)])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of 4 snapshots."""
    monkeypatch.setattr(growing_zarr, "CHUNK", 4 * 8 * 8 * 4)


class InPlace(Scripted):
    """Emulator that overwrites its states, as a CUDA graph does."""

    def at(self, lead, first):
        self.state = getattr(self, "state", torch.empty_like(first))
        return self.state.copy_(first * (1 + lead / 10))


def test_a_zarr_store_holds_what_the_netcdf_file_does(tmp_path, plane, small_chunks, capsys):
    initial = torch.randn(3, 2, 8, 8)
    for format in ("netcdf", "zarr", "zarr"):  # an earlier store is replaced
        start = RolloutBatch(initial, torch.tensor([4, 5, 7]), 23, 0)
        start.times = [100.0, 200.0, 350.0]
        start.parameters = torch.tensor([[0.5], [0.25], [2.0]])
        forecast = writer(tmp_path, plane, 2, ("vorticity", "depth"), format)
        forecast.data = replace(forecast.data, parameters=("nu",))
        run_rollout(InPlace(), start, [forecast])
    store = tmp_path / "forecast_0004.zarr"
    assert sorted(tmp_path.iterdir()) == [tmp_path / "forecast_0004.nc", store]
    assert f"wrote {store}" in capsys.readouterr().out
    with (
        xarray.open_dataset(tmp_path / "forecast_0004.nc") as file,
        xarray.open_zarr(store, consolidated=True) as found,
    ):
        assert found["depth"].shape == (3, 11, 8, 8)
        assert {name: file[name].dtype for name in file.variables} == {
            name: found[name].dtype for name in found.variables
        }
        xarray.testing.assert_identical(found, file)
    assert zarr.open_group(store)["depth"].chunks == (1, 4, 8, 8)


def test_an_interrupted_store_keeps_what_it_had(tmp_path, plane, small_chunks):
    forecast = writer(tmp_path, plane, format="zarr")
    start = RolloutBatch(torch.randn(1, 1, 8, 8), torch.tensor([0]), 200, 0)
    with pytest.raises(RuntimeError) as error:
        run_rollout(Failing(), start, [forecast])
    assert [path.name for path in tmp_path.iterdir()] == ["forecast_0000.partial.zarr"]
    killed = xarray.open_zarr(tmp_path / "forecast_0000.partial.zarr", consolidated=False)
    assert int(np.isfinite(killed["t"]).sum()) == 148  # whole chunks
    assert np.isfinite(killed["vorticity"][0, :148]).all()
    assert np.isnan(killed["vorticity"][0, 148:]).all()
    trainer = Trainer(logger=False, enable_checkpointing=False)
    forecast.on_exception(trainer, LightningModule(), error.value)
    closed = xarray.open_zarr(tmp_path / "forecast_0000.partial.zarr", consolidated=False)
    assert closed["vorticity"].shape == (1, 150, 8, 8)
    assert np.isfinite(closed["vorticity"]).all()
    np.testing.assert_allclose(closed["t"], 0.5 * np.arange(1, 151))


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    trainer = Trainer(logger=False, enable_checkpointing=False)
    with pytest.raises(ValueError, match=r"zarr, .*run `pip install \"implicit-emulators\[zarr\]"):
        ForecastWriter(tmp_path, format="zarr").on_predict_start(trainer, LightningModule())


def test_forecasts_of_an_earlier_call_are_named(tmp_path, plane, capsys):
    forecast, trainer = writer(tmp_path, plane), SimpleNamespace(is_global_zero=True)
    for number in range(3):
        (tmp_path / f"forecast_000{number}.nc").touch()
        os.utime(tmp_path / f"forecast_000{number}.nc", (1e9, 1e9 + 100 * (number == 1)))
    forecast.began = 1e9 + 50
    forecast.on_predict_end(trainer, None)
    said = capsys.readouterr().out
    assert "also has 2 forecasts of an earlier call (forecast_0000.nc and others)" in said
    forecast.began = 1e9
    forecast.on_predict_end(trainer, None)
    assert not capsys.readouterr().out
