import netCDF4
import numpy as np
import pytest

from datamodules import Range, SplitFiles, TrajectoryDataModule
from tests.datamodules.files import write_file

FIELD = np.random.default_rng(0).standard_normal((41, 4, 6)).astype("f4")
EVERYTHING = slice(None)


def parts(folder, cuts, origin=lambda part: 0, split="train"):
    """Write one run of 41 snapshots in several files, each with an origin of time of its own."""
    for number, part in enumerate(cuts):
        own = FIELD[part]
        path = folder / split / f"part{len(cuts) - number:02d}.nc"  # in the wrong order of names
        write_file(path, own.shape, dims=("time", "y", "x"), fields={"u": own}, lengths=(1.0, 2.0))
        with netCDF4.Dataset(path, "a") as file:
            shift = origin(number)
            file["time"][:] = np.arange(41.0)[part] - 24 * shift
            file["time"].units = f"hours since 2000-01-{1 + shift:02d}"
    return folder


SHARED = [slice(10 * n, 10 * n + 11) for n in range(4)]
APART = [slice(0, 7), slice(7, 20), slice(20, 41)]
SINGLE = [slice(n, n + 1) for n in range(41)]


def module(folder, join="time", times=Range()):  # noqa: B008
    return TrajectoryDataModule(
        folder, ["u"], join=join, train=SplitFiles("train/*.nc", times=times)
    )


@pytest.mark.parametrize("storage", ["memory", "stream"])
@pytest.mark.parametrize("cuts", [SHARED, APART, SINGLE])
def test_parts_of_a_run_are_one_trajectory(tmp_path, cuts, storage):
    data = module(parts(tmp_path, cuts))
    data.storage = storage
    train = data.trajectories("train")
    assert train.lengths == [41]
    for start, stop in ((0, 41), (5, 13), (10, 11), (19, 32)):
        np.testing.assert_array_equal(train.read(0, start, stop)[:, 0], FIELD[start:stop])
    assert train.time(0, 23) == 23
    assert data.describe().interval == 1


def test_origins_of_the_parts_may_differ(tmp_path):
    train = module(parts(tmp_path, APART, origin=lambda n: n)).trajectories("train")
    assert [train.time(0, n) for n in (0, 8, 30)] == [0, 8, 30]
    np.testing.assert_array_equal(train.read(0, 0, 41)[:, 0], FIELD)


def test_ranges_of_times_count_along_the_whole(tmp_path):
    train = module(parts(tmp_path, SHARED), times=Range(8, 23)).trajectories("train")
    assert train.lengths == [15]
    np.testing.assert_array_equal(train.read(0, 0, 15)[:, 0], FIELD[8:23])


def test_files_of_one_snapshot_are_joined_without_being_asked(tmp_path):
    assert module(parts(tmp_path, SINGLE), join=None).trajectories("train").lengths == [41]


def test_a_first_file_of_one_snapshot_does_not_join_those_of_several(tmp_path):
    data = module(parts(tmp_path, [slice(0, 20), slice(20, 40), slice(40, 41)]), join=None)
    with pytest.raises(ValueError, match=r"part01.nc holds 1 snapshots.*data.join: time"):
        data.trajectories("train")
    assert module(tmp_path).trajectories("train").lengths == [41]


@pytest.mark.parametrize("cuts", [SHARED, APART])
def test_files_that_continue_each_other_deserve_a_word(tmp_path, cuts, capsys):
    assert len(module(parts(tmp_path, cuts), join=None).trajectories("train")) == len(cuts)
    said = capsys.readouterr().err
    assert "separate trajectories" in said
    assert "data.join: time" in said


@pytest.mark.parametrize(
    "cuts",
    [
        [slice(0, 10), slice(11, 41)],  # one is missing
        [slice(0, 10), slice(25, 41)],
        [slice(0, 12), slice(10, 41)],  # two are in both
        [slice(0, 20), slice(0, 20)],  # members, not parts
        [slice(0, 1), slice(0, 1)],
    ],
)
def test_seams_that_neither_meet_nor_follow_are_refused(tmp_path, cuts):
    with pytest.raises(ValueError, match=r"part0\d.nc.*(joined|uniform steps|not parts)"):
        module(parts(tmp_path, cuts)).readers("train")


RUNS = {"folder": "train/{run}/part{part}.nc", "name": "train/{run}_part{part}.nc"}


def write_runs(folder, pattern):
    """Write two runs of 41 and 20 snapshots, which begin at the same time, in parts."""
    for run, values, cuts in (("re40", FIELD, APART), ("re80", -FIELD[:20], APART[:2])):
        for part, cut in enumerate(cuts):
            path = folder / pattern.format(run=run, part=part + 9)  # 10 comes after 9
            own = values[cut]
            write_file(path, own.shape, dims=("time", "y", "x"), fields={"u": own},
                       lengths=(1.0, 2.0))  # fmt: skip
            with netCDF4.Dataset(path, "a") as file:
                file["time"][:] = np.arange(41.0)[cut]


@pytest.mark.parametrize("join", RUNS)
def test_several_runs_are_told_apart_by_folders_or_names(tmp_path, join, capsys):
    write_runs(tmp_path, RUNS[join])
    files = "train/*/*.nc" if join == "folder" else "train/*.nc"
    options = {"train": SplitFiles(files, times=Range(2))}
    train = TrajectoryDataModule(tmp_path, ["u"], join=join, **options).trajectories("train")
    assert train.lengths == [39, 18]
    np.testing.assert_array_equal(train.read(0, 0, 39)[:, 0], FIELD[2:])
    np.testing.assert_array_equal(train.read(1, 3, 18)[:, 0], -FIELD[5:20])
    assert "data.join" not in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"set data\.join to folder or name if there"):
        TrajectoryDataModule(tmp_path, ["u"], join="time", **options).readers("train")


@pytest.mark.parametrize("join", ["folder", "name"])
def test_a_gap_within_one_of_several_runs_is_refused(tmp_path, join):
    write_runs(tmp_path, RUNS[join])
    (tmp_path / RUNS[join].format(run="re40", part=10)).unlink()
    data = TrajectoryDataModule(tmp_path, ["u"], join=join, train=SplitFiles("train/**/*.nc"))
    with pytest.raises(ValueError, match=r"re40.part11\.nc begins at 20.* cannot be joined"):
        data.readers("train")


def test_a_stamp_that_is_missing_at_every_seam_is_no_rounding_of_whole_stamps(tmp_path):
    for number in range(5):
        own = FIELD[8 * number : 8 * number + 8]
        path = tmp_path / "train" / f"{number}.nc"
        write_file(path, own.shape, dims=("time", "y", "x"), fields={"u": own}, lengths=(1.0, 2.0))
        with netCDF4.Dataset(path, "a") as file:
            file.renameVariable("time", "stamps")
            stamps = file.createVariable("time", "i4", ("time",))
            stamps[:], stamps.units = 9 * number + np.arange(8), "days since 2000-01-01"
    with pytest.raises(ValueError, match=r"\.nc.*(joined|missing after stamp 7)"):
        module(tmp_path).readers("train")


def test_a_gap_outside_of_the_range_does_not_matter(tmp_path):
    folder = parts(tmp_path, [slice(0, 10), slice(15, 41)])
    assert module(folder, times=Range(0, 10)).trajectories("train").lengths == [10]


def test_parts_that_differ_are_refused(tmp_path):
    parts(tmp_path, APART)
    with netCDF4.Dataset(tmp_path / "train" / "part02.nc", "a") as file:
        file["vorticity" if "vorticity" in file.variables else "u"].units = "K"
    with netCDF4.Dataset(tmp_path / "train" / "part01.nc", "a") as file:
        file["u"].units = "degC"
    with pytest.raises(ValueError, match=r"part0\d.nc has .*units"):
        module(tmp_path).readers("train")


@pytest.mark.parametrize("change", ["value", "missing"])
def test_parts_that_share_a_stamp_hold_the_same_snapshot_there(tmp_path, change):
    parts(tmp_path, SHARED)
    path = tmp_path / "train" / "part02.nc"
    with netCDF4.Dataset(path, "a") as file:
        file["u"][3, 2, 1] += 1.0  # not shared
    assert module(tmp_path).trajectories("train").lengths == [41]
    with netCDF4.Dataset(path, "a") as file:
        file["u"][0, 2, 1] = np.nan if change == "missing" else file["u"][0, 2, 1] + 0.5
    with pytest.raises(ValueError, match=r"part03.nc and .*part02.nc share the stamp 20, at which"):
        module(tmp_path).readers("train")


def test_missing_values_and_rounding_are_the_same_in_parts_that_share_a_stamp(tmp_path):
    parts(tmp_path, SHARED)
    for path in (tmp_path / "train").iterdir():
        with netCDF4.Dataset(path, "a") as file:
            file["u"][:, 1, 1] = np.nan
    with netCDF4.Dataset(tmp_path / "train" / "part02.nc", "a") as file:
        file["u"][0] += 1e-5
    assert [len(reader.files) for reader in module(tmp_path).readers("train")] == [4]


def test_hash_depends_on_every_part(tmp_path):
    before = module(parts(tmp_path, APART)).content_hash("train")
    with netCDF4.Dataset(tmp_path / "train" / "part01.nc", "a") as file:
        file["u"][3, 2, 1] = 9.0
    assert module(tmp_path).content_hash("train") != before


def test_parts_with_other_trajectories_are_refused(tmp_path):
    for number, members in enumerate(([0, 1, 2], [2, 0, 1])):
        path = tmp_path / "train" / f"{number}.nc"
        field = np.zeros((3, 5, 4, 6))
        dims = ("trajectory", "time", "y", "x")
        write_file(path, field.shape, dims=dims, fields={"u": field}, lengths=(1.0, 2.0))
        with netCDF4.Dataset(path, "a") as file:
            file["time"][:] = np.arange(5.0) + 5 * number
            file.createVariable("trajectory", "i4", ("trajectory",))[:] = members
    with pytest.raises(ValueError, match=r"1.nc has the trajectories .* = 2, 0, 1, .* 0, 1, 2;"):
        module(tmp_path).trajectories("train")


def write_split_runs(folder, pattern, names):
    """Write two runs of 12 snapshots, each in parts of 4."""
    for run, sign in enumerate((1, -1)):
        for part, name in enumerate(names):
            cut = slice(4 * part, 4 * part + 4)
            path = folder / pattern.format(run=run, part=name)
            own = sign * FIELD[cut]
            write_file(path, own.shape, dims=("time", "y", "x"), fields={"u": own},
                       lengths=(1.0, 2.0))  # fmt: skip
            with netCDF4.Dataset(path, "a") as file:
                file["time"][:] = np.arange(12.0)[cut]


@pytest.mark.parametrize("pattern", ["train/m{run}_{part}.nc", "train/m{run}_{part}_4x6.nc"])
@pytest.mark.parametrize(
    "names",
    [
        ["1", "2", "3"],
        ["2000-01-01", "2000-02-01", "2001-01-01"],
        ["2000_01_01", "2000_02_01", "2001_01_01"],
        ["1999-11", "1999-12", "2000-01"],
        ["0001-11", "0001-12", "0002-01"],
        ["2000-01-01T00", "2000-01-01T12", "2000-01-02T00"],
        ["200001-200012", "200101-200112", "200201-200212"],
    ],
)
def test_dates_and_sizes_in_names_are_no_names_of_runs(tmp_path, pattern, names):
    write_split_runs(tmp_path, pattern, names)
    train = module(tmp_path, join="name").trajectories("train")
    assert train.lengths == [12, 12]
    np.testing.assert_array_equal(train.read(1, 0, 12)[:, 0], -FIELD[:12])


@pytest.mark.parametrize(
    ("pattern", "join", "run"),
    [
        ("train/run_{run}/{part}/out.nc", "folder", "train/run_0/1"),
        ("train/r{run}_p{part}_v2.nc", "name", "train/r0_p1_v#"),
    ],
)
def test_runs_of_a_single_part_that_continue_each_other_are_refused(tmp_path, pattern, join, run):
    write_split_runs(tmp_path, pattern, ["1", "2", "3"])
    files = SplitFiles("train/**/*.nc")
    with pytest.raises(ValueError, match=rf"the run '.*{run}' has the single file .* begins where"):
        TrajectoryDataModule(tmp_path, ["u"], join=join, train=files).readers("train")


def test_a_run_of_a_single_part_among_others_deserves_a_word(tmp_path, capsys):
    write_split_runs(tmp_path, "train/m{run}_{part}.nc", ["1", "2", "3"])
    for part in (2, 3):
        (tmp_path / f"train/m1_{part}.nc").unlink()
    assert module(tmp_path, join="name").trajectories("train").lengths == [12, 4]
    assert "m1_#' has the single file" in capsys.readouterr().err


@pytest.mark.parametrize("pattern", ["train/run_{run}/u_{number}.nc", "train/{letter}_{number}.nc"])
def test_files_of_one_snapshot_in_several_series_are_not_joined_unasked(tmp_path, pattern):
    for number in range(12):
        name = pattern.format(run=number // 6, letter="ab"[number // 6], number=f"{number:04d}")
        own = FIELD[number : number + 1]
        write_file(tmp_path / name, own.shape, dims=("time", "y", "x"), fields={"u": own},
                   lengths=(1.0, 2.0))  # fmt: skip
        with netCDF4.Dataset(tmp_path / name, "a") as file:
            file["time"][:] = number
    files = SplitFiles("train/**/*.nc")
    with pytest.raises(ValueError, match=r"0000.nc and .*0006.nc hold one snapshot each in diff"):
        TrajectoryDataModule(tmp_path, ["u"], train=files).readers("train")
    for join, lengths in {"time": [12], "folder" if "run" in pattern else "name": [6, 6]}.items():
        data = TrajectoryDataModule(tmp_path, ["u"], join=join, train=files)
        assert data.trajectories("train").lengths == lengths
