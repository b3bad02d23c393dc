"""Formats that are found from the files, also damaged ones."""

import gzip
import pickle
from pathlib import Path

import pytest

from datamodules import Dedalus, Dimensions, PDEBench, SplitFiles, TheWell, TrajectoryDataModule
from datamodules.files import open_files
from datamodules.files.formats.detect import format_of
from datamodules.files.trajectory_file import TrajectoryFile
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
    one = SplitFiles(name)
    data = TrajectoryDataModule(tmp_path, ["u"], train=one, val=one, test=one)
    with pytest.raises(ValueError, match=rf"{path} is not a readable .*restore it or remove it"):
        data.readers("train")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (pickle.dumps([1.0]), "a pickle.* numpy.save"),
        (b"PK\x03\x04", "zip archive.*unpack it"),
        (gzip.compress(b"CDF", mtime=0), "compressed by gzip; unpack it"),
    ],
)
def test_files_of_other_programs_are_named_with_what_they_are(tmp_path, content, match):
    path = tmp_path / "a.nc"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.nc is not a NetCDF file, but .*{match}"):
        TrajectoryFile(path, ("u",), format=format_of(path))


@pytest.mark.parametrize("kind", [TheWell, Dedalus, PDEBench])
def test_a_format_that_is_named_refuses_other_files(tmp_path, kind):
    with (
        pytest.raises(FileNotFoundError, match=r"a\.h5: no such file"),
        kind().open(tmp_path / "a.h5"),
    ):
        pass
    (tmp_path / "a.h5").write_bytes(b"text")
    readable = rf"a\.h5 is not a readable file of {kind.label}.*restore it or remove it"
    with pytest.raises(ValueError, match=readable), kind().open(tmp_path / "a.h5"):
        pass
    write_file(tmp_path / "a.nc")
    other = rf"a\.nc is not a file of {kind.label}: it holds .*vorticity.*; set data\.format"
    with pytest.raises(ValueError, match=other), kind().open(tmp_path / "a.nc"):
        pass


def test_windows_of_different_samples_leave_the_file_open(tmp_path, monkeypatch):
    """Samples of PDEBench are in groups of their own, of one file."""
    path = tmp_path / "a.h5"
    path.write_bytes((LAYOUTS / "pdebench_shallow_water.h5").read_bytes())
    one = SplitFiles("a.h5")
    space = Dimensions(space=("x", "y"))
    data = TrajectoryDataModule(
        tmp_path, ["h"], space, train=one, val=one, test=one, storage="stream"
    )
    trajectories = data.trajectories("train")
    trajectories.windows([(0, 0)], 2)
    monkeypatch.setattr(open_files, "OpenFile", lambda path: pytest.fail("opened again"))
    for trajectory in (1, 0, 2, 1):
        trajectories.windows([(trajectory, 3)], 2)
