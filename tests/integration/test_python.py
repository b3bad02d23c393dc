"""The programs of docs/python.md and of the README, run on a small data set in place of theirs."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray

import cli
from tests.integration.test_your_diagnostic import HOME

PAGES = {name: (HOME / name).read_text() for name in ("docs/python.md", "README.md")}
PROGRAMS = {
    f"{page}-{number}": code
    for page, text in PAGES.items()
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
}
SETTINGS = """
seed_everything: 0
trainer:
  {max_steps: 1, accelerator: cpu, enable_progress_bar: false, callbacks: [], limit_val_batches: 0}
model:
  class_path: Hierarchical
  init_args:
    latents: [[1, 2], [2, 4]]
    network: {class_path: UNet, init_args: {width: 4, multipliers: [1, 2]}}
data: {root: data/quickstart, batch_size: 4}
"""
FEWER = {
    "max_steps=1000": "max_steps=1",
    "network=UNet)": "network=partial(UNet, width=4))",
    "steps=1000": "steps=200",  # a multiple of every interval at which they store states
}


@pytest.fixture
def quickstart(tmp_path, monkeypatch, single_precision, capsys):
    """A folder with data and a run of the names in the quickstart."""
    monkeypatch.chdir(tmp_path)
    points = np.arange(16) * 2 * np.pi / 16
    around = {"units": "m", "topology": "circular"}
    times = np.arange(101) * np.timedelta64(50, "ms") + np.datetime64("2000-01-01", "ns")
    for split in ("train", "val", "test"):
        values = np.random.default_rng(0).standard_normal((2, 101, 16, 16)).astype("f4")
        dims, labels = ("trajectory", "time", "y", "x"), {"units": "s-1", "long_name": "vorticity"}
        coordinates = {"time": times, "y": ("y", points, around), "x": ("x", points, around)}
        folder = tmp_path / "data/quickstart" / split
        folder.mkdir(parents=True)
        xarray.Dataset({"vorticity": (dims, values, labels)}, coordinates).to_netcdf(
            folder / f"{split}_0000.nc"
        )
    Path("small.yaml").write_text(SETTINGS)
    cli.run(["fit", "-c", "small.yaml", "--trainer.default_root_dir=runs/quickstart/hierarchical"])
    capsys.readouterr()
    return tmp_path


def test_pages_show_programs_of_few_lines():
    shown = [f"docs/python.md-{number}" for number in range(3)]
    assert list(PROGRAMS) == [*shown, "README.md-0"]
    lines = {n: [x for x in code.splitlines() if x] for n, code in PROGRAMS.items()}
    assert {name: len(found) for name, found in lines.items() if len(found) > 20} == {}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_of_a_page_runs(name, quickstart, capsys):
    code = PROGRAMS[name]
    for long, short in FEWER.items():
        code = code.replace(long, short)
    names = {}
    exec(compile(f"from functools import partial\n{code}", name, "exec"), names)
    if "forecast" in names:
        assert np.isfinite(names["forecast"]["vorticity"].isel(time=0)).all()
        assert names["forecast"]["vorticity"].attrs["units"] == "s-1"
    if "scores" in names:
        assert "lead_time" in capsys.readouterr().out
    if "savefig" in code:
        assert (quickstart / "forecast.png").stat().st_size > 1000
    if "variance" in names:
        assert names["variance"].dims == ("y", "x")
    if "trainer" in names:
        assert names["trainer"].global_step == 1
        assert (quickstart / "baseline.ckpt").is_file()
