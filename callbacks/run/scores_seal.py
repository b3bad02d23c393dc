"""The checksum at the end of a file of scores."""

import hashlib
from pathlib import Path

SEAL = b"SHA-256 of all before: "


def seal(path: Path) -> None:
    """Append a hash of all bytes to a file, which the library for NetCDF ignores."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with path.open("ab") as file:
        file.write(SEAL + digest.encode())


def is_damaged(path: Path) -> bool:
    """Return whether a sealed file was changed after it was written; False without a seal."""
    content = path.read_bytes()
    body, mark, digest = content.rpartition(SEAL)
    return bool(mark) and hashlib.sha256(body).hexdigest().encode() != digest
