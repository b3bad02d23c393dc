"""Precisions of an emulator: weights, statistics and states have 32 bits or more."""

import time

import torch


def bfloat16_cost() -> float:
    """Return how many times as long a convolution takes in bfloat16 as in float32 on this CPU.

    Processors differ more than their names say: 0.3 with matrix units for bfloat16, 1.5 and more
    with only vector units. It takes a few milliseconds: 96 channels, as in the quickstart.
    """
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        field = torch.ones(2, 96, 16, 16, dtype=dtype).contiguous(memory_format=torch.channels_last)
        weight = torch.ones(96, 96, 3, 3, dtype=dtype).contiguous(memory_format=torch.channels_last)
        times = []
        for _ in range(4):
            began = time.perf_counter()
            torch.nn.functional.conv2d(field, weight, padding=1)
            times.append(time.perf_counter() - began)
        seconds[dtype] = min(times[1:])
    return seconds[torch.bfloat16] / seconds[torch.float32]


def default_precision(accelerator: object) -> str:
    """Return bf16-mixed on a CUDA device (NVIDIA or AMD), and 32-true on any other.

    Most CPUs have no matrix units for bfloat16 and are slower in it (`bfloat16_cost`).

    Args:
        accelerator: `accelerator` of the trainer.

    Example:
        >>> default_precision("cpu")
        '32-true'
    """
    on_gpu = accelerator in ("auto", "cuda", "gpu") and torch.cuda.is_available()
    return "bf16-mixed" if on_gpu else "32-true"


def check_precision(precision: str) -> None:
    """Raise an error for a precision that keeps weights and states in 16 bits.

    `bf16-mixed` rounds only inside of networks: weights, statistics of the data, states
    between steps and sums of scores stay in float32 or float64.

    Args:
        precision: Precision of the trainer.

    Raises:
        ValueError: The precision is bf16-true or 16-true.
    """
    if precision in ("bf16-true", "16-true"):
        raise ValueError(
            f"trainer.precision is {precision}, which would round weights, the statistics of the "
            "data and the state between two steps to two or three digits; set it to bf16-mixed, "
            "32-true or 64-true."
        )
