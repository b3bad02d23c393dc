import numpy as np
import pytest
import torch
from torch.testing import assert_close

from datamodules.dataset import (
    InitialConditions,
    Range,
    Trajectories,
    WindowDataset,
    WindowSampler,
)
from datamodules.trajectory_file import TrajectoryFile
from tests.datamodules.files import write_file


@pytest.fixture
def files(tmp_path):
    """Two files of three and one trajectories, 20 snapshots; values count the snapshots."""
    for name, count in (("a", 3), ("b", 1)):
        shape = (count, 20, 8, 8)
        number = np.arange(count)[:, None] * 100 + np.arange(20) + (1000 if name == "b" else 0)
        fields = {"vorticity": np.broadcast_to(number[:, :, None, None], shape).astype("f4")}
        write_file(tmp_path / f"{name}.nc", shape, fields=fields)
    return [TrajectoryFile(tmp_path / f"{name}.nc", ["vorticity"]) for name in ("a", "b")]


def first_values(windows):
    return windows[:, :, 0, 0, 0].int().tolist()


@pytest.mark.parametrize("in_memory", [True, False])
def test_windows_never_cross_a_trajectory(files, in_memory):
    windows = WindowDataset(Trajectories(files, in_memory=in_memory), 4)
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


def test_ranges_choose_trajectories_and_times(files):
    trajectories = Trajectories(files[:1], Range(1, 3), Range(5, 9))
    assert (len(trajectories), trajectories.snapshots) == (2, 8)
    values = first_values(WindowDataset(trajectories, 4).__getitems__([0, 1]))
    assert values == [[105, 106, 107, 108], [205, 206, 207, 208]]


def test_window_longer_than_every_trajectory_is_refused(files):
    with pytest.raises(ValueError, match=r"a.nc holds .* at most 20 snapshots, .* windows of 21"):
        WindowDataset(Trajectories(files), 21)


@pytest.mark.parametrize("in_memory", [True, False])
def test_values_that_are_not_finite_are_located(tmp_path, in_memory):
    values = np.zeros((2, 20, 8, 8), dtype="f4")
    values[1, 7, 2, 5] = np.nan
    write_file(tmp_path / "a.nc", (2, 20, 8, 8), fields={"vorticity": values})
    file = TrajectoryFile(tmp_path / "a.nc", ["vorticity"])
    with pytest.raises(ValueError, match=r"a.nc: .*trajectory 1, snapshot 7, point \(2, 5\)"):
        Trajectories([file], in_memory=in_memory).read(1, 4, 9)


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


@pytest.mark.parametrize("in_memory", [True, False])
def test_chunks_cover_every_snapshot_once(files, in_memory):
    chunks = list(Trajectories(files, in_memory=in_memory).chunks("reading", snapshots=7))
    assert [len(chunk) for chunk in chunks[:3]] == [7, 7, 6]
    values = torch.cat([chunk[:, 0, 0, 0] for chunk in chunks]).int().tolist()
    assert sorted(values) == sorted(
        [100 * k + n for k in range(3) for n in range(20)] + [1000 + n for n in range(20)]
    )


def test_ranks_share_the_windows_of_an_epoch(files):
    windows = WindowDataset(Trajectories(files), 4)
    shares = [list(WindowSampler(windows, 4, 0, lambda: 0, 2, rank)) for rank in (0, 1)]
    assert sorted(shares[0] + shares[1]) == list(range(68))
