import math
import os
from types import SimpleNamespace

import netCDF4
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from datamodules import Dimensions, Observations, Range, Rollouts, SplitFiles, TrajectoryDataModule
from datamodules.files.trajectory_file import TrajectoryFile
from datamodules.solvers import Grid
from tests.datamodules.files import write_file


def fake_trainer(drawn=0):
    """What the data module asks of a trainer: the emulator's window, the batches so far."""
    progress = SimpleNamespace(total=SimpleNamespace(ready=drawn))
    loop = SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=progress))
    return SimpleNamespace(
        lightning_module=SimpleNamespace(window=4, timed=False),
        fit_loop=loop,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
        world_size=1,
        num_devices=1,
        global_rank=0,
    )


@pytest.fixture
def root(tmp_path):
    for seed, split in enumerate(("train", "val", "test")):
        write_file(tmp_path / split / "a.nc", (3, 40, 8, 8), seed=seed)
    return tmp_path


def module(root, drawn=0, **options):
    data = TrajectoryDataModule(root, **options)
    data.trainer = fake_trainer(drawn)
    return data


@pytest.mark.parametrize("storage", ["memory", "shared", "device", "stream"])
@pytest.mark.parametrize("workers", [0, 2])
def test_training_batches_have_the_window_of_the_emulator(root, storage, workers):
    loader = module(root, batch_size=5, storage=storage, workers=workers).train_dataloader()
    batches = list(loader)
    assert all(batch.shape == (5, 4, 1, 8, 8) for batch in batches)
    assert len(batches) == 3 * 37 // 5


def test_order_of_windows_follows_the_seed(root):
    first, again, other = (
        next(iter(module(root, seed=seed).train_dataloader())) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_resumed_loader_continues_the_order(root):
    whole = list(module(root, batch_size=5).train_dataloader())
    resumed = list(module(root, drawn=8, batch_size=5).train_dataloader())
    assert len(resumed) == len(whole) - 8
    assert all(torch.equal(a, b) for a, b in zip(resumed, whole[8:], strict=True))


def test_every_epoch_has_another_order(root):
    per_epoch = 3 * 37 // 5
    first = next(iter(module(root, batch_size=5).train_dataloader()))
    second = next(iter(module(root, drawn=per_epoch, batch_size=5).train_dataloader()))
    assert not torch.equal(first, second)
    assert len(list(module(root, drawn=per_epoch, batch_size=5).train_dataloader())) == per_epoch


def test_rollouts_start_from_their_own_split(root):
    plan = Rollouts(initial_conditions=6, steps=30, truth_steps=5, batch_size=4)
    data = module(root, val_rollouts=plan, test_rollouts=plan)
    for split in ("val", "test"):
        batches = list(getattr(data, f"{split}_dataloader")())
        assert [len(batch.index) for batch in batches] == [4, 2]
        expected = data.trajectories(split).read(0, 0, 1)
        assert_close(batches[0].initial[:1], expected)


def test_statistics_are_those_of_the_training_split(root):
    data = module(root)
    values = torch.cat(list(data.trajectories("train").chunks("all")))
    assert_close(data.statistics.mean, values.mean().reshape(1), atol=1e-6, rtol=1e-5)
    assert_close(data.statistics.std, values.std(correction=0).reshape(1), atol=1e-6, rtol=1e-5)


def test_shape_grid_and_interval_are_known_from_any_split(root):
    data = module(root)
    assert data.describe().shape == (8, 8)
    assert data.describe().grid == Grid((8, 8), (2.0, 2.0))
    assert data.describe().interval == 0.5
    assert (data.channels, data.dimensions) == (1, 2)
    assert data.describe().fields[0].name == "vorticity"


def test_several_variables_become_channels(tmp_path):
    write_file(tmp_path / "train/a.nc", (30, 16), ("u", "h"), ("time", "x"), lengths=(1.0,))
    data = module(tmp_path, variables=["u", "h"], dimensions=Dimensions(space=("x",)))
    assert (data.channels, data.dimensions) == (2, 1)
    assert next(iter(data.train_dataloader())).shape == (8, 4, 2, 16)


def test_one_file_can_serve_all_splits_by_ranges(tmp_path):
    write_file(tmp_path / "all.nc", (40, 8, 8), dims=("time", "y", "x"))
    data = module(
        tmp_path,
        train=SplitFiles("all.nc", times=Range(0, 20)),
        test=SplitFiles("all.nc", times=Range(25)),
    )
    assert data.trajectories("train").lengths == [20]
    assert data.trajectories("test").lengths == [15]


def test_references_are_of_the_part_of_the_files_that_a_split_takes(root):
    def snapshots(stop):
        data = module(root, train=SplitFiles("train/a.nc", times=Range(0, stop)))
        count = data.trajectories("train").snapshots
        return data.reference("train", {"name": "count"}, lambda: {"count": np.array(count)})

    assert [snapshots(stop)["count"] for stop in (20, 30, 20)] == [60, 90, 60]


def test_shared_files_are_of_the_part_of_the_files_that_a_split_takes(root):
    for stop in (20, 30, 20):
        data = module(root, storage="shared", train=SplitFiles("train/a.nc", times=Range(0, stop)))
        assert data.trajectories("train").storage.values.shape == (3 * stop, 1, 8, 8)
    write_file(root / "train" / "a.nc", (3, 40, 8, 8), ("vorticity", "height"))
    for names in (["vorticity", "height"], ["height", "vorticity"]):
        data = module(root, storage="shared", variables=names)
        file = data.readers("train")[0]
        found = data.trajectories("train").read(1, 2, 3)
        assert_close(found, torch.from_numpy(file.read(1, 2, 3)), check_dtype=False)
    assert len(list((root / "shared").glob("train-*.float32"))) == 4


@pytest.mark.parametrize("storage", ["memory", "shared", "device", "stream"])
def test_storages_give_the_same_batches(root, storage):
    seen = {"observations": Observations(times=(0.5,)), "parameters": ["run"]}
    with netCDF4.Dataset(root / "train" / "a.nc", "a") as file:
        file.createVariable("run", "f8", ("trajectory",))[:] = [3.0, 5.0, 7.0]
    batches = []
    for kind in ("stream", storage):
        data = module(root, storage=kind, batch_size=2, **seen)
        data.trainer.lightning_module = SimpleNamespace(window=3, timed=True, sparse=True)
        batches.append(list(data.train_dataloader()))
    for wanted, found in zip(*batches, strict=True):
        assert_close(found.states, wanted.states, rtol=0, atol=0, equal_nan=True)
        assert torch.equal(found.parameters, wanted.parameters)
        assert torch.equal(found.times, wanted.times)
    assert torch.isnan(found.states).any()


def test_run_is_told_where_the_training_windows_are(root):
    data = module(root, storage="device")
    data.train_dataloader()
    assert data.trajectories("train").location.startswith("30 KiB, loaded onto cpu (")
    assert module(root, storage="stream").trajectories("train").location == (
        "30 KiB, streamed from the files (data.storage: stream)"
    )


def test_missing_files_are_named_with_their_pattern(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No files match .*train/\*.nc: set data.root"):
        module(tmp_path).readers("train")


def test_splits_that_disagree_are_refused(root):
    write_file(root / "test" / "a.nc", (3, 40, 8, 16))
    data = module(root)
    data.readers("train")
    with pytest.raises(ValueError, match=r"a grid of \(8, 16\)"):
        data.readers("test")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (SplitFiles("train/*.nc", times=Range(100)), "0 snapshots in the range"),
        (SplitFiles("train/*.nc", times=Range(39)), "1 snapshots in the range"),
        (SplitFiles("train/*.nc", times=Range(9, 3)), "0 snapshots in the range"),
        (SplitFiles("train/*.nc", Range(10)), "no trajectory in the range 10 to None"),
    ],
)
def test_a_split_of_nothing_is_refused(root, source, words):
    with pytest.raises(ValueError, match=words):
        module(root, train=source).trajectories("train")


def test_no_space_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"data.dimensions.space must name"):
        TrajectoryDataModule(tmp_path, dimensions=Dimensions(space=()))


def test_pieces_of_a_trajectory_are_its_snapshots_in_order(root):
    train = module(root).trajectories("train")
    pieces = list(train.pieces_of(1, 7))
    assert [len(piece) for piece in pieces] == [7, 7, 7, 7, 7, 5]
    assert torch.equal(torch.cat(pieces), train.read(1, 0, 40))


def test_no_variables_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"data.variables must name at least one"):
        TrajectoryDataModule(tmp_path, variables=[])


def test_hash_of_a_split_follows_its_content(root):
    before = module(root).content_hash("test")
    assert module(root).content_hash("test") == before
    write_file(root / "test" / "a.nc", (3, 40, 8, 8), seed=9)
    assert module(root).content_hash("test") != before


def test_missing_data_are_generated_and_contradicting_ones_refused(tmp_path):
    from tests.datamodules.test_generate import flame

    options = {"variables": ["u"], "dimensions": Dimensions(space=("x",))}
    data = module(tmp_path, generator=flame(), **options)
    data.prepare_data()
    assert data.trajectories("train").lengths == [120] * 5
    assert math.isclose(data.describe().grid.lengths[0], 22.0)
    assert math.isclose(data.describe().interval, 0.5)
    with pytest.raises(ValueError, match="made with other settings"):
        module(tmp_path, generator=flame(seed=1), **options).prepare_data()


def test_hash_follows_the_data_whatever_their_attributes_say(root):
    def found():
        return module(root).content_hash("train")

    before = found()
    assert found() == before
    assert (root / "reference" / "hashes.json").is_file()
    path = root / "train" / "a.nc"
    with netCDF4.Dataset(path, "a") as dataset:
        dataset.setncattr("content_hash", "a" * 64)
    assert found() == before
    with netCDF4.Dataset(path, "a") as dataset:
        dataset["vorticity"][0, 0, 0, 0] += 1
    assert found() != before


def test_hash_is_kept_until_a_file_changes(root, monkeypatch):
    module(root).content_hash("train")
    monkeypatch.setattr(TrajectoryFile, "compute_hash", lambda file: pytest.fail("was known"))
    module(root).content_hash("train")
    os.utime(root / "train" / "a.nc")
    with pytest.raises(pytest.fail.Exception, match="was known"):
        module(root).content_hash("train")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members": 0}, "members of data.val_rollouts, .* at least 1, got 0"),
        ({"initial_noise": 0.1}, "got members=1, initial_noise=0.1"),
    ],
)
def test_ensembles_need_members_and_noise(options, message):
    with pytest.raises(ValueError, match=message):
        Rollouts(**options)


@pytest.mark.parametrize("storage", ["stream", "memory"])
def test_missing_value_of_the_validation_split_is_found_before_training(root, storage):
    data = TrajectoryDataModule(root, storage=storage)
    data.trainer = SimpleNamespace(limit_val_batches=1.0, num_devices=1)
    data.setup("fit")
    path = root / "val" / "a.nc"
    with netCDF4.Dataset(path, "a") as file:
        file["vorticity"][-1, -1, 2, 3] = np.nan
    data = TrajectoryDataModule(root, storage=storage)
    data.trainer = SimpleNamespace(limit_val_batches=1.0, num_devices=1)
    with pytest.raises(ValueError, match=rf"{path.name}: .* not finite at .* point \(2, 3\)"):
        data.setup("fit")
    data.trainer.limit_val_batches = 0
    data.setup("fit")  # which will not read it
    data.setup("test")
