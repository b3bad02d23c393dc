"""Prefetching data loader that records the time spent waiting for data."""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from torch.utils.data import DataLoader, Sampler

from datamodules.windows import WindowDataset


class WindowLoader(DataLoader):
    """Data loader of training windows.

    Args:
        windows: Training windows.
        batch_size: Number of windows per batch.
        sampler: Order of the windows.
        workers: Number of processes that read; 0 reads in this process.
        ahead: Number of batches that a thread of this process reads in advance, if there are no
            workers.
        pin_memory: If True, batches are in page-locked memory, from which a GPU can copy them
            while it computes.

    Attributes:
        waited: Time that training has waited for batches [s].
    """

    def __init__(
        self,
        windows: WindowDataset,
        batch_size: int,
        sampler: Sampler[int],
        workers: int = 0,
        ahead: int = 2,
        pin_memory: bool = False,
    ) -> None:
        super().__init__(
            windows,
            batch_size=batch_size,
            sampler=sampler,
            drop_last=len(sampler) >= batch_size,
            num_workers=workers,
            collate_fn=unchanged,
            persistent_workers=workers > 0,
            pin_memory=pin_memory,
        )
        self.ahead = 0 if workers else ahead
        self.waited = 0.0

    def __iter__(self) -> Iterator[Any]:
        batches = super().__iter__()
        batches = read_ahead(batches, self.ahead) if self.ahead else batches
        while True:
            began = time.perf_counter()
            batch = next(batches, END)
            self.waited += time.perf_counter() - began
            if batch is END:
                return
            yield batch


END = object()


def read_ahead(items: Iterator[Any], count: int) -> Iterator[Any]:
    """Yield the items of an iterator; a thread prepares up to `count` of them in advance."""
    with ThreadPoolExecutor(1, thread_name_prefix="read ahead") as thread:
        try:
            ready = deque(thread.submit(next, items, END) for _ in range(count))
            while (item := ready.popleft().result()) is not END:
                ready.append(thread.submit(next, items, END))
                yield item
        finally:
            thread.shutdown(wait=False, cancel_futures=True)


def unchanged(batch: object) -> object:
    """Return a batch unchanged, as `collate_fn` of a data set whose items are batches already."""
    return batch
