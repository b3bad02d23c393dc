import numpy as np
import pytest

from datamodules.files.trajectory_file import TrajectoryFile
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
