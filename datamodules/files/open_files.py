"""The files of data that a process has open: few at a time, whatever reads them."""

import mmap
import os
import sys
import threading
import weakref
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import h5py

MOST = 64  # files that are open at a time, if the system allows many
SHARE = 8  # part of the files that the system allows: others of the process are open, too
MAPPED = 2**27  # bytes of files that may be part of this process's memory
ADVICE = sys.platform != "win32"  # where a memory map takes it


class OpenFile(ABC):
    """File that is open until nobody refers to it.

    Args:
        path: File.

    Attributes:
        parts: What arrays have made of it for themselves, which lives as long.
    """

    def __init__(self, path: Path) -> None:
        self.parts: dict[Any, Any] = {}
        self.open(path)

    @abstractmethod
    def open(self, path: Path) -> None:
        """Open the file."""

    def release(self) -> None:  # noqa: B027 - most have nothing to release
        """Let what was read of the file be no longer part of this process's memory."""


class MappedFile(OpenFile):
    """File that is mapped into memory.

    The pages that a copy touches count as memory of this process until they are released. The
    operating system keeps them in its cache all the same while it has room.
    """

    def open(self, path: Path) -> None:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise OSError(f"{path} is empty; restore it or remove it from the folder.")
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def release(self) -> None:
        if ADVICE:
            self.map.madvise(mmap.MADV_DONTNEED)


class DescribedFile(OpenFile):
    """File that the operating system knows by a number."""

    number = -1

    def open(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if self.number >= 0:
            os.close(self.number)


class Hdf5File(OpenFile):
    """File that is read by HDF5."""

    def open(self, path: Path) -> None:
        self.file = h5py.File(path, "r", locking=False)


State = tuple[int, ...]
Key = tuple[type, Path, State]
File = TypeVar("File", bound=OpenFile)


class OpenFiles:
    """Files of one process, of which those that were opened first are closed.

    A file to which nobody has access is closed, too: HDF5 takes one that is written again under the
    same name for the one that is open. A process that was forked opens files of its own.
    """

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        # another thread of the parent may have held the lock that was before; an access that ends
        # while files are opened closes one
        self._lock = threading.RLock()
        self._open: dict[Key, Any] = {}
        self._users: Counter[Key] = Counter()
        self._mapped = 0

    def get(self, key: Key) -> Any:
        """Return an open file; it stays open while it is referred to.

        Args:
            key: How it is opened, its name, and the state in which it is expected.

        Raises:
            OSError: It cannot be opened, or another file has taken its place.
        """
        kind, path, state = key
        with self._lock:
            file = self._open.get(key)
            if file is None:
                while len(self._open) >= most():
                    del self._open[next(iter(self._open))]
                file = kind(path)
                if state_of(path)[:2] != state[:2]:
                    raise OSError(f"{path} was replaced while it was being read; start again.")
                self._open[key] = file
            return file

    def close(self, key: Key) -> None:
        """Let go of a file that is not needed for some time."""
        with self._lock:
            self._open.pop(key, None)

    def enter(self, key: Key) -> None:
        """Count one more who has access to a file."""
        with self._lock:
            self._users[key] += 1

    def leave(self, key: Key) -> None:
        """Count one less; close the file after the last."""
        with self._lock:
            self._users[key] -= 1
            if self._users[key] <= 0:
                del self._users[key]
                self._open.pop(key, None)

    def count(self, mapped: int) -> None:
        """Count bytes that have become part of this process's memory; release them at times."""
        self._mapped += mapped
        if self._mapped > MAPPED:
            with self._lock:
                for file in self._open.values():
                    file.release()
                self._mapped = 0

    def __len__(self) -> int:
        return len(self._open)


class Access(Generic[File]):
    """Access of an array to its file, which is open or opened again.

    Args:
        kind: How it is opened.
        path: Its name.
    """

    def __init__(self, kind: type[File], path: Path) -> None:
        self._key = kind, path, state_of(path)
        self._file: Callable[[], File | None] = no_file
        FILES.enter(self._key)

    @property
    def size(self) -> int:
        """Size of the file when access to it began, in bytes."""
        return self._key[2][2]

    def get(self) -> File:
        """Return the open file."""
        file = self._file()
        if file is None:
            file = FILES.get(self._key)
            self._file = weakref.ref(file)
        return file

    def close(self) -> None:
        """Let go of the file; the next read opens it again."""
        FILES.close(self._key)

    def __del__(self) -> None:
        if hasattr(self, "_key"):  # the file was there
            FILES.leave(self._key)


def no_file() -> None:
    """Return what a reference to a closed file does."""


def most() -> int:
    """Return how many files may be open at a time."""
    try:
        import resource

        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    except ImportError:  # no POSIX system
        return MOST
    return MOST if allowed < 0 else max(2, min(MOST, allowed // SHARE))


def state_of(path: Path) -> State:
    """Return what tells a file from others and from itself when it was another."""
    state = path.stat()
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


FILES = OpenFiles()
