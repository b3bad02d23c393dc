"""Bytes that a computation keeps, on any device."""

import weakref
from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@contextmanager
def saved_bytes():
    """Sum the storages that autograd saves; each counts once."""
    storages = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = (storage.nbytes(), tensor)  # alive: no address comes twice
        return tensor

    class Total:
        def __int__(self):
            return sum(size for size, _ in storages.values())

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield Total()


class LiveBytes(TorchDispatchMode):
    """Peak of the bytes of all tensors made inside that are alive."""

    def __init__(self):
        super().__init__()
        self.current = self.peak = 0
        self.known = set()

    def forget(self, key, size):
        self.known.discard(key)
        self.current -= size

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                key, size = storage._cdata, storage.nbytes()
                if key not in self.known:
                    self.known.add(key)
                    self.current += size
                    self.peak = max(self.peak, self.current)
                    weakref.finalize(storage, self.forget, key, size)
        return result
