"""Records of an observer in a form that `torch.load` reads without running code."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

ARRAY, SCALAR = "NumPy array", "NumPy scalar"  # dictionary keys: each is stored as a tensor
NUMBERS: tuple[type, ...] = (bool, int, float, complex)


def is_record(value: object) -> bool:
    """Return whether a value is made of tensors, NumPy arrays and numbers.

    In lists, tuples and dictionaries there may be None and strings as well.

    Example:
        >>> is_record({"sum": np.zeros(3), "names": ["u", None]}), is_record("u"), is_record({1, 2})
        (True, False, False)
    """
    if isinstance(value, dict):
        keys = all(isinstance(key, (str, np.number, *NUMBERS)) for key in value)
        return keys and all(is_part(part) for part in value.values())
    if isinstance(value, list | tuple):
        return all(is_part(part) for part in value)
    if isinstance(value, np.ndarray | np.generic):
        return has_tensor(value.dtype)
    return isinstance(value, (Tensor, *NUMBERS))


def is_part(value: object) -> bool:
    """Return whether a value may be in a container that is a record."""
    return value is None or isinstance(value, str) or is_record(value)


def has_tensor(dtype: np.dtype) -> bool:
    """Return whether PyTorch has tensors of a type of NumPy's."""
    sizes = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}
    return dtype.isnative and dtype.itemsize <= sizes.get(dtype.kind, 0)


def as_plain(value: Any) -> Any:
    """Return a record made of tensors, builtin containers and builtin numbers alone.

    Example:
        >>> as_plain({"count": np.int64(3), "level": (True, np.arange(2))})
        {'count': {'NumPy scalar': tensor(3)}, 'level': (True, {'NumPy array': tensor([0, 1])})}
    """
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.ndarray | np.generic):
        kind = SCALAR if isinstance(value, np.generic) else ARRAY
        return {kind: torch.from_numpy(np.array(value))}
    if isinstance(value, dict):
        return {plain_number(key): as_plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        container = list if isinstance(value, list) else tuple
        return container(as_plain(part) for part in value)
    return plain_number(value)


def plain_number(value: Any) -> Any:
    """Return a number of a derived class, such as a NumPy scalar or an enumeration, as builtin."""
    if isinstance(value, np.generic):
        return value.item()
    for kind in NUMBERS:
        if isinstance(value, kind):
            return kind(value)
    return value


def as_before(plain: Any, present: Any = None) -> Any:
    """Return the record that `as_plain` was given.

    Args:
        plain: Form of the record that `as_plain` returned, also from a file.
        present: Value to be replaced. If it is of a class derived from a dictionary, it is
            updated; if it is a named tuple, the record becomes one.
    """
    if isinstance(plain, dict) and plain.keys() == {ARRAY}:
        return plain[ARRAY].cpu().numpy()
    if isinstance(plain, dict) and plain.keys() == {SCALAR}:
        return plain[SCALAR].cpu().numpy()[()]
    if isinstance(plain, dict):
        parts = {key: as_before(part) for key, part in plain.items()}
        if isinstance(present, dict) and type(present) is not dict:
            present.clear()
            present.update(parts)
            return present
        return parts
    if isinstance(plain, list):
        return [as_before(part) for part in plain]
    if isinstance(plain, tuple):
        restored = tuple(as_before(part) for part in plain)
        return type(present)(*restored) if hasattr(present, "_fields") else restored
    return plain
