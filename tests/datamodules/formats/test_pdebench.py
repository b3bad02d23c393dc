"""Files of PDEBench, as its scripts write and its readers read them."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from datamodules import Dimensions, PDEBench, SplitFiles, TrajectoryDataModule
from datamodules.files.formats.detect import format_of
from datamodules.files.trajectory_file import TrajectoryFile

LAYOUTS = Path(__file__).parents[1] / "layouts"
RANDOM = np.random.default_rng(0)


def opened(path, names, space, parameters=(), order=()):
    return TrajectoryFile(path, names, Dimensions(space=space), parameters, format=PDEBench(order))


def values(file):
    return np.stack([file.read(k, 0, file.snapshots) for k in range(file.trajectories)])


def test_one_tensor_with_a_leading_axis_and_one_time_too_many():
    path, read = LAYOUTS / "pdebench_burgers.hdf5", np.load(LAYOUTS / "pdebench_burgers.npz")
    assert isinstance(format_of(path), PDEBench)
    file = opened(path, ["tensor"], ("x-coordinate",), ["Nu"])
    np.testing.assert_array_equal(values(file), read["fields"])
    np.testing.assert_allclose(file.times, read["times"], rtol=1e-6)
    assert file.parameters.tolist() == [[0.01]] * 3
    np.testing.assert_allclose(file.axes[0].values, (np.arange(24) + 0.5) / 24, rtol=1e-6)


def test_one_group_per_sample():
    path = LAYOUTS / "pdebench_shallow_water.h5"
    read = np.load(LAYOUTS / "pdebench_shallow_water.npz")
    assert isinstance(format_of(path), PDEBench)
    file = opened(path, ["h"], ("x", "y"), ["dam_radius"])
    np.testing.assert_array_equal(values(file), read["fields"].swapaxes(-1, -2))  # y, x
    np.testing.assert_allclose(file.times, read["times"])
    assert len({radius for (radius,) in file.parameters.tolist()}) == file.trajectories


def grouped(path, shape, names="xy", config="sim:\n  Du: 0.1\n", count=3, numbers=(2, 10, 9)):
    """Write samples (t, *space, channel) whose groups do not sort by their names."""
    samples = RANDOM.normal(size=(count, *shape)).astype("f4")
    with h5py.File(path, "w") as file:
        for number, sample in zip(numbers, samples, strict=False):
            group = file.create_group(str(number))
            group["data"] = sample
            group.attrs["config"] = config + f"  seed: {number}\n"
            group["grid/t"] = 0.5 * np.arange(shape[0])
            for name, size in zip(names, shape[1:], strict=False):
                group[f"grid/{name}"] = np.arange(size) + 0.5
    order = np.argsort(numbers[:count])
    return samples[order]


@pytest.mark.parametrize(
    ("names", "config", "order"),
    [
        ("yx", "sim:\n  Du: 0.1\n", ()),  # diffusion-reaction
        ("xy", "sim:\n  gravity: 1.0\n", ()),  # shallow water
        ("yx", "", ("y", "x")),
        ("xy", "", ("x", "y")),
    ],
)
@pytest.mark.parametrize("size", [6, 8])
def test_order_of_the_axes_by_sizes_settings_or_the_option(tmp_path, names, config, order, size):
    """On a square grid sizes do not tell, and on another they tell alone."""
    samples = grouped(tmp_path / "a.h5", (5, 6, size, 2), names, config)
    names_of = ["u", "v"] if "Du" in config else ["channel_0", "channel_1"]
    file = opened(tmp_path / "a.h5", names_of, ("y", "x"), order=order)
    wanted = samples.transpose(0, 1, 4, 2, 3)
    np.testing.assert_array_equal(values(file), wanted if names == "yx" else wanted.swapaxes(3, 4))


def test_an_order_that_is_not_known_is_refused(tmp_path):
    grouped(tmp_path / "a.h5", (5, 6, 6, 2), config="")
    with pytest.raises(ValueError, match=r"order of the axes is not known; set data\.format"):
        opened(tmp_path / "a.h5", ["channel_0"], ("x", "y"))
    grouped(tmp_path / "b.h5", (5, 6, 8, 2))
    with pytest.raises(ValueError, match=r"\(6, 8\) points and the grid"):
        opened(tmp_path / "b.h5", ["u"], ("x", "y"), order=["y", "x"])


def test_samples_that_differ_in_length_are_refused(tmp_path):
    grouped(tmp_path / "a.h5", (5, 6, 8, 2))
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file["9/data"]
        file["9/data"] = np.zeros((4, 6, 8, 2))
    with pytest.raises(ValueError, match=r"a\.h5: '9/data' has the shape \(4, 6, 8, 2\)"):
        opened(tmp_path / "a.h5", ["u"], ("x", "y"))


def test_one_data_set_per_field(tmp_path):
    fields = {name: RANDOM.normal(size=(2, 4, 5, 7)).astype("f4") for name in ("density", "Vx")}
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        for name, field in fields.items():
            file[name] = field
        file["t-coordinate"] = 0.05 * np.arange(5, dtype="f4")
        file["x-coordinate"] = (np.arange(5, dtype="f4") + 0.5) / 5
        file["y-coordinate"] = (np.arange(7, dtype="f4") + 0.5) / 7
        file.attrs["eta"] = 0.01
    space = ("x-coordinate", "y-coordinate")
    file = opened(tmp_path / "a.hdf5", ["Vx", "density"], space, ["eta"])
    assert [axis.name for axis in file.axes] == ["y-coordinate", "x-coordinate"]
    wanted = np.stack([fields["Vx"], fields["density"]], 2).swapaxes(-1, -2)
    np.testing.assert_array_equal(values(file), wanted)
    assert (file.snapshots, round(file.interval, 6)) == (4, 0.05)


def test_incompressible_flow(tmp_path):
    velocity = RANDOM.normal(size=(2, 4, 5, 7, 2)).astype("f4")
    particles = 1e3 * RANDOM.normal(size=(2, 4, 5, 7, 1)).astype("f4")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["velocity"], file["particles"] = velocity, particles
        file["force"] = RANDOM.normal(size=(2, 5, 7, 2))
        file["t"] = np.tile(0.25 * np.arange(4.0), (2, 1))
        file.attrs["config"] = "NU: 0.01\nname: text\n"
    file = opened(tmp_path / "a.h5", ["particles", "velocity_y"], ("x", "y"), ["NU"])
    wanted = np.stack([particles[..., 0], velocity[..., 1]], 2).swapaxes(-1, -2)
    np.testing.assert_array_equal(values(file), wanted)
    assert file.parameters.tolist() == [[0.01], [0.01]]
    file.close()
    with h5py.File(tmp_path / "a.h5", "a") as changed:
        changed["t"][1] += 1
    with pytest.raises(ValueError, match="times 't' of its samples differ"):
        opened(tmp_path / "a.h5", ["particles"], ("x", "y"))


def test_maps_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["tensor"], file["nu"] = np.zeros((2, 1, 5, 7)), np.zeros((2, 5, 7))
        file["x-coordinate"], file["y-coordinate"] = np.arange(5.0), np.arange(7.0)
    with pytest.raises(ValueError, match=r"a\.hdf5 has no t-coordinate"):
        opened(tmp_path / "a.hdf5", ["tensor"], ("x", "y"))


@pytest.mark.parametrize("storage", ["stream", "memory"])
def test_windows_are_the_same_from_any_storage(tmp_path, storage):
    samples = grouped(tmp_path / "a.h5", (5, 6, 8, 2)).transpose(0, 1, 4, 3, 2)
    one = SplitFiles("a.h5")
    data = TrajectoryDataModule(
        tmp_path, ["u", "v"], periodic=True, train=one, val=one, test=one, storage=storage
    )
    found = data.trajectories("train").windows([(2, 1), (0, 3)], 2)
    np.testing.assert_array_equal(found, np.stack([samples[2, 1:3], samples[0, 3:5]]))


@pytest.mark.parametrize(
    ("axis", "values", "said"),
    [
        ("t", 0.2 * np.arange(5), "is 0.8 at point 4, '2/grid/t' 2"),
        ("x", 2.0 * np.arange(6) + 1, "is 11 at point 5, '2/grid/x' 5.5"),
        ("y", np.arange(7), "has 7 values, '2/grid/y' 8"),
        ("y", None, "has no values"),
    ],
)
def test_samples_on_other_axes_are_refused(tmp_path, axis, values, said):
    grouped(tmp_path / "a.h5", (5, 6, 8, 2))
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file[f"10/grid/{axis}"]
        if values is not None:
            file[f"10/grid/{axis}"] = values
    with pytest.raises(ValueError, match=f"10/grid/{axis}' {said}"):
        opened(tmp_path / "a.h5", ["u"], ("y", "x"))


@pytest.mark.parametrize(
    ("axis", "size"), [("t", 4), ("t", 7), ("x", 7), ("x", 9), ("y", 11), ("y", 13)]
)
def test_coordinates_of_another_length_than_the_field_are_refused(tmp_path, axis, size):
    sizes = {"t": 6, "x": 8, "y": 12} | {axis: size}  # the times may be one more than 5
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["u"] = np.zeros((2, 5, 8, 12))
        for name, count in sizes.items():
            file[f"{name}-coordinate"] = np.arange(count)
    with pytest.raises(ValueError, match=f"has {size} values, but the fields have"):
        opened(tmp_path / "a.hdf5", ["u"], ("x-coordinate", "y-coordinate"))
