"""Order of files of one snapshot each by the numbers in their names."""

import numpy as np
import pytest
import scipy.io
import torch

from datamodules import MATLAB, NumPy, SplitFiles, TorchTensors, TrajectoryDataModule

STATES = np.random.default_rng(0).normal(size=(6, 4, 5))
SAVE = {
    NumPy: (".npy", np.save),
    TorchTensors: (".pt", lambda path, state: torch.save(torch.from_numpy(state), path)),
    MATLAB: (".mat", lambda path, state: scipy.io.savemat(path, {"u": state})),
}


def read(folder, names, kind=NumPy, pattern="*"):
    suffix, save = SAVE[kind]
    for name, state in zip(names, STATES, strict=False):
        save(folder / f"{name}{suffix}", state[None] if kind is not MATLAB else state)
    splits = dict.fromkeys(("train", "val", "test"), SplitFiles(f"{pattern}{suffix}"))
    options = (["y", "x"],) if kind is MATLAB else (["channel", "y", "x"], ["u"])
    format = kind(*options, interval=2.0)
    (reader,) = TrajectoryDataModule(folder, ["u"], **splits, format=format).readers("train")
    return reader


@pytest.mark.parametrize("kind", SAVE)
@pytest.mark.parametrize(
    ("names", "times"),
    [
        (["w_t0.25", "w_t0.50", "w_t0.75", "w_t1.00"], [0.5, 1.0, 1.5, 2.0]),
        (["w_5e-01", "w_1e+00", "w_1.5e+00"], [1.0, 2.0, 3.0]),
        (["w_-1", "w_0", "w_1"], [-2.0, 0.0, 2.0]),
        (["w-8", "w-9", "w-10"], [16.0, 18.0, 20.0]),
        (["r1_w8", "r1_w9", "r2_w10"], [16.0, 18.0, 20.0]),  # continued by a second run
    ],
)
def test_numbers_are_read_whole_and_ordered_by_value(tmp_path, names, times, kind):
    reader = read(tmp_path, names, kind)
    np.testing.assert_allclose(reader.times, times)
    wanted = STATES[: len(names)].astype("f4")
    np.testing.assert_array_equal(reader.read(0, 0, len(names))[:, 0], wanted)


@pytest.mark.parametrize(
    "names",
    [
        ["w_0_25", "w_0_50", "w_0_75", "w_1_00"],
        ["w_0p25", "w_0p50", "w_0p75", "w_1p00"],
        ["w-2", "w-1", "w0"],  # a hyphen or a sign
        ["w_2_256", "w_1_257"],
    ],
)
def test_names_that_cannot_be_ordered_for_certain_are_refused(tmp_path, names):
    with pytest.raises(ValueError, match=r"npy and .*npy hold one snapshot each.*rename them"):
        read(tmp_path, names)


@pytest.mark.parametrize("kind", SAVE)
@pytest.mark.parametrize("names", [["run_0/w_0", "run_1/w_1"], ["a_0", "b_1"]])
def test_snapshots_of_several_runs_are_not_joined(tmp_path, names, kind):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
    with pytest.raises(ValueError, match="hold one snapshot each"):
        read(tmp_path, names, kind, "**/*")
