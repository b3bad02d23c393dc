import numpy as np
import pytest
from torch.testing import assert_close

from datamodules.split import Trajectories
from datamodules.starts import InitialConditions


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
    with pytest.raises(ValueError, match=r"room for 8 rollouts of 18 true steps, 9 were asked"):
        InitialConditions(Trajectories(files), 9, 18, truth_steps=18)
