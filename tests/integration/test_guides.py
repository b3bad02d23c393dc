"""The tutorial and the guides run as they are shown, with fewer training steps."""

import re
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import xarray

import cli
from tests.integration.test_your_diagnostic import HOME

SHORT = ["--trainer.max_steps=4", "--trainer.val_check_interval=4", "--trainer.accelerator=cpu"]


@pytest.fixture
def page(request, tmp_path, monkeypatch):
    """The folder of a reader who saved the files that a page shows."""
    text = (HOME / "docs" / request.param).read_text()
    for name, code in re.findall(r"^```\w+\n# ([\w.]+)\n(.*?)^```", text, re.M | re.S):
        (tmp_path / name).write_text(code)
        monkeypatch.delitem(sys.modules, name.partition(".")[0], raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return text


@pytest.mark.parametrize("page", ["tutorial.md"], indirect=True)
def test_tutorial(page, say, single_precision):
    exec(compile(Path("make_data.py").read_text(), "make_data.py", "exec"), {})
    status, out, _ = say("inspect", "lorenz96.nc")
    assert status == 0
    described = re.search(r"writes `data.yaml`.*?```\n(.*?)```", page, re.DOTALL)[1]
    assert described in out
    with xarray.open_dataset("lorenz96.nc") as data:
        x = data["x"].values.astype("f8")
        # the equation, by differences of fourth order in time
        change = (8 * (x[:, 3:-1] - x[:, 1:-3]) - (x[:, 4:] - x[:, :-4])) / (12 * 0.05)
        u = x[:, 2:-2]
        right = (np.roll(u, -1, 2) - np.roll(u, 2, 2)) * np.roll(u, 1, 2) - u + 8
        assert np.abs(change - right).mean() < 0.01 * np.abs(right).mean()
    root = "--trainer.default_root_dir=runs/baseline"
    cli.run(["fit", "-c", "lorenz96.yaml", root, "--data.val_rollouts.steps=4", *SHORT])
    words = ["--data.test_rollouts.initial_conditions=2", "--data.test_rollouts.steps=4"]
    words += ["--data.test_rollouts.truth_steps=2"]
    model = cli.run(["test", "--ckpt_path", "runs/baseline/last.ckpt", *words]).model
    assert type(model).__name__ == "Baseline"
    with xarray.open_dataset("runs/baseline/scores.nc") as scores:
        shown = re.findall(r"^\| [^|]+ \| `(\w+)", page, re.M)
        assert {"valid_prediction_time", "stability_rate"} < set(shown)
        assert "valid_prediction_time" in scores


@pytest.mark.parametrize("page", ["your-equation.md"], indirect=True)
def test_equation_of_ones_own(page, say, single_precision, capsys):
    exec(compile(Path("check.py").read_text(), "check.py", "exec"), {})
    exec(compile(Path("order.py").read_text(), "order.py", "exec"), {})
    ratios = [float(ratio) for ratio in capsys.readouterr().out.split(", ")]
    assert ratios == pytest.approx([16, 16], rel=0.06)
    few = [f"--data.generator.splits.{split}.trajectories=1" for split in ("train", "val", "test")]
    assert say("generate", "-c", "burgers.yaml", *few)[0] == 0
    with xarray.open_dataset("data/burgers_waves/train/train_0000.nc") as data:
        u = torch.from_numpy(data["u"].values[0]).double()
    energy = u.square().mean(1)
    k = torch.fft.rfftfreq(64, 1 / 64, dtype=torch.float64)
    slope = torch.fft.irfft(1j * k * torch.fft.rfft(u), n=64).square().mean(1)
    # d⟨u²⟩/dt = -2 ν ⟨u_x²⟩: advection changes no energy
    change, lost = energy[2:] - energy[:-2], -2 * 0.05 * slope[1:-1] * 2 * 0.05
    torch.testing.assert_close(change, lost, rtol=0.02, atol=2e-4)


NETWORK = ["--model=Baseline", "--model.network=DilatedResNet", "--model.network.dilations=[1]"]
FEW = ["--data.val_rollouts.initial_conditions=1", "--data.val_rollouts.steps=1"]


def write_turbulent_layer(path, cooling):
    """Write a file with the fields, axes and scalar of The Well's turbulent radiative layer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = ["x", "y"]
        for name, size in (("time", 5), ("x", 8), ("y", 12)):
            dimensions[name] = np.arange(size) / 2
        for axis, kind in (("x", "PERIODIC"), ("y", "OPEN")):
            edge = file.create_group(f"boundary_conditions/{axis}")
            edge.attrs.update({"bc_type": kind, "associated_dims": [axis]})
        values = np.random.default_rng(0).standard_normal((2, 5, 8, 12, 4), dtype="f4")
        file["t0_fields/density"], file["t0_fields/pressure"] = values[..., 0], values[..., 1]
        file["t1_fields/velocity"] = values[..., 2:]
        file["scalars/tcool"] = cooling


@pytest.mark.parametrize("page", ["formats.md"], indirect=True)
def test_configuration_of_the_well(page, single_precision):
    for split in ("train", "valid", "test"):
        for cooling in (0.03, 0.1):
            name = f"{split}/turbulent_radiative_layer_tcool_{cooling:.2f}.hdf5"
            folder = Path("datasets/turbulent_radiative_layer_2D/data")
            write_turbulent_layer(folder / name, cooling)
    data = cli.run(["fit", "-c", "the_well.yaml", *NETWORK, *FEW, *SHORT]).datamodule.describe()
    assert data.variables == ["density", "pressure", "velocity_x", "velocity_y"]
    assert data.dimension_names.space == ("y", "x")
    assert list(data.periodic) == [False, True]


@pytest.mark.parametrize("page", ["formats.md"], indirect=True)
def test_configuration_of_pdebench(page, single_precision):
    (name,) = set(re.findall(r"files: (2D_CFD\w[\w.]*hdf5)", page))
    Path("data").mkdir()
    with h5py.File(f"data/{name}", "w") as file:
        shape = (10_000, 2, 4, 6)
        for number, field in enumerate(("Vx", "Vy", "density", "pressure")):
            file[field] = np.random.default_rng(number).standard_normal(shape, dtype="f4")
        for axis, size in (("t", 3), ("x", 4), ("y", 6)):
            file[f"{axis}-coordinate"] = np.arange(size) / size
    data = cli.run(["fit", "-c", "pdebench.yaml", *NETWORK, *FEW, *SHORT]).datamodule.describe()
    assert data.variables == ["density", "pressure", "Vx", "Vy"]
    assert list(data.periodic) == [True, True]
