import numpy as np
import pytest
import torch
from torch.testing import assert_close

from datamodules.rollouts import InitialConditions
from datamodules.storage.in_memory import InMemory
from datamodules.trajectories import Trajectories


def test_starts_are_spread_evenly_and_followed_by_truth(files):
    starts = InitialConditions(Trajectories(files), 8, steps=50, truth_steps=10)
    assert len(starts) == 8
    assert starts.places[0] == (0, 0)
    assert starts.places[-1] == (3, 9)  # 20 - 10 - 1 is the last start with 10 true steps
    counts = np.bincount([k for k, _ in starts.places])
    assert counts.tolist() == [2, 2, 2, 2]


def test_batch_knows_its_truth(files):
    starts = InitialConditions(Trajectories(files), 4, steps=50, truth_steps=6)
    batch = starts.collate([1, 3])
    assert batch.initial.shape == (2, 1, 8, 8)
    assert batch.index.tolist() == [1, 3]
    assert (batch.steps, batch.truth_steps) == (50, 6)
    assert_close(batch.truth(0), batch.initial)
    assert_close(batch.truth(6), batch.initial + 6)
    with pytest.raises(ValueError, match=r"lead must lie in 0\.\.6 \(the truth\), got 7"):
        batch.truth(7)


def test_truth_never_exceeds_the_rollout_and_defaults_to_a_quarter(files):
    assert InitialConditions(Trajectories(files), 4, 3, truth_steps=9).truth_steps == 3
    assert InitialConditions(Trajectories(files), 4, 100).truth_steps == 5


def test_more_starts_than_there_is_room_for_are_refused(files):
    with pytest.raises(ValueError, match=r"room for 8 rollouts of 18 true steps, 9 were requested"):
        InitialConditions(Trajectories(files), 9, 18, truth_steps=18)


def varying(files):
    trajectories = Trajectories(files)
    torch.manual_seed(0)
    values = (
        torch.randn(trajectories.snapshots, 2, 8, 8) * torch.tensor([3.0, 300.0])[:, None, None]
    )
    trajectories.storage = InMemory(values, trajectories.lengths)
    return trajectories


def test_members_of_an_ensemble_depend_on_the_initial_condition_alone(files):
    trajectories = varying(files)

    def perturbed(indices, **options):
        options = {"members": 4, "noise": 0.1, **options}
        starts = InitialConditions(trajectories, 5, 3, 3, **options)
        batch = starts.collate(indices)
        return batch.initial, batch.perturbed

    initial, several = perturbed([0, 3, 4])
    assert several.shape == (3, *initial.shape)
    assert torch.equal(perturbed([3])[1][:, 0], several[:, 1])
    assert not torch.equal(several[0], several[1])
    assert not torch.equal(perturbed([3], seed=1)[1][:, 0], several[:, 1])


def test_noise_is_in_units_of_the_initial_state(files):
    starts = InitialConditions(varying(files), 5, 3, 3, members=4000, noise=0.1)
    batch = starts.collate([2])
    space = tuple(range(2, batch.initial.dim()))
    wanted = 0.1 * batch.initial.std(space)
    found = (batch.perturbed - batch.initial).std((0, *(axis + 1 for axis in space)))
    assert torch.allclose(found, wanted, rtol=0.02)


@pytest.mark.parametrize("options", [{"members": 0}, {"noise": 0.1}, {"members": 3, "noise": -1.0}])
def test_malformed_ensembles_are_refused(files, options):
    with pytest.raises(ValueError, match="An ensemble needs members above 1"):
        InitialConditions(Trajectories(files), 5, 3, 3, **options)


def test_members_without_noise_start_from_the_same_state(files):
    batch = InitialConditions(varying(files), 5, 3, 3, members=3).collate([0, 4])
    assert batch.perturbed.shape == (2, 2, 2, 8, 8)
    assert (batch.perturbed == batch.initial).all()


def test_ensemble_that_does_not_fit_into_memory_is_refused(files, monkeypatch):
    starts = InitialConditions(varying(files), 5, 3, 3, members=100)
    state = starts.trajectories.read(0, 0, 1).nbytes
    monkeypatch.setattr("datamodules.storage.free_memory.free_memory", lambda: 2 * 4 * state * 17)
    with pytest.raises(ValueError, match=r"100 members from 2 initial .* lower members to 17 or"):
        starts.collate([0, 1])
    monkeypatch.setattr("datamodules.storage.free_memory.free_memory", lambda: 2 * 4 * state * 100)
    assert len(starts.collate([0, 1]).perturbed) == 99


def test_true_states_before_the_start_are_known(files):
    starts = InitialConditions(Trajectories(files), 4, 5, 5, members=2, noise=0.1, breeding=6)
    assert min(snapshot for _, snapshot in starts.places) == 6
    batch = starts.collate([0, 3])
    assert_close(batch.truth(-6), batch.initial - 6)
    with pytest.raises(ValueError, match=r"lead must lie in -6\.\.5 \(the truth\), got -7"):
        batch.truth(-7)
    with pytest.raises(ValueError, match=r"room for 4 rollouts of 5 true steps after 14 of breed"):
        InitialConditions(Trajectories(files), 9, 5, 5, members=2, noise=0.1, breeding=14)
