"""Copies of tensors from the processor to a GPU that do not wait for the GPU's computations."""

import torch
from torch import Tensor

PINNED = ("cuda",)  # kinds of devices that read page-locked memory by themselves


def copy_to_device(values: Tensor, device: torch.device) -> Tensor:
    """Return a tensor on a device; a copy to a GPU does not wait for the GPU's computations."""
    if device.type in PINNED and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
