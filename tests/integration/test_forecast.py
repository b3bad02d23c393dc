"""Forecasts and scores in Python equal the results of the command line."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray

import cli
import emulators
from callbacks import (
    EnergyStability,
    RankHistogram,
    RolloutError,
    Spectrum,
    ZonalMean,
    evaluate,
)
from datamodules import Dimensions, Rollouts, TrajectoryDataModule

RUN = "runs/smoke"
CHECKPOINT = f"{RUN}/last.ckpt"
FORECAST = f"{RUN}/forecast_0000.nc"


def stored(path=FORECAST, **options):
    with xarray.open_dataset(path, decode_timedelta=False, **options) as file:
        return file.load()


def starts():
    """Return the initial conditions of `predict`: the first, and the last with a truth."""
    states = stored("data/test/test_0000.nc")
    chosen = [states.isel(trajectory=k, time=time) for k, time in ((0, 0), (1, 31))]
    return xarray.concat(chosen, "trajectory", coords="different", compat="equals")


def same(found, wanted):
    """Return whether two datasets have the same values, coordinates, units and names."""
    assert {n: found[n].dims for n in found} == {n: wanted[n].dims for n in wanted}
    for name in ("u", "time", "valid_time"):
        assert found[name].attrs == wanted[name].attrs
    return found.drop_attrs().identical(wanted.drop_attrs())


def test_forecast_is_that_of_predict_to_the_last_bit(workplace):
    cli.run(["predict", f"--ckpt_path={CHECKPOINT}"])
    emulator = emulators.load(RUN)
    found = emulator.forecast(starts(), steps=8, every=2)
    assert found["u"].dims == ("trajectory", "time", "x")
    assert same(found, stored())
    assert found["valid_time"].values[1, 0] == np.datetime64("2000-01-01T00:00:16.5")
    about = json.loads(found.attrs["provenance"])
    assert (about["emulator"], about["steps"], about["members"]) == ("Hierarchical", 6, 1)
    assert len(about["initial_hash"]) == 64
    whole = xarray.open_dataset("data/test/test_0000.nc")
    about = json.loads(emulator.forecast(whole.isel(time=0), 1).attrs["provenance"])
    assert about["initial"].endswith("data/test/test_0000.nc")
    whole.close()

    whole = emulator.forecast(starts(), steps=8)  # further from where another one ends
    later = emulator.forecast(starts(), steps=4, every=4).isel(time=0)
    assert np.isfinite(emulator.forecast(later, 4)["u"]).all()
    assert (emulator.forecast(later, 4)["valid_time"] == whole["valid_time"][:, 4:].values).all()
    one = emulator.forecast(starts().isel(trajectory=1), steps=8)
    assert one["u"].dims == ("time", "x")
    assert one["u"].equals(whole["u"].isel(trajectory=1, drop=True))


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_forecast_that_is_written_is_read_lazily(workplace, suffix):
    emulator = emulators.load(RUN)
    found = emulator.forecast(starts(), steps=8, path=f"far{suffix}")
    assert not found["u"]._in_memory
    assert found.drop_attrs().identical(emulator.forecast(starts(), 8).drop_attrs())
    assert {path.name for path in Path().glob("far*")} == {f"far{suffix}"}


def test_forecast_has_the_precision_of_the_run(workplace):
    words = ["fit", f"--ckpt_path={CHECKPOINT}", "--trainer.precision=bf16-mixed"]
    cli.run([*words, "--trainer.max_steps=8"])
    cli.run(["predict", f"--ckpt_path={CHECKPOINT}"])
    emulator = emulators.load(RUN)
    assert emulator.precision == "bf16-mixed"
    assert same(emulator.forecast(starts(), 8, every=2), stored())


def test_members_are_those_of_predict(workplace):
    options = ["--model.noise_fields=[2]", "--model.objective=CRPS", "--trainer.max_steps=3"]
    root = "runs/random"
    cli.run(["fit", "-c", f"{RUN}/config.yaml", *options, f"--trainer.default_root_dir={root}"])
    members = "--data.predict_rollouts.members=3"
    cli.run(["predict", f"--ckpt_path={root}/last.ckpt", members])
    emulator = emulators.load(Path(root))
    found = emulator.forecast(starts(), 8, members=3, every=2)
    assert found["u"].dims == ("trajectory", "member", "time", "x")
    assert same(found, stored(f"{root}/forecast_0000.nc"))
    other = emulator.forecast(starts(), 8, members=3, every=2, seed=1)
    assert not found["u"].equals(other["u"])


def test_scores_are_those_of_a_test(workplace):
    cli.run(["test", f"--ckpt_path={CHECKPOINT}", "--trainer.callbacks+=Spectrum"])
    emulator = emulators.load(CHECKPOINT)
    rollouts = Rollouts(initial_conditions=5, steps=20, truth_steps=8, batch_size=3)
    line = Dimensions(space=("x",))
    data = TrajectoryDataModule(Path("data"), ["u"], line, test_rollouts=rollouts)
    diagnostics = [RolloutError(leads=[1, 5]), EnergyStability(), Spectrum()]
    found, wanted = evaluate(emulator, data, diagnostics), stored(f"{RUN}/scores.nc")
    xarray.testing.assert_equal(found, wanted)
    assert found["mse"].attrs == wanted["mse"].attrs
    assert json.loads(found.attrs["provenance"])["data_hash"]
    assert not emulator.training
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the whole message is compared
        evaluate(emulator, data, [RankHistogram(), ZonalMean()])
    reasons = (
        "RankHistogram (there is no ensemble: data.test_rollouts.members is 1)",
        "ZonalMean (a zonal mean needs two dimensions)",
    )
    assert str(error.value) == (
        f"No scores are defined for these data; left out: {', '.join(reasons)}; change that, or "
        "give other diagnostics, such as RolloutError."
    )


def test_own_class_is_loaded_if_it_can_be_imported(workplace, monkeypatch):
    folder = workplace / "own"
    folder.mkdir()
    code = "from emulators import Baseline\n\n\nclass Mine(Baseline):\n    '''My own.'''\n"
    (folder / "mine_for_load.py").write_text(code)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(folder)
        settings = ["--model=mine_for_load.Mine", "--trainer.default_root_dir=runs/own"]
        network = ["--model.network=UNet", "--model.network.width=4"]
        network += ["--model.network.multipliers=[1,2]"]
        cli.run(["fit", *settings, *network, *data_options()])
        assert type(emulators.load("runs/own")).__name__ == "Mine"
    monkeypatch.delitem(sys.modules, "mine_for_load")
    with pytest.raises(ValueError, match=r"mine_for_load\.Mine.* sys\.path"):
        emulators.load("runs/own")


def data_options():
    return [
        "--data.root=data", "--data.variables=[u]", "--data.dimensions.space=[x]",
        "--data.batch_size=4", "--trainer.max_steps=1", "--trainer.accelerator=cpu",
        "--trainer.limit_val_batches=0", "--trainer.callbacks=[]",
    ]  # fmt: skip


def test_what_is_no_run_is_refused_in_one_sentence(workplace):
    with pytest.raises(FileNotFoundError, match=r"^runs/nothing: no such run; .*\.$"):
        emulators.load("runs/nothing")
    with pytest.raises(FileNotFoundError, match=r"^runs has no last.ckpt, .*\.$"):
        emulators.load("runs")
    with pytest.raises(ValueError, match=r"config\.yaml is not a readable checkpoint"):
        emulators.load(f"{RUN}/config.yaml")
    checkpoint = torch.load(CHECKPOINT, weights_only=True)
    checkpoint["hyper_parameters"].pop("_class_path")
    torch.save(checkpoint, "made.ckpt")
    with pytest.raises(ValueError, match=r"made\.ckpt does not name the class"):
        emulators.load("made.ckpt")
