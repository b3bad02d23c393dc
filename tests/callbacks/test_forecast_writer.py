import json
from dataclasses import replace

import netCDF4
import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer

from callbacks import ForecastWriter
from datamodules.files.space_axis import SpaceAxis
from emulators.rollout import run_rollout
from tests.callbacks.conftest import Data, Exact, RolloutBatch, Scripted


def writer(folder, plane, every=1, names=("vorticity",)):
    forecast = ForecastWriter(folder, every)
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
