"""What the operations of a computation move, and which of them are Fourier transforms."""

from collections.abc import Callable
from functools import partial

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Traffic(TorchDispatchMode):
    """Counts the bytes that operations read and write, and keeps their Fourier transforms.

    Attributes:
        bytes: Bytes of all arguments and results, without views.
        transforms: Fourier transforms, each a function without arguments.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self.transforms: list[Callable[[], object]] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = function(*args, **(kwargs or {}))
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        made = [x for x in tree_leaves(found) if isinstance(x, torch.Tensor)]
        if not function.is_view:
            self.bytes += sum(x.numel() * x.element_size() for x in (*given, *made))
        if "fft_" in function.name():
            self.transforms.append(partial(function, *args, **(kwargs or {})))
        return found
