"""Statements of docs/your-data.md that follow from the code."""

import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import xarray
import yaml

from datamodules import Rollouts, TrajectoryDataModule

PAGE = (Path(__file__).parents[2] / "docs/your-data.md").read_text()
TRAINER = Path(__file__).parents[2] / "configs/trainer.yaml"


def test_defaults_on_the_page_are_the_defaults_of_the_options():
    block = PAGE.partition("The defaults are\n\n```yaml\n")[2].partition("```")[0]
    said = yaml.safe_load(block)["data"]
    data = TrajectoryDataModule(Path("nowhere"))
    names = {"val_rollouts": "val", "test_rollouts": "test", "predict_rollouts": "predict"}
    true = {option: asdict(data.rollouts[stage]) for option, stage in names.items()}
    assert said == {"batch_size": data.batch_size, **true}
    assert set(said["val_rollouts"]) == set(asdict(Rollouts()))
    interval = yaml.safe_load(TRAINER.read_text())["trainer"]["val_check_interval"]
    assert re.search(r"every trainer\.val_check_interval \((\d+)\)", block)[1] == str(interval)


def test_output_of_inspect_on_the_page_is_printed(tmp_path, monkeypatch, say):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0).standard_normal
    u, v = (size * draw((1000, 32, 64)).astype("f4") for size in (3, 2))
    fields = {name: (("time", "y", "x"), q, {"units": "m s-1"}) for name, q in (("u", u), ("v", v))}
    depth = (100 + 10 * draw((32, 64))).astype("f4")
    fields["depth"] = (("y", "x"), depth, {"units": "m"})
    axes = {
        "time": ("time", 6.0 * np.arange(1000), {"units": "hours since 2000-01-01"}),
        "y": ("y", 5.0 * np.arange(32), {"units": "km"}),
        "x": ("x", 5.0 * np.arange(64), {"units": "km", "modulo": 320.0}),
    }
    xarray.Dataset(fields, axes).to_netcdf("my.nc")
    status, out, _ = say("inspect", "my.nc")
    assert status == 0
    described, written = re.findall(r"```text\n(my.*?)```.*?# data.yaml\n(.*?)```", PAGE, re.S)[0]
    assert described in out
    shown = yaml.safe_load(written)["data"] | {"root": str(tmp_path)}
    assert yaml.safe_load(Path("data.yaml").read_text())["data"] == shown
    for remark in re.findall("^# .*$", Path("data.yaml").read_text(), re.M):
        assert remark in PAGE
