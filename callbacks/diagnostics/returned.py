"""Checks of what the methods of a diagnostic return, and that its `setup` attached the data."""

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import xarray


def check_attached(diagnostic: object) -> None:
    """Check that `setup` attached the data to a diagnostic.

    Raises:
        TypeError: A subclass overrides `setup` without calling it.
    """
    if "data" not in vars(diagnostic):
        raise TypeError(
            f"{type(diagnostic).__name__}.setup has not attached the data; call "
            "super().setup(trainer, pl_module, stage) in it."
        )


def checked_scores(name: str, scores: Any) -> xarray.Dataset:
    """Return scores, which must be a data set.

    Args:
        name: Name of the diagnostic, for messages.
        scores: Value that `scores` returned.

    Raises:
        TypeError: It is no data set.
    """
    if not isinstance(scores, xarray.Dataset):
        raise TypeError(
            f"{name}.scores returned a {type(scores).__name__}, expected an xarray.Dataset; return "
            "xarray.Dataset({name: (dimensions, values)})."
        )
    return scores


def checked_summary(name: str, summary: Any) -> dict[str, float]:
    """Return the numbers of a summary; arrays of one value become numbers.

    Args:
        name: Name of the diagnostic, for messages.
        summary: Value that `summary` returned.

    Raises:
        TypeError: It is no mapping from texts to numbers.
    """
    if not isinstance(summary, Mapping):
        raise TypeError(
            f"{name}.summary returned a {type(summary).__name__}, expected a mapping from names to "
            "numbers; return {name: number}, or {} for none."
        )
    for key in summary:
        if not isinstance(key, str):
            raise TypeError(
                f"{name}.summary has the name {key!r}, expected a text; name each number by a text."
            )
    return {key: _number(name, key, value) for key, value in summary.items()}


def checked_remarks(name: str, remarks: Any) -> list[str]:
    """Return remarks, which must be a list of texts.

    Args:
        name: Name of the diagnostic, for messages.
        remarks: Value that `remarks` returned.

    Raises:
        TypeError: It is no list or tuple of texts.
    """
    texts = isinstance(remarks, list | tuple) and all(isinstance(text, str) for text in remarks)
    if not texts:
        raise TypeError(
            f"{name}.remarks returned {remarks!r}, expected a list of texts; return [text], or [] "
            "for none."
        )
    return list(remarks)


def _number(name: str, key: str, value: Any) -> float:
    if not isinstance(value, Real) and math.prod(getattr(value, "shape", (0,))) == 1:
        value = value.item()
    if not isinstance(value, Real):
        raise TypeError(
            f"{name}.summary has {key}={value!r}, expected a number; return a mean over its values."
        )
    return value  # type: ignore[return-value]
