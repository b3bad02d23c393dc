"""Tensors that `torch.save` wrote, alone or by name in a dictionary."""

import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from datamodules.files.disk_array import ArrayKey, DiskArray
from datamodules.files.formats.plain_arrays import PlainArrays, StoredArray

KINDS = {
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
}


class TorchTensors(PlainArrays):
    """Tensors in `.pt` files.

    The tensor in `a.pt` is called `a`, tensors in a dictionary have the names of their keys. Files
    are mapped and loaded with `weights_only=True`, so that none can run code.

    Example:
        A tensor whose last axis holds two fields, which become variables of their own:

        >>> states = torch.stack((torch.zeros(3, 4), torch.ones(3, 4)), -1)
        >>> torch.save(states, "flow.pt")
        >>> format = TorchTensors(["time", "x", "channel"], channels=["u", "v"], interval=0.5)
        >>> with format.open(Path("flow.pt")) as contents:
        ...     print(contents.variables["v"].dimensions, contents.variables["v"].values()[0])
        ('time', 'x') [1. 1. 1. 1.]
    """

    label = "PyTorch"

    def recognizes(self, path: Path) -> bool:
        if not (path.is_file() and zipfile.is_zipfile(path)):
            return False
        with zipfile.ZipFile(path) as file:
            return any(name.endswith("/data.pkl") for name in file.namelist())

    def arrays(self, path: Path) -> Mapping[str, StoredArray]:
        found = {}
        for name, tensor in tensors(path).items():
            dtype = values(torch.empty(0, dtype=tensor.dtype)).dtype
            opened = partial(TensorArray, path, name)
            found[name] = StoredArray(tuple(tensor.shape), dtype, opened)
        return found


def tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of real numbers in a file, by name.

    Raises:
        ValueError: It cannot be loaded without running code, or is of a format that cannot be
            mapped, or holds no tensors.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # of several kinds, by the fault of the file
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{path} cannot be loaded with weights_only=True and mmap=True ({reason:.120}), "
            "expected tensors; write the tensors alone by torch.save, with a PyTorch of today."
        ) from None
    named = found if isinstance(found, dict) else {path.stem: found}
    chosen = {
        str(name): tensor.detach()
        for name, tensor in named.items()
        if isinstance(tensor, Tensor) and tensor.dtype in KINDS and tensor.layout is torch.strided
    }
    if not chosen:
        raise ValueError(
            f"{path} holds a {type(found).__name__}, expected a dense tensor of real numbers, or a "
            "dictionary of such tensors; write it as float32 by torch.save."
        )
    return chosen


def values(tensor: Tensor) -> np.ndarray:
    """Return the numbers of a tensor; bfloat16, which NumPy does not have, as float32."""
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


class TensorArray(DiskArray):
    """Tensor of a file, which is mapped.

    Args:
        path: File.
        name: Name of the tensor.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.tensor = path, tensors(path)[name]
        self.shape = tuple(self.tensor.shape)

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        return np.array(values(self.tensor[key]))

    def close(self) -> None:
        pass
