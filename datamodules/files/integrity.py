"""Check that a generated file still holds the values that it was written with."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import netCDF4

from datamodules.files.arrays import open_array
from datamodules.files.netcdf import provenance_in, text_in
from datamodules.files.provenance import content_hash


def checked_hash(path: Path, names: Sequence[str]) -> str:
    """Return the hash of fields of a file, and of the provenance in it, if there is one.

    It is compared with the hash stored in a generated file, if that is of the same fields. The
    stored hash says nothing about a file that has been cut, for instance by another program.

    Args:
        path: Path of the file.
        names: Names of the fields.

    Raises:
        ValueError: The values were changed after the file was written.
    """
    with netCDF4.Dataset(path) as dataset:
        settings, kept = provenance_in(dataset), text_in(dataset, "content_hash")
        comparable = settings is not None and _is_whole(dataset, settings, names)
    arrays = {name: open_array(path, name) for name in names}
    found = content_hash(arrays, settings or {})
    for array in arrays.values():
        array.close()
    if comparable and re.fullmatch("[0-9a-f]{64}", kept) and found != kept:
        raise ValueError(
            f"{path}: the values of {', '.join(names)} are not those that the file was written "
            f"with (content_hash is {kept[:12]}..., the hash of the values {found[:12]}...); "
            "restore the file or remove it to have it made again, or remove the attribute "
            "content_hash if they were changed on purpose."
        )
    return found


def _is_whole(dataset: netCDF4.Dataset, settings: dict[str, Any], names: Sequence[str]) -> bool:
    """Return whether a file was generated, and is complete, and `names` are all of its fields."""
    fields = {
        name: variable
        for name, variable in dataset.variables.items()
        if variable.dimensions[:2] == ("trajectory", "time")
    }
    if not text_in(dataset, "source").startswith("implicit-emulators") or {*names} != {*fields}:
        return False
    sizes = settings.get("count"), settings.get("snapshots")
    return None in sizes or all(field.shape[:2] == sizes for field in fields.values())
