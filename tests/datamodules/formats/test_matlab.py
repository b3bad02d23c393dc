"""Files of MATLAB, compared with what SciPy and hdf5storage read."""

import shutil
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from datamodules import MATLAB, Dimensions, SplitFiles, TrajectoryDataModule
from datamodules.files.formats import matlab
from datamodules.files.formats.detect import format_of
from datamodules.files.last_arrays import LastArrays
from datamodules.files.trajectory_file import TrajectoryFile

LAYOUTS = Path(__file__).parents[1] / "layouts"
ORDER = ["trajectory", "x", "y", "time"]
SPACE = Dimensions(space=("y", "x"))


@pytest.fixture
def version_73(tmp_path):
    return Path(shutil.copy(LAYOUTS / "matlab_73.mat", tmp_path / "a.mat"))


@pytest.fixture
def version_5(tmp_path):
    """The same contents in the former version."""
    with np.load(LAYOUTS / "matlab.npz") as held:
        contents = {name: held[name] for name in held.files}
    more = {"spectrum": contents["u"] + 1j, "name": "a text", "list": np.array(["a", 1.0], "O")}
    savemat(tmp_path / "a.mat", contents | more)
    return tmp_path / "a.mat"


@pytest.fixture(params=["version_5", "version_73"])
def path(request):
    return request.getfixturevalue(request.param)


def test_values_are_those_that_its_own_readers_return(path):
    assert isinstance(format_of(path), MATLAB)
    file = TrajectoryFile(path, ("u",), SPACE, ["nu"], format=MATLAB(ORDER))
    with np.load(LAYOUTS / "matlab.npz") as held:
        wanted = held["u"].transpose(0, 3, 2, 1).astype("f4")
        np.testing.assert_array_equal(file.times, held["t"].ravel())
    assert (file.trajectories, file.space, file.interval) == (2, (5, 4), 0.5)
    assert file.parameters.tolist() == [[1e-3], [1e-3]]
    for trajectory, start, stop in ((0, 0, 6), (1, 2, 4)):
        found = file.read(trajectory, start, stop)[:, 0]
        np.testing.assert_array_equal(found, wanted[trajectory, start:stop])


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("spectrum", "complex numbers"),
        ("list", "values of class cell"),
        ("name", "values of class char"),
    ],
)
def test_matrices_of_other_kinds_are_refused(path, name, match):
    array = MATLAB().arrays(path)[name]
    with pytest.raises(ValueError, match=rf"a\.mat: '{name}' holds {match}, expected numbers"):
        array.open()[()]


def test_snapshots_of_py2d_are_joined_in_time(tmp_path):
    values = np.random.default_rng(0).normal(size=(12, 4, 5))
    time = 0.0
    for number, omega in enumerate(values):  # as `time = time + dt` there
        for _ in range(200):
            time = time + 5e-4
        savemat(tmp_path / f"{number + 1}.mat", {"Omega": omega, "time": time})
    one = SplitFiles("*.mat")
    data = TrajectoryDataModule(
        *(tmp_path, ["Omega"], SPACE),
        **dict.fromkeys(("train", "val", "test"), one),
        format=MATLAB(["x", "y"], lengths=[4.0, 2.5]),
    )
    (reader,) = data.readers("train")
    assert reader.interval == pytest.approx(0.1)
    assert [axis.name for axis in reader.axes] == ["y", "x"]
    np.testing.assert_array_equal(reader.axes[0].values, 0.5 * np.arange(5))
    np.testing.assert_allclose(reader.times, 0.1 * np.arange(1, 13))
    wanted = [loadmat(tmp_path / f"{number}.mat")["Omega"].T for number in range(8, 12)]
    np.testing.assert_array_equal(reader.read(0, 7, 11)[:, 0], np.float32(wanted))


def test_few_matrices_of_former_versions_are_in_memory(tmp_path, monkeypatch):
    last, refs = LastArrays(most=2 * 160), []
    monkeypatch.setattr("datamodules.files.loaded_array.LOADED", last)
    values = np.random.default_rng(0).normal(size=(6, 4, 5))
    for number, omega in enumerate(values):
        savemat(tmp_path / f"{number + 1}.mat", {"Omega": omega, "time": 0.5 * number})
    load = matlab._load

    def recorded(*args):
        found = load(*args)
        refs.append(weakref.ref(found))
        return found

    monkeypatch.setattr(matlab, "_load", recorded)
    files = [
        TrajectoryFile(tmp_path / f"{number + 1}.mat", ["Omega"], SPACE, part=True,
                       format=MATLAB(["y", "x"]))
        for number in range(6)
    ]  # fmt: skip
    for file, expected in zip(files, values, strict=True):
        np.testing.assert_array_equal(file.read(0, 0, 1)[0, 0], np.float32(expected))
    assert sum(ref() is not None for ref in refs) == 2


def test_damaged_files_are_named(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with (
        pytest.raises(ValueError, match=r"a\.mat is not a readable .*restore it or remove it"),
        MATLAB(ORDER).open(path) as contents,
    ):
        contents.variables["u"].values()


def test_values_of_cells_are_no_variables(version_73):
    assert set(MATLAB().arrays(version_73)) == {"u", "t", "nu", "spectrum", "name", "list"}


def test_former_versions_need_scipy(version_5, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with (
        pytest.raises(
            ValueError,
            match=r"SciPy is missing; run `pip install \"implicit-emulators\[matlab\]",
        ),
        MATLAB(ORDER).open(version_5),
    ):
        pass
