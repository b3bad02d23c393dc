import pytest
import torch
from torch.testing import assert_close

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
