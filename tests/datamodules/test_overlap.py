import pytest

from datamodules import Range, Source, TrajectoryDataModule
from datamodules.paths import find_files
from tests.datamodules.files import write_file


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        (Source("a.nc"), Source("a.nc"), "snapshots 0 to 19 of trajectories 0 to 2"),
        (
            Source("a.nc", times=Range(0, 12)),
            Source("*.nc", times=Range(8)),
            "snapshots 8 to 11 of trajectories 0 to 2",
        ),
        (Source("a.nc", Range(0, 2)), Source("a.nc", Range(1, 3)), "trajectories 1 to 1"),
        (Source("a.nc", times=Range(0, 12)), Source("a.nc", times=Range(12)), ""),
        (Source("a.nc", Range(0, 1)), Source("a.nc", Range(1)), ""),
        (Source("a.nc"), Source("b.nc"), ""),
    ],
)
def test_splits_that_share_snapshots_deserve_a_word(tmp_path, capsys, train, test, words):
    for name in ("a.nc", "b.nc", "v.nc"):
        write_file(tmp_path / name)
    data = TrajectoryDataModule(tmp_path, train=train, test=test, val=Source("v.nc"))
    data.readers("train")
    said = capsys.readouterr().err
    assert ("the splits train and test share" in said) == bool(words)
    assert words in said


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
