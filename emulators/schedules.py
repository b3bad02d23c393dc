"""Learning rates over the optimiser steps of a run."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class WarmupCosine(LambdaLR):
    """Linear warm-up to the optimiser's learning rate, then half a cosine to zero.

    Args:
        optimizer: Whose learning rate is the maximum.
        total_steps: Optimiser steps of the whole run.
        warmup: Steps of the warm-up.
    """

    def __init__(self, optimizer: Optimizer, total_steps: int, warmup: int = 200) -> None:
        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            progress = (step - warmup) / max(1, total_steps - warmup)
            return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

        super().__init__(optimizer, factor)


class WarmupConstant(LambdaLR):
    """Linear warm-up to the optimiser's learning rate, which then stays.

    Args:
        optimizer: Whose learning rate is the maximum.
        total_steps: Not used; every schedule is built from it.
        warmup: Steps of the warm-up.
    """

    def __init__(self, optimizer: Optimizer, total_steps: int, warmup: int = 200) -> None:
        super().__init__(optimizer, lambda step: min(1.0, (step + 1) / max(1, warmup)))
