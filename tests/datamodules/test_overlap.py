import os
import shutil

import numpy as np
import pytest

from datamodules import Range, SplitFiles, TrajectoryDataModule
from datamodules.files.paths import find_files
from tests.datamodules.files import write_file

FIELDS = np.random.default_rng(4).standard_normal((3, 30, 4, 6)).astype("f4")


def file(path, name, fields):
    write_file(path, fields.shape, fields={name: fields}, lengths=(1.0, 2.0))
    return path


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        (SplitFiles("a.nc"), SplitFiles("a.nc"), "snapshots 0 to 19 of trajectories 0 to 2"),
        (
            SplitFiles("a.nc", times=Range(0, 12)),
            SplitFiles("*.nc", times=Range(8)),
            "snapshots 8 to 11 of trajectories 0 to 2",
        ),
        (SplitFiles("a.nc", Range(0, 2)), SplitFiles("a.nc", Range(1, 3)), "trajectories 1 to 1"),
        (SplitFiles("a.nc", times=Range(0, 12)), SplitFiles("a.nc", times=Range(12)), ""),
        (SplitFiles("a.nc", Range(0, 1)), SplitFiles("a.nc", Range(1)), ""),
        (SplitFiles("a.nc"), SplitFiles("b.nc"), ""),
    ],
)
def test_splits_that_share_snapshots_deserve_a_word(tmp_path, capsys, train, test, words):
    for number, name in enumerate(("a.nc", "b.nc", "v.nc")):
        file(tmp_path / name, "vorticity", FIELDS[:, :20] + number)
    data = TrajectoryDataModule(tmp_path, train=train, test=test, val=SplitFiles("v.nc"))
    data.readers("train")
    said = capsys.readouterr().err
    assert ("the splits train and test share" in said) == bool(words)
    assert words in said


def said(folder, capsys, **splits):
    sources = {name: SplitFiles(f"{name}.nc", **ranges) for name, ranges in splits.items()}
    TrajectoryDataModule(folder, ["u"], **sources).readers("train")
    return capsys.readouterr().err


@pytest.mark.parametrize("copy", [os.link, os.symlink, shutil.copyfile])
def test_a_link_or_a_copy_is_the_same_file(tmp_path, capsys, copy):
    train = file(tmp_path / "train.nc", "u", FIELDS)
    file(tmp_path / "val.nc", "u", FIELDS + 1)  # of the same size
    copy(train, tmp_path / "test.nc")
    text = said(tmp_path, capsys, train={}, val={}, test={"times": Range(20)})
    assert "train and test share snapshots 20 to 29 of trajectories 0 to 2" in text
    assert "and val" not in text


def test_ranges_apart_share_nothing(tmp_path, capsys):
    file(tmp_path / "train.nc", "u", FIELDS)
    shutil.copyfile(tmp_path / "train.nc", tmp_path / "test.nc")
    shutil.copyfile(tmp_path / "train.nc", tmp_path / "val.nc")
    ranges = {"test": {"times": Range(20, 30)}, "val": {"trajectories": Range(2, 3)}}
    ranges["train"] = {"times": Range(0, 20), "trajectories": Range(0, 2)}
    assert "share snapshots" not in said(tmp_path, capsys, **ranges)


def test_files_are_found_as_a_person_would(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("a[1]/x.nc", "deep/1990/01/b.nc", "deep/c.nc", "odd[2].nc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def names(root, pattern):
        return [path.name for path in find_files(root, pattern)]

    assert names(tmp_path / "a[1]", "*.nc") == ["x.nc"]
    assert names(tmp_path, "deep/**/*.nc") == ["b.nc", "c.nc"]
    assert names(tmp_path, "odd[2].nc") == ["odd[2].nc"]
    assert names(tmp_path, "odd[[]?].nc") == ["odd[2].nc"]
    assert names(tmp_path / "elsewhere", "~/deep/*.nc") == ["c.nc"]
    assert names(tmp_path / "elsewhere", str(tmp_path / "deep" / "*.nc")) == ["c.nc"]
    assert names(tmp_path, "none*.nc") == []
