"""Files of each layout are trained on, tested and forecast from, with the values of their tools."""

from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray
import yaml
from jsonargparse import ArgumentParser
from lightning import Trainer
from lightning.pytorch import Callback

import cli
from callbacks import ForecastWriter, RolloutError
from datamodules import TrajectoryDataModule
from emulators import Baseline, DilatedResNet
from emulators.rollout import RolloutObserver
from tests.conftest import working_in
from tests.integration.layouts import LAYOUTS, era5, grib, zarr_store

SPLITS = ("train", "val", "test")
ROLLOUTS = {"initial_conditions": 2, "steps": 2, "truth_steps": 1}


@cache
def parser():
    """Return the parser of the options of `data`, which takes a second to make."""
    found = ArgumentParser(exit_on_error=False)
    found.add_class_arguments(TrajectoryDataModule, "data")
    return found


def data_of(layout, folder):
    """Return the data module of a layout, whose options are as in a YAML file."""
    options = yaml.safe_load(layout.data)
    options |= {"root": str(folder), "batch_size": 2, "test_rollouts": ROLLOUTS}
    options |= {split: {"files": layout.files} for split in SPLITS}
    options |= {"val_rollouts": ROLLOUTS, "predict_rollouts": {**ROLLOUTS, "truth_steps": 0}}
    return parser().instantiate(parser().parse_object({"data": options})).data


class Compared(Callback, RolloutObserver):
    """Comparison of the initial states, the truth and the times of rollouts with a layout."""

    def __init__(self, layout):
        self.layout, self.seen = layout, []

    def begin(self, start):
        fields = np.nan_to_num(self.layout.fields.astype("f4"))
        for row, (k, first) in enumerate(start.places):
            np.testing.assert_array_equal(start.initial[row], fields[k, first])
            np.testing.assert_allclose(start.times[row], self.layout.times[first], rtol=1e-6)
            if start.truth_steps:
                np.testing.assert_array_equal(start.truth(1)[row], fields[k, first + 1])
            self.seen.append(k)

    def observe(self, lead, forecast, truth):
        assert forecast.isfinite().all()


def trainer(folder, *callbacks, steps=2):
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    return Trainer(
        accelerator="cpu", max_steps=steps, callbacks=list(callbacks), default_root_dir=folder,
        enable_model_summary=False, num_sanity_val_steps=0, val_check_interval=steps,
        check_val_every_n_epoch=None, **off,
    )  # fmt: skip


def emulator_of(data):
    counts = {name: len(getattr(data, name)) for name in ("parameters", "static", "forcing")}
    return Baseline(
        network=partial(DilatedResNet, width=1, blocks=1, dilations=[1]),
        channels=data.channels, dimensions=data.dimensions, masked=data.masked, **counts,
    )  # fmt: skip


@pytest.mark.parametrize("make", LAYOUTS)
def test_layout_is_trained_on_tested_and_forecast_from(tmp_path, single_precision, make):
    if make is grib:
        pytest.importorskip("cfgrib")
    layout = make(tmp_path)
    data, compared = data_of(layout, tmp_path), Compared(layout)
    emulator = emulator_of(data)
    before = [weights.clone() for weights in emulator.parameters()]
    fit = trainer(tmp_path, compared, RolloutError(leads=[1]))
    fit.fit(emulator, data)
    assert fit.global_step == 2
    assert any(not torch.equal(*pair) for pair in zip(before, emulator.parameters(), strict=False))
    fit.save_checkpoint(tmp_path / "last.ckpt")

    data = data_of(layout, tmp_path)
    emulator = emulator_of(data)
    (scores,) = trainer(tmp_path, compared, RolloutError(leads=[1])).test(
        emulator, data, tmp_path / "last.ckpt", verbose=False
    )
    assert scores
    assert all(np.isfinite(value) for value in scores.values())
    trainer(tmp_path, compared, ForecastWriter(tmp_path / "out")).predict(emulator, data)
    assert len(compared.seen) == 6
    fields = layout.fields.astype("f4")
    for k, trajectory in enumerate(fields):
        found = data.trajectories("test").read(k, 0, len(trajectory))
        np.testing.assert_array_equal(found, np.nan_to_num(trajectory))
    with xarray.open_dataset(tmp_path / "out" / "forecast_0000.nc", decode_times=False) as found:
        for name, values in layout.axes.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-6, atol=1e-12)
        for channel, name in enumerate(data.describe().variables):
            field = found[name]
            assert field.shape == (2, 2, *fields.shape[3:])
            missing = np.isnan(fields[0, 0, channel])
            np.testing.assert_array_equal(np.isnan(field[0, 1]), missing)


@pytest.mark.parametrize("make", LAYOUTS)
def test_the_configuration_of_inspect_reads_the_layout(tmp_path, make):
    if make is grib:
        pytest.importorskip("cfgrib")
    folder = tmp_path / "data"
    folder.mkdir()
    layout = make(folder)
    with working_in(tmp_path):
        cli.run(["inspect", *map(str, sorted(folder.glob(layout.files)))])
    options = yaml.safe_load((tmp_path / "data.yaml").read_text())["data"]
    data = parser().instantiate(parser().parse_object({"data": options})).data
    train = data.trajectories("train")
    points, wanted = train.read(0, 0, 1).shape[2:], layout.fields.shape[3:]
    assert sorted(points) == sorted(wanted)  # MATLAB does not say which axis is x
    times = data.readers("train")[0].snapshots
    assert times == layout.fields.shape[1]
    assert len(train) in (1, len(layout.fields))


def test_a_forecast_in_zarr_is_trained_on(tmp_path, single_precision):
    layout = zarr_store(tmp_path)
    data = data_of(layout, tmp_path)
    writer = ForecastWriter(tmp_path / "out", format="zarr")
    trainer(tmp_path, writer).predict(emulator_of(data), data)
    options = layout.data + "\nperiodic: true"  # the domain of a forecast does not say
    again = data_of(layout._replace(files="forecast_0000.zarr", data=options), tmp_path / "out")
    assert again.trajectories("train").lengths == [2, 2]
    fit = trainer(tmp_path)
    fit.fit(emulator_of(again), again)
    assert fit.global_step == 2


def test_the_example_of_a_reanalysis_runs_from_the_command_line(tmp_path):
    layout, rollouts = era5(tmp_path), "{initial_conditions: 1, steps: 2}"
    with working_in(tmp_path):
        cli.run(
            [
                *("fit", "-c", "configs/data/examples/era5.yaml", "--data.root=."),
                *("--data.batch_size=2", "--trainer.max_steps=2", "--trainer.default_root_dir=run"),
                *(f"--data.{split}.files={layout.files}" for split in SPLITS),
                *(f"--data.{split}_rollouts={rollouts}" for split in ("val", "test")),
                *("--model=Baseline", "--model.network=DilatedResNet", "--model.network.width=4"),
                "--model.network.dilations=[1, 2]",
            ]
        )
        cli.run(["test", "--ckpt_path=run/last.ckpt"])
        assert Path("run/scores.json").exists()
        cli.run(["predict", "--ckpt_path=run/last.ckpt", "--steps=2"])
        (forecast,) = Path("run").glob("forecast*.nc")
        with xarray.open_dataset(forecast, decode_times=False) as found:
            assert found["q_500"].sizes["valid_time"] == 2
            assert int(found["q_500"][0, 0].isnull().sum()) == 10  # two rows of five of land
