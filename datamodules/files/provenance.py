"""Description of the objects that determine a data set, and the hash of its contents.

The description of an object is its class name and its constructor arguments, which every class of
`datamodules.solvers` keeps as attributes of the same names. Nothing else determines the data, so
equal descriptions and equal seeds mean equal data.
"""

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np

from datamodules.files.disk_array import DiskArray

PIECE = 2**22  # values that are hashed at a time


def describe(value: Any) -> Any:
    """Return the numbers, strings, lists and dictionaries that determine an object.

    Raises:
        ValueError: An object does not keep a constructor argument as an attribute, or a function
            has no unique name.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: describe(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, type):
        return {"class": value.__name__}
    if isinstance(value, partial):
        return {**describe(value.func), **describe(value.keywords)}
    if getattr(value, "__name__", None) and callable(value):
        if "<" in value.__qualname__:
            raise ValueError(
                f"{value.__qualname__} is defined within a function, so data made with it cannot "
                "be described; define it at the top of a module."
            )
        return {"class": value.__name__}
    parameters = list(inspect.signature(type(value).__init__).parameters.values())[1:]
    rest = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    arguments = [parameter.name for parameter in parameters if parameter.kind not in rest]
    missing = [name for name in arguments if not hasattr(value, name)]
    if missing:
        raise ValueError(
            f"{type(value).__name__} does not keep its constructor argument '{missing[0]}' as an "
            "attribute, so data made with it cannot be described; assign "
            f"self.{missing[0]} in its __init__."
        )
    return {
        "class": type(value).__name__,
        **{name: describe(getattr(value, name)) for name in arguments},
    }


def canonical(description: object) -> str:
    """Return a description as JSON with sorted keys: equal descriptions give equal texts."""
    return json.dumps(description, sort_keys=True)


def first_difference(found: object, wanted: object, path: str = "") -> str | None:
    """Return the first difference between two descriptions, or None if they are equal.

    Args:
        found: Description in a file.
        wanted: Description that is expected.
        path: Dotted name of the part that is compared.

    Returns:
        Text 'PATH=VALUE in the file, VALUE asked for'.
    """
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted({*found, *wanted}):
            place = f"{path}.{key}" if path else key
            difference = first_difference(found.get(key), wanted.get(key), place)
            if difference:
                return difference
        return None
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        for i, pair in enumerate(zip(found, wanted, strict=True)):
            difference = first_difference(*pair, f"{path}[{i}]")
            if difference:
                return difference
        return None
    return None if found == wanted else f"{path}={found!r} in the file, {wanted!r} asked for"


def content_hash(arrays: Mapping[str, np.ndarray | DiskArray], attributes: dict[str, Any]) -> str:
    """Return the SHA-256 of named arrays (little-endian float32 in C order) and attributes.

    The bytes of the files are not hashed, since they differ between versions of HDF5.
    """
    digest = hashlib.sha256(canonical(attributes).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}:{tuple(array.shape)}".encode())
        for key in pieces(array.shape):
            digest.update(np.ascontiguousarray(array[key], dtype="<f4").data)
    return digest.hexdigest()


def pieces(shape: Sequence[int], most: int = PIECE) -> Iterator[tuple[int | slice, ...]]:
    """Yield the keys of pieces of an array, at most `most` values each, in C order.

    Example:
        >>> list(pieces((2, 5), most=3))[:3]
        [(0, slice(0, 3, None)), (0, slice(3, 6, None)), (1, slice(0, 3, None))]
    """
    axis = 0
    while axis < len(shape) - 1 and prod(shape[axis + 1 :]) > most:
        axis += 1
    if not shape:
        yield ()
        return
    step = max(1, most // max(1, prod(shape[axis + 1 :])))
    for index in np.ndindex(*shape[:axis]):
        for start in range(0, shape[axis], step):
            yield (*index, slice(start, start + step))


def digest(values: np.ndarray | None) -> str | None:
    """Return the SHA-256 of an array converted to float64, or None without an array."""
    if values is None:
        return None
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f8").data).hexdigest()


def provenance_in(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the settings in the attribute `provenance`, or None if it holds no settings.

    Other programs use an attribute of this name for texts, numbers and lists.
    """
    try:
        found = json.loads(text_in(attributes, "provenance"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def text_in(attributes: Mapping[str, Any], name: str) -> str:
    """Return a text attribute, or an empty text if it is missing or of another type."""
    text = attributes.get(name)
    return text if isinstance(text, str) else ""


def random_seed(seed: int, *path: str | int) -> int:
    """Return a seed of 63 bits for one path in a tree of random choices.

    Args:
        seed: Seed of the tree.
        path: Names and numbers along the path, such as a split and a trajectory.
    """
    words = [
        int.from_bytes(hashlib.sha256(str(step).encode()).digest()[:4], "little") for step in path
    ]
    state = np.random.SeedSequence([seed, *words]).generate_state(2, np.uint32)
    return int(state[0]) << 31 | int(state[1]) >> 1
