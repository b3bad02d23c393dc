"""Hashes of the contents of files, computed once and cached until a file changes."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from datamodules.files.atomic import atomic_write, locked_folder
from datamodules.files.provenance import canonical
from datamodules.notices import notify

VERSION = 1  # to be raised when the definition of the hash changes
FINE, COARSE = 0.02, 2.0  # largest resolution of the time stamps of file systems [s]
Hashes = dict[str, list[Any]]


def hash_of(root: Path, path: Path, names: Sequence[str], compute: Callable[[], str]) -> str:
    """Return the hash of the contents of a file, computed again whenever the file was changed.

    Hashes are cached in `reference/hashes.json` of the data set, with the properties
    that change with a file: size, times of the last change of content and metadata, and the inode
    number, which differs if the file was replaced by another one of equal size and time.

    Args:
        root: Folder of the data set.
        path: Path of the file.
        names: Names of the variables that are hashed.
        compute: Function that computes the hash of their contents.
    """
    known = Path(root) / "reference" / "hashes.json"
    name = canonical([str(path.resolve()), sorted(names)])
    found = _read(known).get(name)  # before waiting for processes that compute other hashes
    if found and found[:-2] == stamp_of(path):
        return found[-2]
    with ExitStack() as stack:
        try:
            stack.enter_context(locked_folder(known.parent))
        except OSError:
            return compute()
        _wait_for_another_stamp(path)
        stamp = stamp_of(path)
        found = _read(known).get(name)
        if found and found[:-2] == stamp:
            return found[-2]
        digest = compute()
        if stamp_of(path) == stamp:  # the file was not changed meanwhile
            _keep(known, name, [*stamp, digest])
        return digest


def _keep(known: Path, name: str, entry: list[Any]) -> None:
    """Write a hash to the cache; the caller holds the lock of the folder."""
    hashes = {**_read(known), name: [*entry, _seal(name, entry)]}
    try:
        atomic_write(known, json.dumps(hashes, indent=1))
    except OSError as error:
        notify(f"{error} Until then hashes of data are computed again each time.")


def _read(known: Path) -> Hashes:
    """Return the cached hashes whose entries are not damaged."""
    try:
        found = json.loads(known.read_bytes())
    except OSError:
        return {}
    except (ValueError, RecursionError):
        found = None
    whole = {}
    if isinstance(found, dict):
        whole = {name: entry for name, entry in found.items() if _is_sealed(name, entry)}
    if not isinstance(found, dict) or any(
        not _is_old(found[name]) for name in found.keys() - whole
    ):
        notify(f"{known} is not as it was written; missing hashes are computed again.")
    return whole


def _is_sealed(name: str, entry: object) -> bool:
    """Return whether an entry is of this version and not damaged."""
    return isinstance(entry, list) and len(entry) == 6 and entry[-1] == _seal(name, entry[:-1])


def _is_old(entry: object) -> bool:
    """Return whether an entry is of an earlier version: size, time and hash."""
    return isinstance(entry, list) and list(map(type, entry)) == [int, int, str]


def _seal(name: str, entry: list[Any]) -> str:
    """Return the checksum of an entry."""
    return hashlib.sha256(canonical([VERSION, name, entry]).encode()).hexdigest()[:16]


def stamp_of(path: Path) -> list[int]:
    """Return size, times of change [ns] and inode, which differ after every change of a file.

    For a folder, they are the sums of sizes and inodes of all its files, and the latest times.
    """
    files = [path, *(path.rglob("*") if path.is_dir() else ())]
    states = [file.stat() for file in files]
    size, inode = (sum(getattr(s, name) for s in states) for name in ("st_size", "st_ino"))
    return [size, *(max(getattr(s, f"st_{t}time_ns") for s in states) for t in "mc"), inode]


def _wait_for_another_stamp(path: Path) -> None:
    """Wait until a further change of a file would change its time stamps."""
    changed = path.stat().st_ctime_ns
    resolution = FINE if changed % 10**9 else COARSE
    age = time.time() - changed / 1e9
    if abs(age) < resolution:
        time.sleep(resolution - age)
