"""Pool of open HDF5 files, limited in number and shared by all readers of a process."""

import os
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import h5py

MOST = 64  # files that are open at a time, if the system allows many
SHARE = 8  # part of the files that the system allows: others of the process are open, too


class OpenFile:
    """File that stays open while it is referenced.

    Args:
        path: File.

    Attributes:
        file: Open file of h5py.
        parts: Opened data sets of the file, by the name of the variable.
    """

    def __init__(self, path: Path) -> None:
        self.file = h5py.File(path, "r", locking=False)
        self.parts: dict[str, h5py.Dataset] = {}


class ReplacedError(OSError):
    """Error for a file that was replaced by another while it was in use.

    Args:
        path: Name of the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} was replaced while it was being read; start again.")


FileStamp = tuple[int, ...]
Key = tuple[Path, FileStamp]


class OpenFiles:
    """Open files of one process; beyond a limit, the files that were opened first are closed.

    A file without access is also closed, because HDF5 would return the open file for a new one that
    was written under the same name. A forked process opens its own files.
    """

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        # another thread of the parent may have held the former lock; this one is reentrant, since
        # an access that ends while files are opened closes a file
        self._lock = threading.RLock()
        self._open: dict[Key, OpenFile] = {}
        self._users: Counter[Key] = Counter()

    def get(self, key: Key) -> OpenFile:
        """Return an open file; it stays open while it is referred to.

        Args:
            key: Name of the file and the stamp that it is expected to have.

        Raises:
            OSError: The file cannot be opened.
            ReplacedError: The file was replaced by another one.
        """
        path, stamp = key
        with self._lock:
            file = self._open.get(key)
            if file is None:
                # of a copy: an access that is collected meanwhile closes its file, in this thread
                for other in list(self._open):
                    if is_same_file(other, (path, stamp)):  # HDF5 would not see that it has grown
                        self._open.pop(other, None)
                for first in list(self._open)[: max(0, len(self._open) + 1 - open_files_limit())]:
                    self._open.pop(first, None)
                file = OpenFile(path)
                if not is_same_file((path, file_stamp(path)), key):
                    raise ReplacedError(path)
                self._open[key] = file
            return file

    def close(self, key: Key) -> None:
        """Release a file that is not needed at present."""
        with self._lock:
            self._open.pop(key, None)

    def enter(self, key: Key) -> None:
        """Increase the number of accesses to a file by one."""
        with self._lock:
            self._users[key] += 1

    def leave(self, key: Key) -> None:
        """Decrease the number of accesses to a file by one; close it after the last."""
        with self._lock:
            self._users[key] -= 1
            if self._users[key] <= 0:
                del self._users[key]
                self._open.pop(key, None)

    def __len__(self) -> int:
        return len(self._open)


class Access:
    """Access of an array to its file, which is reopened if it was closed.

    Args:
        path: Name of the file.
    """

    def __init__(self, path: Path) -> None:
        self._key = path, file_stamp(path)
        self._file: Callable[[], OpenFile | None] = no_file
        FILES.enter(self._key)

    def get(self) -> OpenFile:
        """Return the open file."""
        file = self._file()
        if file is None:
            file = FILES.get(self._key)
            self._file = weakref.ref(file)
        return file

    def check_size(self) -> None:
        """Raise an error if a file was truncated: HDF5 reads zeros beyond the end.

        Raises:
            OSError: The file has shrunk.
        """
        size = os.fstat(self.get().file.id.get_vfd_handle()).st_size
        if size < self._key[1][2]:
            raise OSError(f"the file ends at byte {size} and was longer before")

    def close(self) -> None:
        """Release the file; the next read opens it again."""
        FILES.close(self._key)

    def __del__(self) -> None:
        if hasattr(self, "_key"):  # the file was there
            FILES.leave(self._key)


def no_file() -> None:
    """Return None, in place of a weak reference to a file."""


def is_same_file(one: Key, other: Key) -> bool:
    """Return whether two keys name one file, also if it has changed."""
    return (one[0], one[1][:2]) == (other[0], other[1][:2])


def open_files_limit() -> int:
    """Return how many files may be open at a time."""
    try:
        import resource

        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    except ImportError:  # no POSIX system
        return MOST
    return MOST if allowed < 0 else max(2, min(MOST, allowed // SHARE))


def file_stamp(path: Path) -> FileStamp:
    """Return the numbers that identify a file and its last change."""
    state = path.stat()
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


FILES = OpenFiles()
