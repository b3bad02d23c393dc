import numpy as np
import pytest
import torch

from datamodules.files.trajectory_file import TrajectoryFile
from datamodules.storage.in_memory import in_memory
from datamodules.trajectories import Trajectories
from tests.datamodules.files import write_file


@pytest.mark.parametrize("store", [in_memory, lambda storage: storage])
def test_values_that_are_not_finite_are_located(tmp_path, store):
    values = np.zeros((2, 20, 8, 8), dtype="f4")
    values[1, 7, 2, 5] = np.nan
    write_file(tmp_path / "a.nc", (2, 20, 8, 8), fields={"vorticity": values})
    file = TrajectoryFile(tmp_path / "a.nc", ["vorticity"])
    with pytest.raises(ValueError, match=r"a.nc: .*trajectory 1, snapshot 7, point \(2, 5\)"):
        store(Trajectories([file]).storage).read(1, 4, 9)


def test_chunks_cover_every_snapshot_once(files):
    chunks = list(Trajectories(files).chunks("reading", snapshots=7))
    assert [len(chunk) for chunk in chunks[:3]] == [7, 7, 6]
    values = torch.cat([chunk[:, 0, 0, 0] for chunk in chunks]).int().tolist()
    assert sorted(values) == sorted(
        [100 * k + n for k in range(3) for n in range(20)] + [1000 + n for n in range(20)]
    )


@pytest.mark.parametrize("store", [in_memory, lambda storage: storage])
def test_pieces_are_of_a_number_of_bytes(files, store, monkeypatch):
    trajectories = Trajectories(files)
    trajectories.storage = store(trajectories.storage)
    monkeypatch.setattr("datamodules.storage.storage.PIECE", 6 * 8 * 8 * 4 + 3)
    assert [len(chunk) for chunk in trajectories.chunks("all")][:4] == [6, 6, 6, 2]
    assert [len(chunk) for chunk in trajectories.chunks("all", snapshots=5)][:4] == [5] * 4
    monkeypatch.setattr("datamodules.storage.storage.PIECE", 100)  # less than a snapshot
    assert [len(chunk) for chunk in trajectories.chunks("all")] == [1] * 80
