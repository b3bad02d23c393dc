"""Tensors that `torch.save` wrote, alone or by name in a dictionary."""

import re
import sys
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from torch import Tensor

from datamodules.files.disk_array import ArrayKey, DiskArray, viewed
from datamodules.files.formats.format import beginning, unreadable
from datamodules.files.formats.plain_arrays import PlainArrays, StoredArray
from datamodules.files.mapped_array import MappedArray
from datamodules.files.store_files import names_in

FORMER = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the magic number as a pickle
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
        return is_former(path) or any(name.endswith("/data.pkl") for name in names_in(path))

    def arrays(self, path: Path) -> Mapping[str, StoredArray]:
        return {name: _array(path, tensor) for name, tensor in tensors(path).items()}


def _array(path: Path, tensor: Tensor) -> StoredArray:
    """Return the description of an array from its tensor without values."""
    rounded = tensor.dtype == torch.bfloat16
    kind = torch.uint16 if rounded else tensor.dtype  # NumPy has no bfloat16
    dtype = torch.empty(0, dtype=kind).numpy().dtype
    size, shape = dtype.itemsize, tuple(tensor.shape)
    offset = tensor.untyped_storage()._checkpoint_offset + size * tensor.storage_offset()
    strides = tuple(size * stride for stride in tensor.stride())
    kind_of_array: Callable[..., DiskArray] = Bfloat16 if rounded else MappedArray
    opened = partial(kind_of_array, path, offset, shape, dtype, strides)
    if tensor.is_neg():  # a lazy view such as z.conj().imag, whose numbers have the other sign
        opened = partial(viewed, opened, Negated)
    return StoredArray(shape, np.dtype("f4") if rounded else dtype, opened)


def tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of real numbers in a file, by name, without their values.

    Raises:
        ValueError: The file cannot be loaded without running code, cannot be mapped, or holds no
            tensors, or pairs of inputs and outputs.
    """
    if is_former(path):
        raise ValueError(
            f"{path} cannot be loaded piece by piece, since it is of the format of PyTorch before "
            "1.6; write it again by torch.save(torch.load(path, weights_only=True), path)."
        )
    try:
        check_order(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise unreadable(path, TorchTensors.label, error) from None
    try:
        found = torch.load(path, map_location="meta", weights_only=True)
    except UnpicklingError as error:
        held = re.search(r"GLOBAL ([\w.]+)", str(error))
        kind = held.group(1).rstrip(".") if held else "objects of another kind"
        raise ValueError(
            f"{path} cannot be loaded with weights_only=True, since it holds {kind}, expected "
            "tensors; write the tensors alone, or in a dictionary, by torch.save."
        ) from None
    except Exception as error:  # of several kinds, by the fault of the file
        raise unreadable(path, TorchTensors.label, error) from None
    named = found if isinstance(found, dict) else {path.stem: found}
    if {*named} == {"x", "y"} and all(
        isinstance(tensor, Tensor) and tensor.ndim > 1 for tensor in named.values()
    ):
        raise ValueError(
            f"{path} holds pairs of inputs 'x' and outputs 'y', expected trajectories; if y is the "
            "state after x, write torch.stack((x, y), 1), of axes (trajectory, time, ...), by "
            "torch.save."
        )
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


def is_former(path: Path) -> bool:
    """Return whether a file has the format from before PyTorch 1.6, a sequence of pickles."""
    return beginning(path, len(FORMER)) == FORMER


def check_order(path: Path) -> None:
    """Check that the byte order of a file is the byte order of this machine.

    Raises:
        ValueError: The byte order is the opposite one, which PyTorch cannot swap without loading.
    """
    with zipfile.ZipFile(path) as file:
        names = [name for name in file.namelist() if name.endswith("/byteorder")]
        orders = {file.read(name).decode() for name in names}
    if orders - {sys.byteorder}:
        raise ValueError(
            f"{path} cannot be loaded piece by piece, since its numbers are {orders.pop()}-endian, "
            f"expected {sys.byteorder}-endian; load it and write it again by torch.save here."
        )


class Negated(DiskArray):
    """Array whose numbers have the opposite sign in the file.

    Args:
        array: Array of the numbers in the file.
    """

    def __init__(self, array: DiskArray) -> None:
        self.array, self.path, self.shape = array, array.path, array.shape

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        return -self.array[key]

    def close(self) -> None:
        self.array.close()


class Bfloat16(MappedArray):
    """Array of bfloat16, the upper halves of float32."""

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        halves = super().__getitem__(key)
        return np.left_shift(halves, 16, dtype=np.uint32).reshape(halves.shape).view(np.float32)
