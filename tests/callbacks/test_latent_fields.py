import math
import types

import numpy as np
import pytest
import torch

from callbacks import LatentFields, RelativeError
from callbacks.metrics.relative_error import relative_l1
from datamodules.solvers import Grid
from datamodules.solvers.finite_volume import Diffusion, ExplicitEuler, FiniteVolumeSolver, Waves
from emulators import ImPiNDiff
from emulators.rollout import run_rollout
from tests.callbacks.conftest import Data, Exact, RolloutBatch
from tests.datamodules.solvers.finite_volume.cells import balance
from tests.emulators.test_im_pindiff import Free

GRID = Grid((4, 6), (1.0, 2.0))
TRUTH = Waves(3, 2, seed=0, speed=1.0)


def physics():
    return balance(GRID, d=Diffusion("D"))


def watching(callback, data, emulator):
    callback.attach(data, emulator)
    return callback


def two():
    """Data of two channels."""
    return Data(Grid((4,), (1.0,)), torch.rand(5, 2, 4), ("a", "b"))


def data(solver=True):
    made = Data(GRID, torch.rand(5, 1, 4, 6), ("phi",))
    if solver:
        truth = FiniteVolumeSolver(physics(), {"D": TRUTH}, 0.1, 0.5)
        made.generator = types.SimpleNamespace(solver=truth)
    return made


def emulator(rate=0.0):
    learned = {"D": Free(rate, D=torch.full(GRID.shape, 0.5))}
    return ImPiNDiff(physics(), learned, stepper=ExplicitEuler(), interval=0.5, dt=0.1).eval()


def test_relative_l1_by_hand():
    truth = torch.tensor([[1.0, -3.0], [2.0, 2.0]])
    found = relative_l1(truth + torch.tensor([[1.0, 1.0], [0.0, -1.0]]), truth)
    assert found.tolist() == [2 / 4, 1 / 4]


def test_learned_and_true_fields_and_their_distance():
    callback = watching(LatentFields([0.0, 0.3]), data(), emulator(rate=2.0))
    assert callback.observes("test")
    scores = callback.scores()
    learned, truth = scores["latent_D"].values, scores["latent_D_truth"].values
    assert learned[1] == pytest.approx(0.5 * 1.6)
    assert truth[1] == pytest.approx(TRUTH.field(physics().domain, 0.3).numpy())
    error = abs(learned[1] - truth[1]).sum() / abs(truth[1]).sum()
    assert scores["latent_D_error"].values[1] == pytest.approx(error)
    assert callback.summary(scores)["latent/D"] == scores["latent_D_error"].values.mean()
    assert len(callback.figures(scores)["latent_fields"].axes) >= 6


def test_without_a_truth_the_learned_field_is_drawn_alone():
    callback = watching(LatentFields(), data(solver=False), emulator())
    scores = callback.scores()
    assert "latent_D_truth" not in scores
    assert callback.summary(scores) == {}
    assert callback.figures(scores)


def test_cells_that_are_masked_are_not_compared_and_not_drawn():
    made = data()
    there = torch.arange(24).reshape(1, 4, 6) % 5 > 0
    made.change(mask=there)
    callback = watching(LatentFields([0.0, 0.3]), made, emulator(rate=2.0))
    scores = callback.scores()
    learned, truth = scores["latent_D"].values[:, there[0]], scores["latent_D_truth"].values
    assert np.isnan(scores["latent_D"].values[:, ~there[0]]).all()
    true = truth[:, there[0]]
    assert scores["latent_D_error"].values == pytest.approx(
        abs(learned - true).sum(1) / abs(true).sum(1)
    )
    images = [one for axes in callback.figures(scores)["latent_fields"].axes for one in axes.images]
    assert len(images) == 6  # truth, learned and difference at two times
    for image in images:
        assert (image.to_rgba(image.get_array())[~there[0].numpy()][:, :3] == 0.8).all()
        assert np.isfinite(image.get_clim()).all()


def test_other_emulators_are_passed_over():
    assert not watching(LatentFields(), data(), Exact()).observes("test")


def test_times_must_be_numbers():
    with pytest.raises(ValueError, match=r"at least one finite time, got \[\]"):
        LatentFields([])
    with pytest.raises(ValueError, match="finite time"):
        LatentFields([math.nan])


def test_relative_error_of_a_growing_truth():
    # forecast u, truth 2^n u: the error is (2^n - 1)/2^n
    callback = watching(RelativeError([1, 2, 9]), data(), Exact())
    callback.start(torch.device("cpu"))
    start = RolloutBatch(torch.rand(2, 1, 4, 6), torch.arange(2), 3, 2, growth=2.0)
    run_rollout(Exact(), start, [callback])
    scores = callback.scores()
    assert scores["relative_error"].values[1] == pytest.approx([0.5, 0.75])
    assert callback.summary(scores) == pytest.approx(
        {"relative_error/lead_1": 0.5, "relative_error/lead_2": 0.75}
    )
    assert "lead times 9" in callback.remarks(scores)[0]
    assert callback.figures(scores)


def test_relative_error_of_chosen_variables_as_a_share_of_the_start():
    # truth 2^n u: the error 2^n - 1 of each channel, over that of the start
    callback = RelativeError([2], ["b"], "start")
    callback.attach(two(), Exact(channels=2))
    callback.start(torch.device("cpu"))
    initial = torch.rand(2, 2, 4)
    run_rollout(
        Exact(channels=2), RolloutBatch(initial, torch.arange(2), 3, 2, growth=2.0), [callback]
    )
    scores = callback.scores()
    for name in ("relative_error", "relative_error_a"):
        assert scores[name].values[1] == pytest.approx([1.0, 3.0])
    assert set(callback.summary(scores)) == {
        "relative_error/lead_2",
        "relative_error/a/lead_2",
        "relative_error/b/lead_2",
    }


def test_mean_is_over_the_chosen_variables():
    truth = torch.tensor([[[2.0, 2.0], [4.0, 4.0]]])

    class Zero(Exact):
        def step(self, state, memory=None):
            return torch.tensor([0.5, 1.0]).view(2, 1) * state, None

    for variables, expected in ((None, 0.25), (["a"], 0.5), (["b"], 0.0)):
        callback = RelativeError([1], variables)
        callback.attach(two(), Zero(channels=2))
        callback.start(torch.device("cpu"))
        run_rollout(Zero(channels=2), RolloutBatch(truth, torch.arange(1), 1, 1), [callback])
        assert callback.scores()["relative_error"].values[0] == pytest.approx([expected])


@pytest.mark.parametrize("variables", [["c"], []])
def test_relative_error_of_unknown_variables_is_refused(variables):
    callback = RelativeError([1], variables)
    callback.attach(two(), Exact(channels=2))
    with pytest.raises(ValueError, match=r"must name some of \['a', 'b'\]"):
        callback.check()
