"""`emulate inspect` of files of arrays without names of axes: the configuration reads them."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch
import yaml

import cli
import datamodules
from datamodules import Dimensions, Range, SplitFiles, TrajectoryDataModule

RANDOM = np.random.default_rng(0)
FIELDS = RANDOM.normal(size=(2, 20, 6, 9)).astype("f4")  # trajectory, time, y, x
CHANNELS = RANDOM.normal(size=(20, 6, 9, 2)).astype("f4")  # time, y, x, channel
TIMES = 0.5 * np.arange(20)


def inspected(*paths):
    """Return the text and the data of the configuration that the command writes."""
    cli.run(["inspect", *map(str, paths)])
    text = Path("data.yaml").read_text()
    return text, yaml.safe_load(text)["data"]


def first_split(options):
    """Return the training split, read with the options of a configuration."""
    format = getattr(datamodules, options["format"]["class_path"])
    ranges = options["train"].get("times", {})
    return TrajectoryDataModule(
        Path(options["root"]),
        options["variables"],
        Dimensions(
            **{k: tuple(v) if k == "space" else v for k, v in options["dimensions"].items()}
        ),
        format=format(**options["format"]["init_args"]),
        train=SplitFiles(options["train"]["files"], times=Range(**ranges)),
    ).trajectories("train")


def save_hdf5(path, arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[f"fields/{name}"] = values


def save_pt(path, arrays):
    torch.save({name: torch.from_numpy(values) for name, values in arrays.items()}, path)


SAVE = {
    "a.npz": lambda path, arrays: np.savez(path, **arrays),
    "a.pt": save_pt,
    "a.h5": save_hdf5,
}


@pytest.mark.parametrize("name", SAVE)
@pytest.mark.parametrize("known", [True, False])
def test_arrays_are_read_by_the_configuration(tmp_path, monkeypatch, name, known):
    monkeypatch.chdir(tmp_path)
    lines = {"t": TIMES, "x": np.arange(9.0), "y": np.arange(6.0)} if known else {}
    SAVE[name](tmp_path / name, {"u": FIELDS, **lines})
    text, options = inspected(name)
    given = options["format"]["init_args"]
    assert given["order"] == ["trajectory", "time", "y", "x"]
    assert ("interval" in given) != known
    assert ("set data.format.init_args.interval" in text) != known
    assert ("set data.format.init_args.lengths" in text) != known
    assert "check data.format.init_args.order" in text
    train = first_split(options)
    np.testing.assert_array_equal(train.read(1, 0, 14)[:, 0], FIELDS[1, :14])


@pytest.mark.parametrize(
    ("axes", "order"),
    [
        ((0, 1, 2), ["time", "lat", "lon"]),
        ((2, 0, 1), ["lon", "time", "lat"]),
        ((1, 2, 0), ["lat", "lon", "time"]),
    ],
)
def test_coordinates_tell_the_axes(tmp_path, monkeypatch, axes, order):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", u=FIELDS[0].transpose(axes), time=TIMES, lat=np.arange(6.0),
             lon=np.arange(9.0))  # fmt: skip
    _, options = inspected("a.npz")
    assert options["format"]["init_args"]["order"] == order
    np.testing.assert_array_equal(first_split(options).read(0, 0, 14)[:, 0], FIELDS[0, :14])


def test_a_file_with_one_coordinate_is_of_one_dimension(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", u=FIELDS[:, :, 0], t=TIMES, x=np.arange(9.0))
    _, options = inspected("a.npz")
    assert options["format"]["init_args"]["order"] == ["trajectory", "time", "x"]


@pytest.mark.parametrize(
    ("axes", "order"),
    [
        ((0, 1, 2, 3), ["time", "y", "x", "channel"]),
        ((0, 3, 1, 2), ["time", "channel", "y", "x"]),
    ],
)
def test_a_short_axis_is_of_channels_whose_names_are_to_be_chosen(
    tmp_path, monkeypatch, axes, order
):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", CHANNELS.transpose(axes))
    text, options = inspected("a.npy")
    assert options["format"]["init_args"]["order"] == order
    assert options["variables"] == ["channel_0", "channel_1"]
    assert "choose them in data.format.init_args.channels and data.variables" in text
    found = first_split(options).read(0, 0, 14)
    np.testing.assert_array_equal(found, CHANNELS[:14].transpose(0, 3, 1, 2))


def test_arrays_in_three_files_have_one_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for split in ("train", "val", "test"):
        np.save(f"{split}.npy", FIELDS[0])
    _, options = inspected("train.npy", "val.npy", "test.npy")
    assert (options["variables"], options["val"]) == (["field"], {"files": "val.npy"})
    np.testing.assert_array_equal(first_split(options).read(0, 0, 20)[:, 0], FIELDS[0])


@pytest.mark.parametrize("channels", [False, True])
def test_many_numbered_files_hold_a_snapshot_each(tmp_path, monkeypatch, channels):
    monkeypatch.chdir(tmp_path)
    values = CHANNELS.transpose(0, 3, 1, 2) if channels else FIELDS[0]
    for number, snapshot in enumerate(values):
        np.save(f"u_{number:04d}.npy", snapshot)
    text, options = inspected(*sorted(tmp_path.glob("*.npy")))
    assert options["format"]["init_args"]["order"] == ["channel"] * channels + ["y", "x"]
    assert "the time per unit of their numbers, 1.0 here" in text
    found = first_split(options).read(0, 0, 14)
    np.testing.assert_array_equal(found, values[:14] if channels else values[:14, None])


def test_files_of_several_runs_hold_no_single_snapshots(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(5):
        np.save(f"run_{number}.npy", FIELDS[0])
    _, options = inspected(*sorted(tmp_path.glob("*.npy")))
    assert options["format"]["init_args"]["order"] == ["time", "y", "x"]


def test_a_file_without_such_arrays_is_refused_with_the_options(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(5.0))
    with pytest.raises(ValueError, match=r"without names of axes.*data\.format"):
        cli.run(["inspect", str(tmp_path / "a.npy")])


@pytest.mark.parametrize(
    ("shape", "axis", "order"),
    [((9, 6, 20), 20, ["x", "y", "time"]), ((20, 9, 6), 20, ["time", "x", "y"])],
)
def test_arrays_of_matlab_have_x_before_y(tmp_path, monkeypatch, shape, axis, order):
    monkeypatch.chdir(tmp_path)
    scipy.io.savemat("a.mat", {"u": RANDOM.normal(size=shape), "t": 0.5 * np.arange(axis)})
    _, options = inspected("a.mat")
    assert options["format"]["init_args"]["order"] == order


def test_snapshots_of_matlab_have_x_before_y(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(8):
        scipy.io.savemat(f"{number}.mat", {"Omega": FIELDS[0, number].T, "time": 0.5 * number})
    _, options = inspected(*(f"{number}.mat" for number in range(8)))
    assert options["format"]["init_args"]["order"] == ["x", "y"]
    np.testing.assert_array_equal(first_split(options).read(0, 0, 4)[:, 0], FIELDS[0, :4])
