import numpy as np
import pytest
import torch

from datamodules.trajectories import Range, Trajectories
from datamodules.windows import WindowBatch, WindowDataset, WindowSampler


def first_values(windows):
    return windows[:, :, 0, 0, 0].int().tolist()


def test_windows_never_cross_a_trajectory(files):
    windows = WindowDataset(Trajectories(files), 4)
    assert len(windows) == 4 * 17  # 20 - 4 + 1 starts in each of four trajectories
    values = first_values(windows.__getitems__(list(range(len(windows)))))
    assert values[0] == [0, 1, 2, 3]
    assert values[16] == [16, 17, 18, 19]
    assert values[17] == [100, 101, 102, 103]
    assert values[-1] == [1016, 1017, 1018, 1019]
    assert all(np.diff(value).tolist() == [1, 1, 1] for value in values)


def test_batches_are_batch_time_channel_space(files):
    batch = WindowDataset(Trajectories(files), 3).__getitems__([0, 5])
    assert batch.shape == (2, 3, 1, 8, 8)
    assert batch.dtype == torch.float32


def test_pinned_batch_has_all_its_parts_pinned(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self + 1)
    batch = WindowBatch(torch.zeros(2, 3, 1, 8), torch.zeros(2, 1), None).pin_memory()
    assert (batch.states == 1).all()
    assert (batch.parameters == 1).all()
    assert batch.times is None


def test_ranges_choose_trajectories_and_times(files):
    trajectories = Trajectories(files[:1], Range(1, 3), Range(5, 9))
    assert (len(trajectories), trajectories.snapshots) == (2, 8)
    values = first_values(WindowDataset(trajectories, 4).__getitems__([0, 1]))
    assert values == [[105, 106, 107, 108], [205, 206, 207, 208]]


def test_window_longer_than_every_trajectory_is_refused(files):
    with pytest.raises(ValueError, match=r"a.nc holds .* at most 20 snapshots, .* windows of 21"):
        WindowDataset(Trajectories(files), 21)


def test_ranks_share_the_windows_of_an_epoch(files):
    windows = WindowDataset(Trajectories(files), 4)
    shares = [list(WindowSampler(windows, 4, 0, lambda: 0, 2, rank)) for rank in (0, 1)]
    assert sorted(shares[0] + shares[1]) == list(range(68))


def test_times_are_those_of_the_snapshots_that_the_split_has(files):
    trajectories = Trajectories(files[:1], Range(1, 3), Range(5, 9))  # 0.5 apart
    assert [trajectories.time(k, n) for k, n in ((0, 0), (1, 3))] == [2.5, 4.0]
    batch = WindowDataset(trajectories, 3, timed=True).__getitems__([1, 2])
    assert batch.times.tolist() == [3.0, 2.5]
