"""Forecasts in Python on a masked sphere, with parameters, static fields and forcing."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray

import cli
import emulators

TIMES, STEPS = 60, 10
SETTINGS = """
trainer:
  {max_steps: 3, accelerator: cpu, enable_progress_bar: false, limit_val_batches: 0,
   default_root_dir: runs/ocean}
data:
  root: data
  variables: [ssh, sst]
  dimensions: {space: [latitude, longitude]}
  static: [depth]
  forcing: [sun, wind]
  mask: missing
  weights: latitude
  parameters: [nu]
  batch_size: 4
  predict_rollouts: {initial_conditions: 2, steps: 10}
"""


def ocean(number):
    """Return a trajectory as files hold it: latitudes from north to south, space reversed."""
    rng = np.random.default_rng(number)
    dates = xarray.date_range("2000-02-20", None, TIMES, "6h", calendar="noleap", use_cftime=True)
    swapped, north, east = ("time", "longitude", "latitude"), "degrees_north", "degrees_east"
    land = np.zeros((16, 8), bool)
    land[3:5, 2:4] = True
    states = np.where(land, np.nan, rng.standard_normal((2, TIMES, 16, 8)))
    return xarray.Dataset(
        {
            "sst": (swapped, states[0].astype("f4"), {"units": "K"}),
            "ssh": (swapped, states[1].astype("f4"), {"units": "m"}),
            "depth": (("latitude", "longitude"), rng.standard_normal((8, 16)), {"units": "m"}),
            "sun": ("time", np.sin(np.arange(TIMES)), {"units": "W m-2"}),
            "wind": (swapped, rng.standard_normal((TIMES, 16, 8)), {"units": "m s-1"}),
            "nu": ((), 0.1 * (number + 1), {"units": "1"}),
        },
        {
            "time": dates,
            "latitude": ("latitude", np.linspace(60, -60, 8).astype("f4"), {"units": north}),
            "longitude": ("longitude", 22.5 * np.arange(16), {"units": east}),
        },
    )


@pytest.mark.parametrize(
    ("model", "options", "precision"),
    [
        ("Hierarchical", ["--model.latents=[[1,2],[2,4]]"], "64-true"),
        ("Bundled", ["--model.bundle=4"], "bf16-mixed"),
    ],
)
def test_forecast_with_all_inputs_is_that_of_predict(
    model, options, precision, tmp_path, monkeypatch, single_precision
):
    monkeypatch.chdir(tmp_path)
    for split in ("train", "val", "test"):
        Path("data", split).mkdir(parents=True)
        for number in (0, 1):
            ocean(number).to_netcdf(f"data/{split}/{number}.nc")
    Path("ocean.yaml").write_text(SETTINGS)
    network = ["--model.network=UNet", "--model.network.width=4"]
    network += ["--model.network.multipliers=[1,2]", f"--trainer.precision={precision}"]
    cli.run(["fit", "-c", "ocean.yaml", f"--model={model}", *options, *network])
    cli.run(["predict", "--ckpt_path=runs/ocean/last.ckpt"])
    emulator = emulators.load("runs/ocean")
    assert emulator.precision == precision
    saved = torch.load("runs/ocean/last.ckpt", weights_only=True)["state_dict"]
    assert emulator.standardize.mean.dtype == saved["standardize.mean"].dtype
    with xarray.open_dataset("runs/ocean/forecast_0000.nc", decode_timedelta=False) as wanted:
        for number, first in enumerate((0, TIMES - 1 - STEPS)):
            states = ocean(number)
            initial = states.isel(time=first)
            found = emulator.forecast(initial, STEPS, forcing=states)
            own = wanted.isel(trajectory=number, drop=True)
            for name in ("sst", "ssh", "nu", "time", "valid_time", "latitude", "longitude"):
                assert found[name].equals(own[name]), name
            assert int(np.isnan(found["sst"][-1]).sum()) == 4
