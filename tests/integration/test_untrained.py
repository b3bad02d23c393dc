"""References without weights: the solver has no error, persistence changes nothing."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray

import cli
from datamodules.description import DataDescription
from datamodules.files.space_axis import SpaceAxis
from datamodules.solvers import Grid, KuramotoSivashinsky, SpectralSolver, Variable
from emulators import Simulation
from tests.conftest import SMOKE, says
from tests.datamodules.files import write_file

MODEL = """
model: {class_path: Simulation}
trainer: {default_root_dir: runs/truth}
"""


@pytest.fixture
def config(workplace):
    smoke = SMOKE.read_text()
    start, end = smoke.index("model:"), smoke.index("data:")
    # four short trajectories know their own mean only: others are farther from it
    wide = "{class_path: EnergyStability, init_args: {width: 50}}"
    text = (smoke[:start] + smoke[end:]).replace("class_path: EnergyStability", wide)
    (workplace / "truth.yaml").write_text(text)
    (workplace / "model.yaml").write_text(MODEL)
    return ["-c", "truth.yaml", "-c", "model.yaml"]


def test_scores_of_the_solver_are_the_truth(config):
    tested = cli.run(["test", *config])
    scores = tested.trainer.callback_metrics
    assert scores["test/mse/lead_1"] < 1e-10
    assert scores["test/mse/lead_5"] < 1e-9
    assert scores["test/stability_rate"] == 1


@pytest.mark.parametrize("kind", ["Simulation", "Persistence"])
def test_training_without_weights_is_refused(config, say, kind):
    status, _, err = say("fit", *config, f"--model={kind}")
    assert status == 1
    assert says(err, kind, "`emulate test`")


@pytest.mark.parametrize("stage", ["validate", "test", "predict"])
def test_weights_that_no_training_has_set_are_refused(config, say, workplace, stage):
    status, _, err = say(stage, *config, "--model=Baseline")
    assert status == 1
    assert says(err, "needs a trained emulator, and Baseline has weights", "give --ckpt_path")
    assert not (workplace / "runs" / "truth").exists()


def test_error_of_persistence_is_the_change_of_the_truth(config, workplace):
    cli.run(["test", *config, "--model=Persistence"])
    scores = xarray.load_dataset("runs/truth/scores.nc")
    states = {}
    for split in ("train", "test"):
        (path,) = (workplace / "data" / split).glob("*.nc")
        states[split] = xarray.load_dataset(path)["u"].values
    variance = states["train"].astype(float).var()
    starts = zip(scores.initial_trajectory.values, scores.initial_snapshot.values, strict=True)
    for row, (trajectory, first) in enumerate(starts):
        truth = states["test"][trajectory, first : first + 9].astype(float)
        expected = ((truth[1:] - truth[0]) ** 2).mean(-1) / variance
        np.testing.assert_allclose(scores.mse.values[row], expected, rtol=1e-5)


def test_persistence_runs_on_data_with_forcing(config, workplace):
    for split, length in {"train": 30, "val": 25, "test": 25}.items():
        path = workplace / "other" / split / "a.nc"
        write_file(path, (length, 6, 10), ("u", "v", "light"), ("time", "y", "x"))
    words = ["--data.root=other", "--data.generator=null", "--data.variables=[u, v]"]
    words += ["--data.dimensions={space: [y, x]}", "--data.forcing=[light]", "--model=Persistence"]
    tested = cli.run(["test", "-c", "truth.yaml", *words])
    assert tested.trainer.callback_metrics["test/mse/lead_1"] > 0


def simulation_of(data) -> Simulation:
    emulator = Simulation(dimensions=1)
    emulator._trainer = SimpleNamespace(datamodule=data, precision="32-true")
    emulator.setup("test")
    return emulator


def data_on(grid: Grid, solver: SpectralSolver | None) -> SimpleNamespace:
    ones = dict.fromkeys(("mean", "std", "increment_std"), torch.ones(1))
    one = SimpleNamespace(solver=solver, operating_points_differ=False)
    generator = one if solver else None
    line = grid or Grid((32,), (22.0,))
    description = DataDescription.on_grid([Variable("u", "u", "1")], line, 0.5)
    if grid is None:
        description = replace(description, axes=(SpaceAxis("x", 32, None, {}),))
    return SimpleNamespace(
        describe=lambda: description, generator=generator, statistics=SimpleNamespace(**ones)
    )


def test_the_solver_of_truncated_data_is_told_no_more_than_they_hold():
    fine, coarse = Grid((32,), (22.0,)), Grid((16,), (22.0,))
    solver = SpectralSolver(KuramotoSivashinsky(fine), dt=0.25, interval=0.5)
    emulator = simulation_of(data_on(coarse, solver))
    state = torch.randn(2, 1, 16)
    new, memory = emulator.step(state)
    spectrum = np.fft.rfft(state.numpy())[..., :8]  # without the mode whose sign is ambiguous
    padded = torch.from_numpy(np.fft.irfft(spectrum, 32) * 2).float()
    after = np.fft.rfft(solver.float().step(padded).numpy())[..., :8]
    np.testing.assert_allclose(new.numpy(), np.fft.irfft(after, 16) / 2, atol=1e-5)
    assert memory is None


def test_data_without_their_solver_or_of_another_domain_are_refused():
    grid = Grid((16,), (22.0,))
    other = SpectralSolver(KuramotoSivashinsky(Grid((16,), (20.0,))), dt=0.25, interval=0.5)
    with pytest.raises(ValueError, match=r"domain \(22.0,\), found lengths \(20.0,\)"):
        simulation_of(data_on(grid, other))
    with pytest.raises(ValueError, match=r"domain \(22.0,\), found none; give data.generator"):
        simulation_of(data_on(grid, None))
    with pytest.raises(ValueError, match="which have no uniform grid"):
        simulation_of(data_on(None, other))


def test_data_of_several_operating_points_are_refused():
    grid = Grid((16,), (22.0,))
    solver = SpectralSolver(KuramotoSivashinsky(grid), dt=0.25, interval=0.5)
    data = data_on(grid, solver)
    data.generator.operating_points_differ = True
    with pytest.raises(ValueError, match=r"one solver, .* have operating points of their own"):
        simulation_of(data)
