"""Elementary functions that are exact from the first call on.

Torch computes cos, exp and other functions of contiguous numbers with Intel's vector mathematics
library. Until oneMKL 2025 it chooses the code of a function in the first call of a process: where
two threads make that call, the share of one can be computed by code of low accuracy, with errors of
1e-4 in float32 and 1e-8 in double precision (https://github.com/pytorch/pytorch/issues/188792). In
a chaotic system this is another trajectory, from the same seed. A call with a single number is made
by one thread, and after it the choice is made.
"""

import torch

FUNCTIONS = (
    *("acos", "asin", "atan", "cos", "cosh", "sin", "sinh", "tan", "tanh"),
    *("exp", "expm1", "log", "log10", "log1p", "log2", "sqrt"),
    *("erf", "erfc", "erfinv", "lgamma"),
)


def initialize() -> None:
    """Call each function with one number, in both precisions.

    Example:
        >>> initialize()
        >>> torch.cos(torch.zeros(2)).tolist()
        [1.0, 1.0]
    """
    for dtype in (torch.float32, torch.float64):
        number = torch.full((1,), 0.5, dtype=dtype)
        for name in FUNCTIONS:
            getattr(torch, name)(number)
