"""Formats that are found from the files, also damaged ones."""

from pathlib import Path

import pytest

from datamodules import Source, TrajectoryDataModule
from tests.datamodules.files import write_file

LAYOUTS = Path(__file__).parents[1] / "layouts"


@pytest.mark.parametrize(
    "name", ["a.nc", "the_well.hdf5", "pdebench_burgers.hdf5", "dedalus_s1.h5"]
)
def test_a_truncated_file_is_named_with_what_to_do(tmp_path, name):
    path = tmp_path / name
    if name == "a.nc":
        write_file(path)
    else:
        path.write_bytes((LAYOUTS / name).read_bytes())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    one = Source(name)
    data = TrajectoryDataModule(tmp_path, ["u"], train=one, val=one, test=one)
    with pytest.raises(ValueError, match=rf"{path} is not a readable .*restore it or remove it"):
        data.readers("train")
