"""Rollouts whose backward pass computes states again in place of keeping them.

A rollout of N steps keeps something of each step. Cut into segments of k steps, it keeps the
first state of each segment, N/k in all, and the k steps of the segment that is being
differentiated. Memory is least at k = √N, and grows as √N. Every step is computed once more.

Reference: A. Griewank, Optim. Methods Softw. 1 (1992) 35-54; torch.utils.checkpoint.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Step = Callable[[Tensor, int], Tensor]


class Checkpointing(ABC):
    """Choice of the states that a rollout keeps for its backward pass.

    Others are computed again. Subclasses choose the segments, and how a segment is called.
    """

    def rollout(
        self, step: Step, state: Tensor, steps: int, keep: Collection[int] | None = None
    ) -> Float[Tensor, "batch time ..."]:
        """Return the states after the steps to `keep`, in order of time.

        Args:
            step: From a state and the number of the step, 0 .. steps - 1, to the next state.
            state: Initial state.
            steps: N.
            keep: Numbers of states to return, 1 .. N; all by default. A loss on few states keeps
                few in memory.

        Raises:
            ValueError: A state to keep is not one of the rollout.
        """
        keep = range(1, steps + 1) if keep is None else sorted(set(keep))
        if not keep or keep[0] < 1 or keep[-1] > steps:
            raise ValueError(
                f"States to keep must lie in 1..{steps}, the steps of the rollout, got "
                f"{list(keep)}."
            )
        wanted, kept, first = set(keep), [], 0
        for length in self.segments(steps):
            numbers = range(first, first + length)

            def run(state: Tensor, numbers: range = numbers) -> tuple[Tensor, ...]:
                found = []
                for number in numbers:
                    state = step(state, number)
                    if number + 1 in wanted:
                        found.append(state)
                return (state, *found)

            state, *found = self.call(run, state)
            kept += found
            first += length
        return torch.stack(kept, 1)

    @abstractmethod
    def segments(self, steps: int) -> list[int]:
        """Return the number of steps of each segment, whose sum is `steps`."""

    @abstractmethod
    def call(self, run: Callable[[Tensor], tuple[Tensor, ...]], state: Tensor) -> tuple:
        """Return the results of a segment of steps from a state.

        Args:
            run: Function that makes the steps of the segment.
            state: State at the start of the segment.
        """


class NoCheckpointing(Checkpointing):
    """No checkpointing: everything is kept, which is about one state per step with `Adjoint`.

    Example:
        >>> NoCheckpointing().segments(9)
        [9]
    """

    def segments(self, steps: int) -> list[int]:
        return [steps]

    def call(self, run: Callable[[Tensor], tuple[Tensor, ...]], state: Tensor) -> tuple:
        return run(state)


class SegmentCheckpointing(Checkpointing):
    """Checkpoints at the start of each segment of steps; other states are computed again.

    Args:
        length: Steps k of a segment; 1 checkpoints every step; None takes √N, rounded up.

    Example:
        >>> SegmentCheckpointing().segments(9), SegmentCheckpointing(length=4).segments(9)
        ([3, 3, 3], [4, 4, 1])
    """

    def __init__(self, length: int | None = None) -> None:
        if length is not None and length < 1:
            raise ValueError(f"SegmentCheckpointing.length must be at least 1 step, got {length}.")
        self.length = length

    def segments(self, steps: int) -> list[int]:
        length = self.length or math.isqrt(steps - 1) + 1
        whole, rest = divmod(steps, length)
        return [length] * whole + [rest] * (rest > 0)

    def call(self, run: Callable[[Tensor], tuple[Tensor, ...]], state: Tensor) -> tuple:
        return checkpoint(run, state, use_reentrant=False)
