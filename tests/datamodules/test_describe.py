"""What is said where files do not tell whether the domain is periodic."""

import pytest

from datamodules import Dimensions
from datamodules.describe import periodic_axes
from datamodules.files.trajectory_file import TrajectoryFile
from tests.datamodules.files import write_file


@pytest.mark.parametrize(("axes", "said"), [
    (("x",), "do not say that x is periodic, so walls"),
    (("y", "x"), "do not say that y and x are periodic, so walls"),
])  # fmt: skip
def test_walls_that_are_assumed_are_said(tmp_path, capsys, axes, said):
    dims, lengths = ("trajectory", "time", *axes), (2.0,) * len(axes)
    shape = (2, 5, *(8 for _ in axes))
    write_file(tmp_path / "a.nc", shape, dims=dims, lengths=lengths, periodic=False)
    reader = TrajectoryFile(tmp_path / "a.nc", ["vorticity"], Dimensions(space=axes))
    assert periodic_axes(reader, "auto", None) == (False,) * len(axes)
    assert said in capsys.readouterr().err
