"""Decoding of packed and missing values by the conventions of the NetCDF User's Guide.

Where the guide leaves a choice, values agree with netCDF4-python. Source:
https://docs.unidata.ucar.edu/nug/current/attribute_conventions.html
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np

from datamodules.files.disk_array import ArrayKey, DiskArray, assign, check_shape
from datamodules.notices import notify

MARKS = ("_FillValue", "missing_value")
LIMITS = ("valid_range", "valid_min", "valid_max")
PACKING = ("scale_factor", "add_offset")
CODING = (*MARKS, *LIMITS, *PACKING, "_Unsigned")
BLOCK = 2**20  # values that are decoded at a time, so that intermediate results stay in the cache


class DecodedArray(DiskArray):
    """Array of unpacked values, with NaN for missing ones.

    Args:
        array: Values as stored in the file.
        dtype: Type of the values in the file.
        attributes: Attributes that define the packing and the missing values.
        name: Name of the variable, for messages.
        filled: If True, values that were never written are the default fill values of NetCDF.

    Raises:
        ValueError: A scale or an offset is not a number.
    """

    def __init__(
        self,
        array: DiskArray,
        dtype: np.dtype,
        attributes: Mapping[str, Any],
        name: str,
        filled: bool = True,
    ) -> None:
        self.array, self.path, self.shape = array, array.path, array.shape
        self.name, self.chunk = name, array.chunk
        self.stored = np.dtype(dtype)
        self.dtype = _signed_type(self.stored, attributes)
        self.scale = self._packing("scale_factor", attributes)
        self.offset = self._packing("add_offset", attributes)
        own = [self.mark(value) for value in numbers(attributes.get("_FillValue"))]
        other = [self.mark(value) for value in numbers(attributes.get("missing_value"))]
        self.missing = [mark for mark in (*own, *other) if mark is not None]
        if filled and own.count(None) == len(own) and self.dtype.kind == self.stored.kind:
            self.missing += _default(self.dtype)
        given, self.unpacked_limits = self._limits(attributes)
        self.low, self.high = (None if limit is None else self._limit(limit) for limit in given)

    def _packing(self, name: str, attributes: Mapping[str, Any]) -> Any:
        """Return the number by which values are scaled or shifted, or None."""
        if name not in attributes:
            return None
        value = attributes[name]
        found = numbers(value)
        if len(found) != 1 or not np.isfinite(found[0]) or (name in PACKING[:1] and not found[0]):
            shown = text(value)
            if shown is None:
                shown = found[0].item() if len(found) == 1 else np.asarray(value).tolist()
            raise ValueError(
                f"{self.path}: {name} of variable '{self.name}' is {shown!r}, expected one number"
                f"{' other than 0' if name in PACKING[:1] else ''}; correct the attribute, or name "
                "another variable in data.variables."
            )
        return found[0]

    def mark(self, value: Any) -> Any:
        """Return a mark in the type of the data, or None if that type cannot hold it."""
        if self.dtype.kind == "f":
            with np.errstate(over="ignore"):
                mark = self.dtype.type(value)
            return None if np.isnan(mark) or np.isinf(mark) != np.isinf(value) else mark
        whole = _whole(value)
        return None if whole is None else self._held(whole)

    def _held(self, value: int) -> Any:
        """Return an integer in the type of the data; None if it does not fit.

        The bits are kept if `_Unsigned` changes the sign of the type.
        """
        size, own = 8 * self.stored.itemsize, np.iinfo(self.dtype)
        if self.dtype.kind != self.stored.kind and -(2 ** (size - 1)) <= value < 2**size:
            value = (value - own.min) % 2**size + own.min
        return self.dtype.type(value) if own.min <= value <= own.max else None

    def _limits(self, attributes: Mapping[str, Any]) -> tuple[tuple[Any, Any], bool]:
        """Return the least and greatest valid value, and whether they apply to unpacked values."""
        found = {name: numbers(attributes.get(name)) for name in LIMITS}
        low, high = ((*found[name], None)[0] for name in LIMITS[1:])
        if len(found["valid_range"]) == 2:
            low, high = found["valid_range"]
        elif len(found["valid_range"]):
            notify(
                f"{self.path.parent}: valid_range of '{self.name}' is "
                f"{found['valid_range'].tolist()}, expected two numbers; it is ignored."
            )
        packing = [part.dtype for part in (self.scale, self.offset) if part is not None]
        kinds = {limit.dtype for limit in (low, high) if limit is not None}
        wide = packing and kinds == {np.result_type(*packing)}
        unpacked = bool(wide and kinds.isdisjoint([self.dtype])) and all(
            kind.kind == "f" and np.can_cast(self.dtype, kind) for kind in kinds
        )
        return (low, high), unpacked

    def _limit(self, value: Any) -> Any:
        """Return a limit in the type of the data, or as a number, or None if it limits nothing."""
        if self.unpacked_limits:
            return value
        if self.dtype.kind == "f":
            with np.errstate(over="ignore"):
                return self.dtype.type(value)
        if value.dtype.kind == "f":
            return float(value)
        return self._held(int(value)) if self.dtype.kind != self.stored.kind else int(value)

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        raw = self.array[key]
        out = np.empty(raw.shape, np.float64)
        self._decode(out, raw)
        return out

    def copy_to(self, out: np.ndarray, key: ArrayKey) -> None:
        raw = self.array[key]
        check_shape(out, raw.shape, self.path)
        self._decode(out, raw)

    def _decode(self, out: np.ndarray, raw: np.ndarray) -> None:
        """Write decoded values into an array of floats of the same shape."""
        if raw.ndim == 0:
            out, raw = out.reshape(1), raw.reshape(1)
        raw = raw.view(self.dtype.newbyteorder(raw.dtype.byteorder))
        size = raw[:1].size
        step = max(1, BLOCK // max(1, size))
        for start in range(0, len(raw), step):
            part, here = raw[start : start + step], out[start : start + step]
            with np.errstate(over="ignore", invalid="ignore"):
                values = part if self.scale is None else part * self._like(self.scale)
                values = values if self.offset is None else values + self._like(self.offset)
            assign(here, values, self.path)
            here[self._is_invalid(part, values)] = np.nan

    def _like(self, number: Any) -> Any:
        """Return a factor or offset as a float, because products of integers may overflow."""
        return number if number.dtype.kind == "f" else np.float64(number)

    def _is_invalid(self, raw: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return a mask of the values that are missing or not valid."""
        invalid = np.zeros(raw.shape, bool)
        for mark in self.missing:
            invalid |= raw == mark
        compared = values if self.unpacked_limits else raw
        if self.low is not None:
            invalid |= compared < self.low
        if self.high is not None:
            invalid |= compared > self.high
        return invalid

    def close(self) -> None:
        self.array.close()


def decoded(
    array: DiskArray, dtype: np.dtype, attributes: Mapping[str, Any], name: str, filled: bool = True
) -> DiskArray:
    """Return an array whose values are unpacked, with NaN for missing ones.

    The result is the array itself if its values need no decoding, and else a `DecodedArray` with
    these arguments.
    """
    check_marks(array.path, attributes, name)
    given = [number for mark in MARKS for number in numbers(attributes.get(mark))]
    plain = not any(name in attributes for name in (*LIMITS, *PACKING))
    if dtype.kind == "f" and plain and all(np.isnan(number) for number in given):
        return array
    return DecodedArray(array, dtype, attributes, name, filled)


def check_marks(path: Path, attributes: Mapping[str, Any], name: str) -> None:
    """Check that fill values and valid ranges are numbers, not text.

    Other text, such as 'none', is ignored.

    Raises:
        ValueError: An attribute is a number written as text.
    """
    for key in (*MARKS, *LIMITS):
        for word in np.asarray(attributes.get(key)).ravel().tolist():
            said = text(word)
            if said is not None and spells_numbers(said):
                raise ValueError(
                    f"{path}: {key} of variable '{name}' is the text {said!r}, expected numbers; "
                    "correct the attribute, or name another variable in data.variables."
                )


def spells_numbers(said: str) -> bool:
    """Return whether a text consists only of numbers, at least one of them finite."""
    words = re.findall(r"[^\s,;:\0\[\]()]+", said)
    try:
        found = [float(word) for word in words]
    except ValueError:
        return False
    return bool(np.isfinite(found).any())


def numbers(value: object) -> np.ndarray:
    """Return the numbers of an attribute; an empty array if it is missing or text."""
    found = np.asarray([] if value is None else value).ravel()
    return found.astype(found.dtype.newbyteorder("=")) if found.dtype.kind in "iuf" else found[:0]


def text(value: object) -> str | None:
    """Return the text of an attribute, which HDF5 may keep as bytes and in an array of one."""
    found = np.asarray(value).ravel().tolist()
    if isinstance(value, h5py.Empty):
        return ""
    if len(found) != 1 or not isinstance(found[0], str | bytes):
        return None
    return found[0].decode(errors="replace") if isinstance(found[0], bytes) else found[0]


def with_texts(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes of HDF5 with texts for bytes, which C, Fortran and MATLAB write.

    Example:
        >>> with_texts({"units": np.bytes_(b"K"), "axis": np.array([b"X"]), "modulo": 360.0})
        {'units': 'K', 'axis': 'X', 'modulo': 360.0}
    """
    said = {name: text(value) for name, value in attributes.items()}
    return {name: value if said[name] is None else said[name] for name, value in attributes.items()}


def texts(value: Any) -> list[str]:
    """Return an attribute of one text or several as a list; other items are dropped."""
    found = [] if value is None else np.atleast_1d(value).tolist()
    words = [text(word) for word in found]
    return [word for word in words if word is not None]


def _signed_type(stored: np.dtype, attributes: Mapping[str, Any]) -> np.dtype:
    """Return the type of the values with the sign by `_Unsigned`, which classic formats need."""
    said = (text(attributes.get("_Unsigned")) or "").strip("\0 ").lower()
    kind = {"true": "u", "false": "i"}.get(said, stored.kind)
    return np.dtype(f"{kind}{stored.itemsize}") if stored.kind in "iu" else stored.newbyteorder("=")


def _default(dtype: np.dtype) -> list[Any]:
    """Return the default fill value of a type; bytes have none."""
    value = netCDF4.default_fillvals.get(dtype.str[1:])
    return [] if value is None or dtype.itemsize == 1 else [dtype.type(value)]


def _whole(value: Any) -> int | None:
    """Return a number as an integer, or None if it is not whole."""
    if not np.isfinite(value) or value != np.floor(value):
        return None
    return int(value)
