"""Arrays of NumPy and PyTorch, whose axes and times the configuration gives."""

import weakref
import zipfile

import numpy as np
import pytest
import torch

from datamodules import Dimensions, NumPy, SplitFiles, TorchTensors, TrajectoryDataModule
from datamodules.files.formats import numpy_arrays
from datamodules.files.formats.detect import format_of
from datamodules.files.last_arrays import LastArrays
from datamodules.files.trajectory_file import TrajectoryFile

# trajectory, time, channel, y, x: trajectories and channels are as many, to be confused
VALUES = (
    np.random.default_rng(0).normal(size=(2, 5, 2, 6, 9)) * np.array([1.0, 300.0])[:, None, None]
)
ORDER = ["trajectory", "time", "channel", "y", "x"]
ORDERS = {
    "trajectory, time, channel, y, x": (0, 1, 2, 3, 4),
    "trajectory, y, x, time, channel": (0, 3, 4, 1, 2),
    "time, channel, trajectory, x, y": (1, 2, 0, 4, 3),
}
OPTIONS = {"channels": ["u", "v"], "interval": 0.25, "time_units": "h", "start": 2.0}


def save_npy(path, values):
    np.save(path.with_suffix(".npy"), values)
    return path.with_suffix(".npy")


def save_npz(path, values):
    np.savez(path.with_suffix(".npz"), fields=values, nu=0.01, x=3.0 * np.arange(9))
    return path.with_suffix(".npz")


def save_compressed(path, values):
    np.savez_compressed(path.with_suffix(".npz"), fields=values, nu=0.01, x=3.0 * np.arange(9))
    return path.with_suffix(".npz")


def save_pt(path, values):
    torch.save(torch.from_numpy(values.copy()), path.with_suffix(".pt"))
    return path.with_suffix(".pt")


def save_dictionary(path, values):
    tensors = {"fields": torch.from_numpy(values.copy()), "seed": torch.tensor(3)}
    torch.save(tensors, path.with_suffix(".pt"))
    return path.with_suffix(".pt")


SAVE = {
    save_npy: NumPy,
    save_npz: NumPy,
    save_compressed: NumPy,
    save_pt: TorchTensors,
    save_dictionary: TorchTensors,
}


def opened(path, kind, parameters=(), **options):
    return TrajectoryFile(path, ("v", "u"), Dimensions(), parameters, format=kind(**options))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("save", SAVE)
def test_values_are_those_written_in_any_order_of_axes(tmp_path, save, order):
    path = save(tmp_path / "a", VALUES.transpose(ORDERS[order]).astype("f4"))
    assert isinstance(format_of(path), SAVE[save])
    file = opened(path, SAVE[save], order=order.split(", "), **OPTIONS)
    assert (file.trajectories, file.snapshots, file.space) == (2, 5, (6, 9))
    assert (file.interval, file.time.unit) == (0.25, "h")
    np.testing.assert_array_equal(file.times, 2 + 0.25 * np.arange(5))
    for trajectory, start, stop in ((0, 0, 5), (1, 2, 4)):
        wanted = VALUES[trajectory, start:stop, ::-1].astype("f4")  # v, u
        np.testing.assert_array_equal(file.read(trajectory, start, stop), wanted)


@pytest.mark.parametrize("kind", [">f4", "f2", "f8", "i2", "fortran"])
def test_types_and_orders_of_memory(tmp_path, kind):
    values = np.round(VALUES)
    values = np.asfortranarray(values) if kind == "fortran" else values.astype(kind)
    file = opened(save_npy(tmp_path / "a", values), NumPy, order=ORDER, **OPTIONS)
    np.testing.assert_array_equal(file.read(1, 1, 3), np.round(VALUES)[1, 1:3, ::-1])


def test_lengths_and_coordinates(tmp_path):
    path = save_npy(tmp_path / "a", VALUES)
    y, x = opened(path, NumPy, order=ORDER, lengths=[6.0, 4.5], **OPTIONS).axes
    np.testing.assert_array_equal(y.values, np.arange(6.0))
    np.testing.assert_array_equal(x.values, 0.5 * np.arange(9))
    assert opened(path, NumPy, order=ORDER, **OPTIONS).axes[0].values is None
    path = save_npz(tmp_path / "a", VALUES)
    file = opened(path, NumPy, ["nu"], order=ORDER, lengths=[6.0, 24.0], **OPTIONS)
    np.testing.assert_array_equal(file.axes[1].values, 3.0 * np.arange(9))  # as in the file
    assert file.parameters.tolist() == [[0.01], [0.01]]


def test_an_array_without_channels_and_trajectories(tmp_path):
    path = save_npy(tmp_path / "omega", VALUES[0, :, 0])
    file = TrajectoryFile(path, ("omega",), format=NumPy(order=["time", "y", "x"], interval=1.0))
    np.testing.assert_array_equal(file.read(0, 1, 4)[:, 0], VALUES[0, 1:4, 0].astype("f4"))
    assert (file.trajectories, file.interval) == (1, 1.0)


@pytest.mark.parametrize("save", SAVE)
def test_the_only_array_of_a_file_is_named_by_the_configuration(tmp_path, save):
    """So that arrays in `train.npy` and `val.npy` have one name."""
    path = save(tmp_path / "train", VALUES[0, :, 0])
    format = SAVE[save](order=["time", "y", "x"], channels=["omega"], interval=1.0)
    file = TrajectoryFile(path, ("omega",), format=format)
    np.testing.assert_array_equal(file.read(0, 1, 4)[:, 0], VALUES[0, 1:4, 0].astype("f4"))


@pytest.mark.parametrize("name", ["t", "time"])
def test_times_of_the_file_are_read(tmp_path, name):
    options = {"order": ORDER, "channels": ["u", "v"], "time_units": "h"}
    times = 2.5 + 0.25 * np.arange(5)
    np.savez(tmp_path / "a.npz", fields=VALUES, **{name: times})
    file = opened(tmp_path / "a.npz", NumPy, **options)
    np.testing.assert_array_equal(file.times, times)
    assert file.time.unit == "h"
    torch.save(
        {"fields": torch.from_numpy(VALUES), name: torch.from_numpy(times)}, tmp_path / "a.pt"
    )
    np.testing.assert_array_equal(opened(tmp_path / "a.pt", TorchTensors, **options).times, times)


@pytest.mark.parametrize("save", SAVE)
def test_files_without_times_and_an_interval_are_refused(tmp_path, save):
    path = save(tmp_path / "a", VALUES)
    with pytest.raises(
        ValueError, match=r"holds no times, .*set data\.format\.init_args\.interval"
    ):
        opened(path, SAVE[save], order=ORDER, channels=["u", "v"])


def test_several_arrays_with_channels_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", a=VALUES, b=VALUES + 100)
    with pytest.raises(ValueError, match=r"several arrays with the axes .*, 'b'"):
        opened(tmp_path / "a.npz", NumPy, order=ORDER, **OPTIONS)


def test_tensors_of_other_kinds_are_refused_and_gradients_do_not_matter(tmp_path):
    torch.save(torch.from_numpy(VALUES.copy()).requires_grad_(), tmp_path / "a.pt")
    file = opened(tmp_path / "a.pt", TorchTensors, order=ORDER, **OPTIONS)
    np.testing.assert_array_equal(file.read(0, 0, 2), VALUES[0, :2, ::-1].astype("f4"))
    for tensor in (torch.ones(5, 2).to_sparse(), torch.ones(5, 2, dtype=torch.complex64)):
        torch.save(tensor, tmp_path / "b.pt")
        with pytest.raises(ValueError, match="expected a dense tensor of real numbers"):
            opened(tmp_path / "b.pt", TorchTensors, order=ORDER, **OPTIONS)


def test_views_are_saved_with_their_strides(tmp_path):
    whole = torch.from_numpy(VALUES.copy())
    torch.save(whole.permute(0, 1, 2, 4, 3)[:, 1:4], tmp_path / "a.pt")
    order = ["trajectory", "time", "channel", "x", "y"]
    file = opened(tmp_path / "a.pt", TorchTensors, order=order, **OPTIONS)
    np.testing.assert_array_equal(file.read(1, 0, 3), VALUES[1, 1:4, ::-1].astype("f4"))
    torch.save(whole.bfloat16(), tmp_path / "b.pt")
    file = opened(tmp_path / "b.pt", TorchTensors, order=ORDER, **OPTIONS)
    np.testing.assert_allclose(file.read(1, 0, 3), VALUES[1, :3, ::-1], rtol=8e-3)


@pytest.mark.parametrize("save", SAVE)
def test_without_an_order_the_configuration_is_named(tmp_path, save):
    path = save(tmp_path / "a", VALUES)
    with pytest.raises(ValueError, match=r"\(2, 5, 2, 6, 9\).* without names.*order: \[trajectory"):
        TrajectoryFile(path, ("u",), format=format_of(path))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"order": ["trajectory", "y", "x"]}, "'time' among them"),
        ({"order": ["time", "time", "x"]}, "different names"),
        ({"order": ["time", "channel", "x"]}, "name the axis 'channel'"),
        ({"order": ["time", "x"], "channels": ["u", "v"]}, "name the axis 'channel'"),
        ({"channels": ["u"]}, "name the axis 'channel'"),
        ({"order": ["time", "y", "x"], "lengths": [1.0]}, "has 1 numbers.* axes y, x"),
        ({"order": ["time", "x"], "interval": 0.0}, "interval must be positive, got 0"),
    ],
)
@pytest.mark.parametrize("kind", [NumPy, TorchTensors])
def test_options_that_contradict_each_other_are_refused(kind, options, match):
    with pytest.raises(ValueError, match=match):
        kind(**options)


def test_a_wrong_number_of_channels_is_refused(tmp_path):
    path = save_npy(tmp_path / "a", VALUES)
    with pytest.raises(ValueError, match=r"expected 3 channels \(u, v, w\) along axis 2"):
        opened(path, NumPy, order=ORDER, channels=["u", "v", "w"])


def test_nothing_is_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (exec, ("raise SystemExit('harmed')",))

    np.save(tmp_path / "a.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"a\.npy: 'a' holds Python objects"):
        opened(tmp_path / "a.npy", NumPy, order=ORDER, **OPTIONS)
    torch.save({"u": Bomb()}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"a\.pt cannot be loaded with weights_only=True"):
        opened(tmp_path / "a.pt", TorchTensors, order=ORDER, **OPTIONS)
    torch.save(["u"], tmp_path / "b.pt")
    with pytest.raises(ValueError, match=r"b\.pt holds a list, expected a dense tensor"):
        opened(tmp_path / "b.pt", TorchTensors, order=ORDER, **OPTIONS)


def test_damaged_files_are_named(tmp_path):
    path = save_npy(tmp_path / "a", VALUES)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"a\.npy has \d+ bytes, expected at least"):
        opened(path, NumPy, order=ORDER, **OPTIONS).read(0, 0, 2)
    path.write_bytes(b"\x93NUMPY\x01\x00nothing")
    with pytest.raises(ValueError, match=r"a\.npy is not a readable NumPy file"):
        opened(path, NumPy, order=ORDER, **OPTIONS)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("readme.txt", "text")
    assert not NumPy().recognizes(tmp_path / "a.zip")
    assert not TorchTensors().recognizes(tmp_path / "a.zip")


@pytest.mark.parametrize("save", SAVE)
def test_windows_and_hashes(tmp_path, save):
    name = save(tmp_path / "a", VALUES).name
    one = SplitFiles(name)
    kind = SAVE[save](order=ORDER, **OPTIONS)
    data = [
        TrajectoryDataModule(
            tmp_path, ["u", "v"], train=one, val=one, test=one, storage=storage, format=kind
        )
        for storage in ("stream", "memory")
    ]
    for module in data:
        found = module.trajectories("train").windows([(1, 2), (0, 0)], 3)
        wanted = np.stack([VALUES[1, 2:5], VALUES[0, :3]]).astype("f4")
        np.testing.assert_array_equal(found, wanted)
    assert data[0].contents("train") == data[1].contents("train")
    other = SAVE[save](order=ORDER, **{**OPTIONS, "channels": ["v", "u"]})
    swapped = TrajectoryDataModule(
        tmp_path, ["u", "v"], train=one, val=one, test=one, storage="stream", format=other
    )
    assert swapped.contents("train") != data[0].contents("train")


def test_arrays_of_other_kinds_matter_only_where_they_are_read(tmp_path):
    path = tmp_path / "a.npz"
    names = np.full(VALUES.shape, "text")
    np.savez(path, u=VALUES, names=names, name="text", objects=np.array([{}], dtype=object))
    format = NumPy([*ORDER[:2], "level", "y", "x"], interval=1.0)
    with format.open(path) as contents:
        np.testing.assert_array_equal(contents.variables["u"].values(), VALUES)
        with pytest.raises(ValueError, match=r"a\.npz: 'names' holds values of type <U4"):
            contents.variables["names"].values()


@pytest.mark.parametrize("save", SAVE)
def test_files_of_one_snapshot_are_joined_by_the_numbers_in_their_names(tmp_path, save):
    for number, state in enumerate(VALUES[0]):
        save(tmp_path / f"v2_{5 * number}", state)
    name = f"v2_*{save(tmp_path / 'v2_0', VALUES[0, 0]).suffix}"
    format = SAVE[save](["channel", "y", "x"], ["u", "v"], 0.1, start=3.0, lengths=[6.0, 24.0])
    splits = dict.fromkeys(("train", "val", "test"), SplitFiles(name))
    data = TrajectoryDataModule(tmp_path, ["v", "u"], **splits, format=format)
    (reader,) = data.readers("train")
    np.testing.assert_allclose(reader.times, 3 + 0.5 * np.arange(5))
    np.testing.assert_array_equal(reader.axes[0].values, np.arange(6.0))
    np.testing.assert_array_equal(reader.read(0, 1, 5), VALUES[0, 1:, ::-1].astype("f4"))


@pytest.mark.parametrize("save", SAVE)
def test_a_file_of_one_snapshot_without_a_time_is_refused(tmp_path, save):
    format = SAVE[save](["channel", "y", "x"], ["u", "v"], 0.1)
    match = r"a\.np.|a\.pt holds one snapshot without its time"
    path = save(tmp_path / "a", VALUES[0, 0])
    with pytest.raises(ValueError, match=match), format.open(path):
        pass


def test_times_of_snapshots_are_read(tmp_path):
    np.savez(tmp_path / "a7.npz", u=VALUES[0, 0, 0], time=2.5)
    with NumPy(["y", "x"]).open(tmp_path / "a7.npz") as contents:
        assert contents.variables["time"].values().tolist() == [2.5]
        assert contents.variables["u"].dimensions == ("time", "y", "x")
        np.testing.assert_array_equal(contents.variables["u"].values()[0], VALUES[0, 0, 0])


def test_tensors_that_cannot_be_read_are_named_with_what_they_are(tmp_path):
    path, format = tmp_path / "a.pt", TorchTensors(ORDER, **OPTIONS)
    states = torch.from_numpy(VALUES.copy())

    def refused(match):
        assert isinstance(format_of(path), TorchTensors)
        with pytest.raises(ValueError, match=match), format.open(path):
            pass

    torch.save(states, path, _use_new_zipfile_serialization=False)
    refused(r"a\.pt cannot be loaded .* format of PyTorch before 1\.6; write it")
    torch.save(torch.load(path, weights_only=True), path)  # as the message says
    with format.open(path) as contents:
        np.testing.assert_array_equal(contents.variables["u"].values(), VALUES[:, :, 0])
    torch.save({"x": states[:, 0], "y": states[:, 1]}, path)
    refused(r"a\.pt holds pairs of inputs 'x' and outputs 'y'.*torch\.stack")
    torch.save({"u": VALUES}, path)
    refused(r"since it holds numpy\.\S*reconstruct, expected tensors; write")
    torch.save({"u": object()}, path)
    refused(r"since it holds \S+, expected tensors; write")


def test_the_note_on_compression_is_printed_once_per_folder(tmp_path, capsys):
    for number in range(3):
        path = save_compressed(tmp_path / f"a_{number}", VALUES)
        opened(path, NumPy, order=ORDER, **OPTIONS)
    assert capsys.readouterr().err.count("compressed") == 1


def test_compressed_arrays_take_little_memory_in_all(tmp_path, monkeypatch):
    last = LastArrays(most=2 * VALUES.nbytes)
    monkeypatch.setattr("datamodules.files.loaded_array.LOADED", last)
    load, files, arrays = numpy_arrays._load, [], []

    def recorded(*args):
        values = load(*args)
        arrays.append(weakref.ref(values))
        return values

    monkeypatch.setattr(numpy_arrays, "_load", recorded)
    for number in range(5):
        path = save_compressed(tmp_path / f"a_{number}", VALUES + number)
        files.append(opened(path, NumPy, order=ORDER, **OPTIONS))
    for number in (*range(5), *range(5)):
        read = files[number].read(1, 2, 4)
        np.testing.assert_allclose(read, (VALUES + number)[1, 2:4, ::-1], rtol=1e-6)
        assert last.bytes <= 2 * VALUES.nbytes
    assert sum(array() is not None for array in arrays) == 2


def test_compressed_files_that_are_replaced_while_they_are_read_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("datamodules.files.loaded_array.LOADED", LastArrays(most=0))
    paths = [save_compressed(tmp_path / name, VALUES) for name in "ab"]
    files = [opened(path, NumPy, order=ORDER, **OPTIONS) for path in paths]
    for file in files:
        file.read(0, 0, 1)
    save_compressed(tmp_path / "a", VALUES[:, :-1])
    with pytest.raises(OSError, match=r"a\.npz was replaced while it was being read"):
        files[0].read(0, 0, 1)


def test_arrays_of_other_sizes_do_not_share_coordinates(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, u=VALUES[0, :, 0], fine=np.ones((7, 6, 18)))
    format = NumPy(["time", "y", "x"], interval=0.5, lengths=[6.0, 9.0])
    file = TrajectoryFile(path, ("fine",), format=format)
    np.testing.assert_array_equal(file.axes[1].values, 0.5 * np.arange(18))
    with pytest.raises(ValueError, match=r"'u' has dimensions \(time_5, y, x_9\), expected"):
        TrajectoryFile(path, ("u",), format=format)
    names = Dimensions(time="time_5", space=("y", "x_9"))
    file = TrajectoryFile(path, ("u",), names, format=format, interval=0.5)
    np.testing.assert_array_equal(file.read(0, 0, 5)[:, 0], VALUES[0, :, 0].astype("f4"))
    assert file.axes[1].values is None


@pytest.mark.parametrize("name", ["t", "x"])
def test_coordinates_of_another_length_are_refused(tmp_path, name):
    path = tmp_path / "a.npz"
    np.savez(path, u=VALUES[0, :, 0], **{name: np.arange(10.0)})
    with (
        pytest.raises(ValueError, match=rf"a\.npz: '{name}' has 10 values, expected \d, as many"),
        NumPy(["time", "y", "x"], interval=0.5).open(path),
    ):
        pass


def test_a_tensor_with_a_lazy_sign_is_read_as_pytorch_reads_it(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(torch.complex(torch.zeros(5, 4), torch.ones(5, 4)).conj().imag, path)
    with TorchTensors(["time", "x"], interval=1.0).open(path) as contents:
        np.testing.assert_array_equal(contents.variables["a"].values(), -np.ones((5, 4)))
