"""Number of samples and threads that a CPU processes together.

Trajectories do not interact, so many steps of a few of them in the cache beat one step of all of
them through memory (2.3 times at 16 trajectories of 256²), and parts of a batch side by side, each
on one thread, beat threads that share every operation (1.2 times at 16 trajectories of 128² on two
cores). On a GPU nothing here applies.

The bits of a result must not depend on the number of threads, as the last of them decides which
trajectory a chaotic system takes. In large arrays each thread computes a share, and numbers that
are left over in its last vector are rounded differently. For transforms see `fourier`.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

CACHE_NUMBERS = 2**16  # complex numbers of one state array that stay in the cache with their stages
SINGLE_THREAD_POINTS = 2**12  # of a grid
SMALL_AXIS = 64  # points of the last axis up to which several threads transform in another way
VECTOR = 16  # numbers; a share of whole vectors is rounded as a whole array


@contextmanager
def at_most(threads: int) -> Iterator[None]:
    """Use at most a number of threads within a `with` block.

    Args:
        threads: Number of threads.

    Example:
        >>> with at_most(1):
        ...     torch.get_num_threads()
        1
    """
    before = torch.get_num_threads()
    if threads >= before:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def one_thread_without_gradients(device: torch.device) -> AbstractContextManager[None]:
    """Use one thread within a `with` block on a CPU, unless gradients are recorded.

    Args:
        device: Device of what is computed.

    Example:
        >>> with torch.no_grad(), one_thread_without_gradients(torch.device("cpu")):
        ...     torch.get_num_threads()
        1
    """
    if device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return nullcontext()
    return at_most(1)


def threads_for(shape: Sequence[int], device: torch.device) -> AbstractContextManager[None]:
    """Use as many threads within a `with` block as give the bits of a single one.

    These are one thread on small grids and on grids that vectors do not divide, and else a power of
    two.

    Args:
        shape: Number of points of the grid along each axis. The number of fields does not count, so
            that a field is computed alike in every batch.
        device: Device of the fields. On others than a processor nothing is done.

    Example:
        >>> with threads_for((64, 64), torch.device("cpu")):
        ...     torch.get_num_threads()
        1
    """
    if device.type != "cpu" or torch.compiler.is_compiling():
        return nullcontext()
    small = math.prod(shape) <= SINGLE_THREAD_POINTS or shape[-1] <= SMALL_AXIS
    if small or any(points % VECTOR for points in shape):
        return at_most(1)
    return at_most(2 ** int(math.log2(torch.get_num_threads())))


def by_parts(function: Callable[[Tensor], Tensor], batch: Tensor) -> Tensor:
    """Return a function of a batch whose samples do not interact, on a CPU computed by parts.

    The parts fit into the cache, and do not depend on the number of threads. Where no gradient is
    recorded, they are computed side by side, each on one of PyTorch's threads.

    Args:
        function: Function of a batch (batch, ...) that returns a batch of as many samples.
        batch: Batch of samples.

    Example:
        >>> by_parts(torch.square, torch.tensor([[1.0], [2.0]])).flatten().tolist()
        [1.0, 4.0]
    """
    if batch.device.type != "cpu" or torch.compiler.is_compiling():
        return function(batch)
    parts = batch.tensor_split(min(len(batch), -(-batch.numel() // CACHE_NUMBERS)) or 1)
    threads = torch.get_num_threads()
    workers = min(threads, len(parts), free_cores())
    if workers == 1 or torch.is_grad_enabled():
        return torch.cat([function(part) for part in parts])
    inference = torch.is_inference_mode_enabled()

    def alone(part: Tensor) -> Tensor:
        torch.set_num_threads(1)  # of this thread, and of threads that begin later
        with torch.inference_mode(inference), torch.no_grad():
            return function(part)

    try:
        with ThreadPoolExecutor(workers) as pool:
            return torch.cat(list(pool.map(alone, parts)))
    finally:
        torch.set_num_threads(threads)


def free_cores() -> int:
    """Return the number of cores on which new threads of this one may run.

    Example:
        With `OMP_PROC_BIND=true` this is one core, on which parts side by side would wait for each
        other:

        >>> free_cores() >= 1
        True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
