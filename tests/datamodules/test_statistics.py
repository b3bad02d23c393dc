import numpy as np
import pytest
import torch
import xarray
from torch.testing import assert_close

from datamodules import SplitFiles, TrajectoryDataModule
from datamodules.statistics import accumulate


def test_statistics_equal_those_of_the_whole_set():
    data = torch.randn(40, 2, 6, 6) * torch.tensor([3.0, 0.1])[:, None, None] + 500.0
    statistics = accumulate(data.split(40))
    whole = data.movedim(1, 0).flatten(1)
    assert_close(statistics.mean, whole.mean(1).float())
    assert_close(statistics.std, whole.std(1, correction=0).float())
    change = (data[1:] - data[:-1]).movedim(1, 0).flatten(1)
    assert_close(statistics.increment_std, change.square().mean(1).sqrt().float())


def test_chunks_of_unequal_size_count_by_their_size():
    data = torch.randn(10, 1, 4, 4)
    data[7:] += 10
    one, many = accumulate([data]), accumulate(data.split(7))
    assert_close(many.mean, one.mean)
    assert_close(many.std, one.std)


def test_constant_channel_is_refused():
    data = torch.randn(10, 2, 4, 4)
    data[:, 1] = 3
    with pytest.raises(ValueError, match="Channel 1 of the training data is constant"):
        accumulate([data])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("block", [1, 300, 2**18])
def test_statistics_do_not_depend_on_how_the_snapshots_are_cut(monkeypatch, size, block):
    monkeypatch.setattr("datamodules.statistics.BLOCK", block)
    lengths, rng = [5, 1, 0, 9, 4], np.random.default_rng(0)
    trajectories = [
        np.cumsum(rng.normal(3, 1, (n, 2, 4, 6)), 0) * [[[1.0]], [[40.0]]] - 9 for n in lengths
    ]
    chunks = [torch.from_numpy(t).float() for t in trajectories if len(t)]
    found = accumulate([part for chunk in chunks for part in chunk.split(size)], lengths)
    values = np.concatenate(trajectories)
    changes = np.concatenate([np.diff(t, axis=0) for t in trajectories])
    for channel in range(2):
        own = float(found.mean[channel]), float(found.std[channel])
        wanted = values[:, channel].mean(), values[:, channel].std()
        np.testing.assert_allclose(own, wanted, rtol=1e-6)
        change = np.sqrt((changes[:, channel] ** 2).mean())
        np.testing.assert_allclose(float(found.increment_std[channel]), change, rtol=1e-6)


def test_data_are_left_as_they_are():
    data = torch.randn(10, 2, 4, 4, dtype=torch.float64)
    before = data.clone()
    accumulate(data.split(3))
    assert torch.equal(data, before)


@pytest.mark.parametrize(("mean", "noted"), [(3.0, False), (-101325.0, True), (0.0, False)])
def test_a_channel_that_loses_its_digits_in_float32_is_noted(tmp_path, capsys, mean, noted):
    """At 101325, numbers are 1/128 apart; ±0.05 are stored as ±6 of these steps."""
    signs = np.random.default_rng(0).choice([-0.05, 0.05], (1, 6, 8))
    changes = signs * (-1.0) ** np.arange(400)[:, None, None]
    axes = ("time", "y", "x")
    data = xarray.Dataset({"w": (axes, 2 + 30 * changes), "p": (axes, mean + changes)})
    data["p"].attrs["units"] = "Pa"
    data.assign_coords(time=np.arange(400.0)).to_netcdf(tmp_path / "a.nc")
    module = TrajectoryDataModule(tmp_path, ["w", "p"], train=SplitFiles("a.nc"))
    module.statistics  # noqa: B018
    said = capsys.readouterr().err
    assert "'w'" not in said
    assert ("'p' changes by 0.09375 Pa" in said and "are 0.007812 Pa apart" in said) == noted
