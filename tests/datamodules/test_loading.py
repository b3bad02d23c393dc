import threading
import time

import pytest
import torch
from torch.utils.data import SequentialSampler

from datamodules.loading import WindowLoader, read_ahead
from datamodules.trajectories import Trajectories
from datamodules.windows import WindowDataset


def test_what_is_read_ahead_comes_in_order():
    assert list(read_ahead(iter(range(7)), 3)) == list(range(7))
    assert list(read_ahead(iter(()), 3)) == []


def test_another_thread_reads_before_it_is_asked():
    readers, third = [], threading.Event()

    def items():
        for number in range(9):
            readers.append(threading.current_thread())
            if number == 2:
                third.set()
            yield number

    ahead = read_ahead(items(), 2)
    assert next(ahead) == 0
    assert third.wait(5)  # the one in hand and two more
    ahead.close()
    assert len(readers) <= 4
    assert threading.current_thread() not in readers


def test_error_of_the_reading_thread_arrives():
    def items():
        yield 1
        raise ValueError("a.nc is not finite")

    ahead = read_ahead(items(), 2)
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="not finite"):
        next(ahead)


class Slow(WindowDataset):
    def __getitems__(self, indices):
        time.sleep(0.05)
        return super().__getitems__(indices)


def test_waiting_is_counted_and_reading_ahead_shortens_it(files):
    windows = Slow(Trajectories(files), 17)  # 4 trajectories of 20 snapshots: 16 windows
    waited, batches = [], []
    for ahead in (0, 2):
        loader = WindowLoader(windows, 4, SequentialSampler(windows), ahead=ahead)
        batches.append([(batch, time.sleep(0.1))[0] for batch in loader])
        waited.append(loader.waited)
    assert all(torch.equal(a, b) for a, b in zip(*batches, strict=True))
    assert len(batches[0]) == 4
    assert waited[0] >= 4 * 0.05
    assert waited[1] < 2.5 * 0.05  # only the first batch is waited for
