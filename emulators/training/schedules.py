"""Learning rate schedules over the training steps of a run."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from datamodules.solvers.finite import check_finite


class WarmupCosine(LambdaLR):
    """Linear warm-up to the optimiser's learning rate, then half a cosine to zero.

    Args:
        optimizer: Optimiser, whose learning rate is the maximum.
        total_steps: Number of training steps of the whole run.
        warmup: Number of training steps of the warm-up.

    Raises:
        ValueError: The warm-up is negative.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        >>> factor = WarmupCosine(optimizer, total_steps=4, warmup=2).lr_lambdas[0]
        >>> [round(factor(step), 6) for step in range(5)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
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
    """Linear warm-up to the optimiser's learning rate, then constant.

    Args:
        optimizer: Optimiser, whose learning rate is the maximum.
        total_steps: Number of training steps of the whole run; not used here.
        warmup: Number of training steps of the warm-up.

    Raises:
        ValueError: The warm-up is negative.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        >>> factor = WarmupConstant(optimizer, total_steps=10, warmup=4).lr_lambdas[0]
        >>> [factor(step) for step in range(5)]
        [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __init__(self, optimizer: Optimizer, total_steps: int, warmup: int = 200) -> None:
        check_warmup(type(self).__name__, warmup)
        super().__init__(optimizer, lambda step: min(1.0, (step + 1) / max(1, warmup)))


def check_warmup(name: str, warmup: int) -> None:
    """Check that a warm-up has at least 0 steps."""
    if warmup < 0:
        raise ValueError(f"{name}.warmup must be at least 0 steps, got {warmup}.")


class ConstantCosine(LambdaLR):
    """Constant for a share of the run, then half a cosine down to a fraction (Akhare et al. 2025).

    Args:
        optimizer: Optimiser, whose learning rate is the maximum.
        total_steps: Number of training steps of the whole run.
        constant: Share of the run before the decay, in [0, 1).
        final: Last learning rate as a fraction of the maximum, in [0, 1].

    Raises:
        ValueError: A fraction is out of its range.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        >>> schedule = ConstantCosine(optimizer, total_steps=4, constant=0.5, final=0.0)
        >>> [round(schedule.lr_lambdas[0](step), 6) for step in range(5)]
        [1.0, 1.0, 1.0, 0.5, 0.0]
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
