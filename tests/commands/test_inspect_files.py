"""`emulate inspect`: what it prints of files, and that its configuration reads them."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray
import yaml
from PIL import Image

import cli
from datamodules import Dimensions, SplitFiles, TrajectoryDataModule
from datamodules.files.paths import find_files
from datamodules.files.selection import Range
from tests.datamodules.test_inputs import LAND, fields, write

DIMENSIONS = ("member", "lat", "time", "lon")


@pytest.fixture
def path(tmp_path):
    """Two fields in an unusual order, a field without time and a number, in one file."""
    random, coordinates = np.random.default_rng(0), {
        "time": ("time", 6.0 * np.arange(20), {"units": "hours since 2001-01-01"}),
        "lat": ("lat", np.linspace(-75, 75, 6), {"units": "degrees_north"}),
        "lon": ("lon", 30.0 * np.arange(12), {"units": "degrees_east"}),
    }  # fmt: skip
    fields = {
        name: (DIMENSIONS, scale * random.normal(size=(3, 6, 20, 12)), {"units": units})
        for name, scale, units in (("t", 1.0, "K"), ("q", 1e-3, "1"))
    }
    fields["q"][1][0, 0, 0, :9] = np.nan
    fields["height"] = (("lat", "lon"), random.normal(size=(6, 12)))
    data = xarray.Dataset(fields, coordinates, {"Re": 40.0, "title": "test"})
    data.to_netcdf(tmp_path / "a.nc")
    return tmp_path / "a.nc"


def test_a_file_is_described_drawn_and_read(path, capsys, monkeypatch):
    monkeypatch.chdir(path.parent)
    cli.run(["inspect", str(path), "--output", "found"])
    printed = capsys.readouterr().out
    for words in ("a.nc: NetCDF", "t (member: 3, lat: 6, time: 20, lon: 12) float64 [K]",
                  "0.2% missing", "20 snapshots, interval 6 h", "lon: 12 points, spacing 30",
                  "degrees_east, periodic (its length is a full circle, 360)", "lat: 6 points",
                  "parameters: Re"):  # fmt: skip
        assert words in printed
    with Image.open("found/data.png") as image:
        assert image.width > image.height
    options = yaml.safe_load((path.parent / "found/data.yaml").read_text())["data"]
    assert options["variables"] == ["t", "q"]
    assert "mask" not in options  # the missing values are of one time
    assert options["dimensions"] == {"space": ["lat", "lon"], "trajectory": "member"}
    times = [options[split]["times"] for split in ("train", "val", "test")]
    assert times == [{"start": 0, "stop": 14}, {"start": 14, "stop": 17}, {"start": 17}]
    data = TrajectoryDataModule(
        Path(options["root"]),
        options["variables"],
        Dimensions("member", space=("lat", "lon")),
        train=SplitFiles(options["train"]["files"], times=Range(**options["train"]["times"])),
    )
    assert (len(data.readers("train")), data.describe().interval) == (1, 6.0)


@pytest.mark.parametrize(
    ("count", "files"),
    [(2, ["run*.nc"] * 3), (3, ["run0.nc", "run1.nc", "run2.nc"]), (4, ["run*.nc"] * 3)],
)
def test_three_files_are_the_splits_and_others_are_divided_in_time(path, monkeypatch, count, files):
    monkeypatch.chdir(path.parent)
    for number in range(count):
        (path.parent / f"run{number}.nc").write_bytes(path.read_bytes())
    cli.run(["inspect", *(f"run{number}.nc" for number in range(count))])
    options = yaml.safe_load((path.parent / "data.yaml").read_text())["data"]
    assert [options[split]["files"] for split in ("train", "val", "test")] == files
    assert ("times" in options["train"]) == (count != 3)


@pytest.mark.parametrize(
    ("names", "root", "files"),
    [
        (["test.nc", "train.nc", "valid.nc"], ".", ["train.nc", "valid.nc", "test.nc"]),
        (
            ["test/a.nc", "train/a1.nc", "train/a2.nc", "val/a.nc"],
            ".",
            ["train/a*.nc", "val/a.nc", "test/a.nc"],
        ),
        (["one/a1.nc", "one/a2.nc", "other/a3.nc", "other/a4.nc"], ".", ["o*/a*.nc"] * 3),
    ],
)
def test_the_names_of_files_and_folders_tell_the_splits(path, monkeypatch, names, root, files):
    monkeypatch.chdir(path.parent)
    for name in names:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(path.read_bytes())
    cli.run(["inspect", *names])
    options = yaml.safe_load(Path("data.yaml").read_text())["data"]
    assert [options[split]["files"] for split in ("train", "val", "test")] == files
    assert Path(options["root"]) == Path(root).resolve()


@pytest.mark.parametrize(
    ("count", "train", "val", "test"),
    [(6, (0, 4), (4, 5), 5), (20, (0, 14), (14, 17), 17)],
)
def test_several_trajectories_are_divided_among_the_splits(
    tmp_path, monkeypatch, count, train, val, test
):
    monkeypatch.chdir(tmp_path)
    values = np.random.default_rng(0).normal(size=(count, 9, 8))
    dims, time = ("run", "time", "x"), 0.5 * np.arange(9)
    xarray.Dataset({"u": (dims, values)}, {"time": time, "x": np.arange(8.0)}).to_netcdf("a.nc")
    _, options = written(Path("a.nc"))
    assert options["dimensions"]["trajectory"] == "run"
    for split, ends in {"train": train, "val": val}.items():
        assert options[split]["trajectories"] == dict(zip(("start", "stop"), ends, strict=True))
    assert options["test"]["trajectories"] == {"start": test}
    assert not any("times" in options[split] for split in ("train", "val", "test"))


def test_files_that_continue_each_other_are_joined(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    with xarray.open_dataset(path, decode_times=False) as data:
        for number in range(3):
            data.isel(time=slice(6 * number, 6 * number + 6)).to_netcdf(f"run{number}.nc")
    cli.run(["inspect", *(f"run{number}.nc" for number in range(3))])
    options = yaml.safe_load(Path("data.yaml").read_text())["data"]
    assert (options["join"], options["train"]["files"]) == ("time", "run*.nc")
    assert options["test"]["times"] == {"start": 16}  # of 18 snapshots


def test_a_vertical_plane_has_two_axes_of_space(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    field = np.ones((9, 4, 6))
    xarray.Dataset({"b": (("time", "z", "x"), field)}, {"time": np.arange(9.0)}).to_netcdf("a.nc")
    cli.run(["inspect", "a.nc"])
    options = yaml.safe_load(Path("data.yaml").read_text())["data"]
    assert options["dimensions"] == {"space": ["z", "x"]}


@pytest.mark.parametrize(("count", "stop"), [(4, None), (5, None), (6, 2)])
def test_a_run_that_is_too_short_is_not_divided(path, monkeypatch, count, stop):
    monkeypatch.chdir(path.parent)
    with xarray.open_dataset(path) as data:
        data.isel(time=slice(0, count)).to_netcdf("short.nc")
    cli.run(["inspect", "short.nc"])
    text = (path.parent / "data.yaml").read_text()
    options = yaml.safe_load(text)["data"]
    assert options["train"].get("times", {}).get("stop") == stop
    assert ("name other files for val and test" in text) == (stop is None)


def test_files_of_one_snapshot_are_divided_as_one_run(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    with xarray.open_dataset(path) as data:
        for number in range(10):
            data.isel(time=[number]).to_netcdf(f"run{number}.nc")
    cli.run(["inspect", *(f"run{number}.nc" for number in range(10))])
    options = yaml.safe_load((path.parent / "data.yaml").read_text())["data"]
    times = [options[split]["times"] for split in ("train", "val", "test")]
    assert times == [{"start": 0, "stop": 6}, {"start": 6, "stop": 8}, {"start": 8}]


def test_files_without_fields_and_files_that_are_not_there_are_refused(tmp_path):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("x", 3)
        file.createVariable("map", "f4", ("x",))[:] = 1
    with pytest.raises(ValueError, match=r"a\.nc has no variable with a time"):
        cli.run(["inspect", str(tmp_path / "a.nc")])
    with pytest.raises(FileNotFoundError, match=r"b\.nc: no such file"):
        cli.run(["inspect", str(tmp_path / "b.nc")])


def test_masks_and_static_fields_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = fields()
    known["t"][1][..., LAND] = np.nan
    write(tmp_path / "a.nc", known)
    cli.run(["inspect", "a.nc"])
    text = Path("data.yaml").read_text()
    data = yaml.safe_load(text)["data"]
    assert (data["variables"], data["mask"]) == (["t", "h", "noise"], "missing")
    assert "add to data:  static: [depth, wet]\n" in text
    assert "add to data:  weights: latitude\n" in text
    known["t"][1][..., LAND] = 0.0
    write(tmp_path / "a.nc", known)
    cli.run(["inspect", "a.nc"])
    assert "mask" not in yaml.safe_load(Path("data.yaml").read_text())["data"]


def test_fields_of_time_that_are_not_of_the_state_may_be_forcing(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    grid = ("time", "lat", "lon")
    with netCDF4.Dataset(path, "a") as file:
        for name, dims in (("sun", grid), ("co2", grid[:1]), ("TLAT", grid)):
            file.createVariable(name, "f4", dims)[:] = 1.0
        file["TLAT"].units = "degrees_north"
    cli.run(["inspect", "a.nc"])
    text = Path("data.yaml").read_text()
    assert yaml.safe_load(text)["data"]["variables"] == ["t", "q"]
    assert "add to data:  forcing: [sun]\n" in text


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"modulo": 6.0}, "periodic (its length is its modulo, 6)"),
        ({"modulo": 360.0}, "not periodic (its length is 6, its modulo 360)"),
        ({"topology": "circular"}, "periodic (its topology is circular)"),
        (
            {"topology": "circular", "bc_type": "PERIODIC"},
            "periodic (its boundary condition is PERIODIC)",
        ),
        ({"bc_type": "WALL"}, "not periodic (its boundary condition is WALL)"),
        ({"units": "degrees_east"}, "not periodic (its length is 6, a full circle 360)"),
        ({"units": "degrees_north"}, "not periodic (latitudes do not close)"),
        ({}, "not periodic unless data.periodic says so (the file says nothing)"),
    ],
)
def test_the_reason_for_periodicity_is_said(tmp_path, monkeypatch, capsys, attributes, words):
    monkeypatch.chdir(tmp_path)
    field, times = (("time", "x"), np.ones((9, 6))), np.arange(9.0)
    x = ("x", np.arange(6.0), attributes)
    if "units" in attributes:
        field, x = (("time", "a"), field[1]), ("a", *x[1:])
    xarray.Dataset({"u": field}, {"time": times, x[0]: x}).to_netcdf("a.nc")
    cli.run(["inspect", "a.nc"])
    assert f", {words}\n" in capsys.readouterr().out
    asked = "if the domain is periodic, add" in Path("data.yaml").read_text()
    assert asked == (not attributes)


@pytest.mark.parametrize(
    ("levels", "first", "listed"),
    [([1000.0, 850.0, 500.0], 1000.0, "[1000, 850, 500]"), (None, 0, "[0, 1, 2]")],
)
def test_all_levels_as_channels_are_at_hand(tmp_path, monkeypatch, levels, first, listed):
    monkeypatch.chdir(tmp_path)
    field = np.random.default_rng(0).normal(size=(9, 3, 4, 6))
    known = {"time": np.arange(9.0)} | ({"lev": levels} if levels else {})
    xarray.Dataset({"q": (("time", "lev", "y", "x"), field)}, known).to_netcdf("a.nc")
    cli.run(["inspect", "a.nc"])
    text = Path("data.yaml").read_text()
    options = yaml.safe_load(text)["data"]
    assert options["select"] == {"lev": first}
    every = f"select: {{lev: {listed}}}"
    assert f"# all of them as channels:  {every}\n" in text
    data = TrajectoryDataModule(tmp_path, ["q"], train=SplitFiles("a.nc"), **yaml.safe_load(every))
    np.testing.assert_array_equal(data.trajectories("train").read(0, 0, 9), field.astype("f4"))


def write_part(path, run, part, snapshots=4):
    """Write a part of a run of which each value is the number of its snapshot."""
    times = snapshots * part + np.arange(float(snapshots))
    field = np.broadcast_to(100 * run + times[:, None, None], (snapshots, 4, 6))
    path.parent.mkdir(parents=True, exist_ok=True)
    coordinates = {"time": ("time", times, {"units": "s"})}
    xarray.Dataset({"u": (("time", "y", "x"), field)}, coordinates).to_netcdf(path)


def written(*paths):
    """Return the text and the data of the configuration that the command writes."""
    cli.run(["inspect", *map(str, paths)])
    text = Path("data.yaml").read_text()
    return text, yaml.safe_load(text)["data"]


@pytest.mark.parametrize(
    ("pattern", "join"),
    [
        ("run_{run}/part_{part}.nc", "folder"),
        ("run_{run}_part_{part}.nc", "name"),
        ("run_{run}_2000-0{part}-01.nc", "name"),
    ],
)
def test_several_runs_of_parts_are_joined_by_folder_or_name(tmp_path, monkeypatch, pattern, join):
    monkeypatch.chdir(tmp_path)
    paths = []
    for run in range(2):
        for part in range(3):
            paths.append(Path(pattern.format(run=run, part=part + 1)))
            write_part(paths[-1], run, part)
    _, options = written(*paths)
    assert options["join"] == join
    assert options["test"]["times"] == {"start": 10}  # of 12 snapshots
    train = SplitFiles(options["train"]["files"])
    data = TrajectoryDataModule(Path(options["root"]), ["u"], join=join, train=train)
    assert data.trajectories("train").lengths == [12, 12]


@pytest.mark.parametrize("pattern", ["{split}/part_{part}.nc", "{split}_{part}.nc"])
@pytest.mark.parametrize("snapshots", [4, 1])
def test_parts_of_named_splits_are_joined(tmp_path, monkeypatch, pattern, snapshots):
    monkeypatch.chdir(tmp_path)
    paths = []
    for run, split in enumerate(("train", "val", "test")):
        for part in range(2 if split == "test" else 4):
            paths.append(Path(pattern.format(split=split, part=part)))
            write_part(paths[-1], run, part, snapshots)
    _, options = written(*paths)
    # single snapshots in one folder are joined in any case
    assert options.get("join") == ("time" if snapshots > 1 else None)
    assert "times" not in options["train"]


@pytest.mark.parametrize("folder", [".", "a[1]"])
def test_patterns_match_the_files_that_were_named_alone(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        write_part(Path(folder) / f"u{number}.nc", number, 0, 9)
    named = [Path(folder) / f"u{number}.nc" for number in (1, 3)]
    (Path(folder) / "w1.nc").write_bytes(b"")
    text, options = written(*named)
    found = find_files(Path(options["root"]), options["train"]["files"])
    assert [path.name for path in found] == ["u1.nc", "u3.nc"]
    assert "also matches" not in text
    write_part(Path(folder) / "u10.nc", 10, 0, 9)
    text, _ = written(*named, Path(folder) / "u10.nc", Path(folder) / "u0.nc")
    assert "# u*.nc also matches files that were not inspected (u2.nc): move them" in text


def test_patterns_of_folders_with_brackets_match(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = [Path(f"re[{run}]/u{part}.nc") for run in range(2) for part in range(2)]
    for path in named:
        write_part(path, 0, 0, 9)
    _, options = written(*named)
    assert len(find_files(Path(options["root"]), options["train"]["files"])) == 4


def test_splits_are_found_by_whole_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["constraint", "interval", "latest"]  # which contain train, val and test
    for run, name in enumerate(names):
        write_part(Path(f"{name}_0.nc"), run, 0, 9)
    _, options = written(*(f"{name}_0.nc" for name in names))
    assert [options[split]["files"] for split in ("train", "val", "test")] == [
        f"{name}_0.nc" for name in names
    ]
    write_part(Path("interval_1.nc"), 3, 0, 9)
    _, options = written(*(f"{name}_0.nc" for name in names), "interval_1.nc")
    assert options["train"]["files"] == options["test"]["files"] == "*.nc"


def test_fields_that_are_the_same_at_all_times_are_no_channels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random, dims = np.random.default_rng(0), ("Time", "south_north", "west_east")
    height = np.broadcast_to(random.normal(size=(4, 6)), (9, 4, 6))
    data = xarray.Dataset({"T2": (dims, random.normal(size=(9, 4, 6))), "HGT": (dims, height)})
    data.assign_coords(Time=np.arange(9.0)).to_netcdf("a.nc")
    text, options = written("a.nc")
    assert options["variables"] == ["T2"]
    assert "add to data:  forcing: [HGT]\n" in text


def test_fields_without_levels_are_not_taken_for_forcing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random, coordinates = np.random.default_rng(0), {"time": np.arange(9.0), "lev": [850.0, 500.0]}
    fields = {
        **{n: (("time", "lev", "y", "x"), random.normal(size=(9, 2, 4, 6))) for n in "qt"},
        "sp": (("time", "y", "x"), random.normal(size=(9, 4, 6))),
    }
    xarray.Dataset(fields, coordinates).to_netcdf("a.nc")
    text, options = written("a.nc")
    assert options["variables"] == ["q", "t"]
    assert "forcing: [" not in text
    assert "# without lev: sp; add fields of the state to data.variables" in text
