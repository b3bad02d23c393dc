"""Learning rates over the optimiser steps of a run."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from datamodules.solvers.finite import check_finite


class WarmupCosine(LambdaLR):
    """Linear warm-up to the optimiser's learning rate, then half a cosine to zero.

    Args:
        optimizer: Whose learning rate is the maximum.
        total_steps: Optimiser steps of the whole run.
        warmup: Steps of the warm-up.
    """

    def __init__(self, optimizer: Optimizer, total_steps: int, warmup: int = 200) -> None:
        check_warmup(type(self).__name__, warmup)

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
        check_warmup(type(self).__name__, warmup)
        super().__init__(optimizer, lambda step: min(1.0, (step + 1) / max(1, warmup)))


def check_warmup(name: str, warmup: int) -> None:
    """Refuse a warm-up of fewer than 0 steps."""
    if warmup < 0:
        raise ValueError(f"{name}.warmup must be at least 0 steps, got {warmup}.")


class ConstantCosine(LambdaLR):
    """Constant for a share of the run, then half a cosine down to a fraction (Akhare et al. 2025).

    Args:
        optimizer: Whose learning rate is the maximum.
        total_steps: Optimiser steps of the whole run.
        constant: Share of the run before the decay.
        final: Last learning rate, as a fraction of the maximum.

    Raises:
        ValueError: A fraction lies outside [0, 1].
    """

    def __init__(
        self, optimizer: Optimizer, total_steps: int, constant: float = 0.25, final: float = 1e-3
    ) -> None:
        check_finite("ConstantCosine", constant=constant, final=final)
        if not (0 <= constant < 1 and 0 <= final <= 1):
            raise ValueError(
                "ConstantCosine needs constant in [0, 1) and final in [0, 1], got "
                f"constant={constant}, final={final}."
            )
        held = constant * total_steps

        def factor(step: int) -> float:
            progress = min(1.0, max(0.0, step - held) / max(1.0, total_steps - held))
            return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))

        super().__init__(optimizer, factor)
