"""Every command in every precision."""

import numpy as np
import pytest
import torch
import xarray

import cli
from tests.conftest import DIAGNOSTICS, SMOKE
from tests.datamodules.files import write_file

TEST = ["test", "--ckpt_path", "runs/smoke/last.ckpt"]


@pytest.mark.parametrize(
    ("precision", "dtype", "tolerance"),
    [("bf16-mixed", torch.float32, 0.05), ("64-true", torch.float64, 1e-4)],
)
def test_every_stage(tested, workplace, precision, dtype, tolerance):
    words = [f"--trainer.precision={precision}", "--trainer.default_root_dir=runs/other"]
    cli.run([*TEST, *words, "-c", str(DIAGNOSTICS)])
    one, other = (
        xarray.open_dataset(folder / "scores.nc", decode_times=False)["mse_mean"]
        for folder in (tested / "runs/smoke", workplace / "runs/other")
    )
    np.testing.assert_allclose(other, one, rtol=tolerance)
    cli.run(["fit", "-c", str(SMOKE), *words, "--trainer.max_steps=3"])
    saved = torch.load("runs/other/last.ckpt", weights_only=True)["state_dict"]
    kinds = {value.dtype for value in saved.values() if value.is_floating_point()}
    assert kinds == {dtype}
    cli.run(["predict", "--ckpt_path=runs/other/last.ckpt", *words])
    forecast = xarray.open_dataset("runs/other/forecast_0000.nc", decode_times=False)["u"]
    assert forecast.dtype == np.float32
    assert np.isfinite(forecast).all()


def test_odd_grid_in_mixed_precision(workplace):
    for split in ("train", "val", "test"):
        path = workplace / "odd" / split / "a.nc"
        write_file(path, (2, 40, 15), ("u",), ("trajectory", "time", "x"), lengths=(22.0,))
    words = ["--data.root=odd", "--data.generator=null", "--trainer.precision=bf16-mixed"]
    words += ["--model=Baseline", "--model.network=FNO", "--model.network.modes=4"]
    cli.run(["fit", "-c", str(SMOKE), *words, "--trainer.default_root_dir=runs/odd"])
    tested = cli.run(["test", "--ckpt_path=runs/odd/last.ckpt"])
    assert torch.isfinite(tested.trainer.callback_metrics["test/mse/lead_1"])


@pytest.mark.parametrize("words", [TEST, ["test", "-c", str(SMOKE), "--model=Simulation"]])
def test_half_precision_throughout_is_refused(workplace, say, words):
    status, _, err = say(*words, "--trainer.precision=bf16-true")
    assert status == 1
    assert "emulate: error: trainer.precision is bf16-true, which would round" in err
