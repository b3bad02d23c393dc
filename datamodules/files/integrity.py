"""Check that a generated file still holds the values that it was written with."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datamodules.files.formats.format import Contents, FileFormat
from datamodules.files.formats.netcdf import NetCDF
from datamodules.files.provenance import content_hash, provenance_in, text_in


def checked_hash(path: Path, names: Sequence[str], format: FileFormat = NetCDF()) -> str:
    """Return the hash of fields of a file, and of the provenance in it, if there is one.

    The hash is compared with the hash stored in a generated file, if both are of the same fields.
    The stored hash is ignored for a file from which another program took a part.

    Args:
        path: Path of the file.
        names: Names of the fields.
        format: Format of the file.

    Raises:
        ValueError: The values were changed after the file was written.
    """
    with format.open(path) as contents:
        settings = provenance_in(contents.attributes)
        kept = text_in(contents.attributes, "content_hash")
        comparable = settings is not None and _is_whole(contents, settings, names)
        arrays = {name: contents.variables[name].open() for name in names}
    found = content_hash(arrays, settings or {})
    for array in arrays.values():
        array.close()
    if comparable and re.fullmatch("[0-9a-f]{64}", kept) and found != kept:
        raise ValueError(
            f"{path}: the values of {', '.join(names)} are not those that the file was "
            f"written with (content_hash is {kept[:12]}..., the hash of the values "
            f"{found[:12]}...); restore the file or remove it to have it made again, or remove the "
            "attribute content_hash if they were changed on purpose."
        )
    return found


def _is_whole(contents: Contents, settings: dict[str, Any], names: Sequence[str]) -> bool:
    """Return whether a file was generated, and is complete, and `names` are all of its fields."""
    fields = {
        name: variable
        for name, variable in contents.variables.items()
        if variable.dimensions[:2] == ("trajectory", "time")
    }
    own = text_in(contents.attributes, "source").startswith("implicit-emulators")
    if not own or {*names} != {*fields}:
        return False
    sizes = settings.get("count"), settings.get("snapshots")
    return None in sizes or all(field.shape[:2] == sizes for field in fields.values())
