"""The running average of the weights, which evaluation uses."""

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


@torch.no_grad()
def update_average(averaged: nn.Module, trained: nn.Module, decay: float, steps: int) -> None:
    """Move averaged weights towards trained ones, by 1 - decay; copy what is not trained.

    A young average forgets faster, so that the random start does not linger: the decay after n
    steps is at most (1 + n)/(10 + n).

    Args:
        averaged: What is moved.
        trained: A network of the same kind.
        decay: In [0, 1).
        steps: Optimiser steps so far.
    """
    average = get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))
    average(list(averaged.parameters()), list(trained.parameters()), steps)
    for old, new in zip(averaged.buffers(), trained.buffers(), strict=True):
        old.copy_(new)
