"""Number of samples and threads that a CPU processes together.

Trajectories do not interact, so many steps of a few of them in the cache beat one step of all of
them through memory (2.3 times at 16 trajectories of 256²); and a second thread costs more than it
saves on a field as small as 64². Measured on two cores; on a GPU nothing here applies.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

CACHE_NUMBERS = 2**16  # complex numbers of one state array that stay in the cache with their stages
SINGLE_THREAD_NUMBERS = 2**12


def cache_sized_parts(state: Tensor) -> tuple[Tensor, ...]:
    """Split a batch (batch, ...) on a CPU into parts that fit into its cache; keep others whole."""
    if state.device.type != "cpu":
        return (state,)
    members = max(1, CACHE_NUMBERS * len(state) // max(1, state.numel()))
    return state.split(members)


@contextmanager
def threads_for(state: Tensor) -> Iterator[None]:
    """Use a single thread within a `with` block if a state is too small for several."""
    threads = torch.get_num_threads()
    if state.device.type != "cpu" or state.numel() > SINGLE_THREAD_NUMBERS or threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
