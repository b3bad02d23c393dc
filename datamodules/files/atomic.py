"""Atomic writing: files are complete or absent, also after a crash or with several writers."""

import errno
import glob
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datamodules.files.sizes import readable

ABANDONED = 24 * 3600  # age after which a temporary file is no longer being written [s]
_held = threading.local()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Add the name of the file and the free disk space to errors raised while writing.

    Raises:
        OSError: The file cannot be written; also for errors of the NetCDF library.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not str(error).startswith("NetCDF"):
            raise
        room = "no such folder"
        if path.parent.is_dir():
            room = f"{readable(shutil.disk_usage(path.parent).free)} are free there"
        raise OSError(
            f"{path}: cannot be written ({getattr(error, 'strerror', None) or error}; {room}); "
            "make room or choose another folder, and run the command again."
        ) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; rename it at the end, or remove it after a failure.

    The content is flushed to the disk before the file is renamed, and the folder afterwards, so
    that a power cut leaves either the former file or the new one. Temporary files that killed
    processes left behind are removed.

    Args:
        path: Path of the file.

    Raises:
        OSError: The file cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with writing(path):
            remove_unfinished(path)
            yield temporary
            flush(temporary)
            os.replace(temporary, path)
            flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Flush the content of a file, or the names in a folder, to the disk.

    Raises:
        OSError: The disk is full, or failed.
    """
    try:
        handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except PermissionError:  # Windows does not open folders
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # cannot be asked for
            raise
    finally:
        os.close(handle)


def remove_unfinished(path: Path) -> None:
    """Remove temporary files of a file that were left by processes that no longer run."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.tmp"):
        process = left.name[len(path.name) + 1 : -len(".tmp")]
        try:
            old = time.time() - left.stat().st_mtime > ABANDONED
            if process.isdecimal() and (old or not is_running(int(process))):
                left.unlink()
        except OSError:  # another process was faster, or it is another user's
            continue


def is_running(process: int) -> bool:
    """Return whether a process runs on this machine; True if that cannot be determined."""
    if sys.platform == "win32":  # where os.kill would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def atomic_write(path: Path, content: bytes | memoryview | str) -> Path:
    """Write a file atomically (text as UTF-8), and return its path."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def replace_folder(new: Path, path: Path) -> None:
    """Replace a folder by another one, which takes its name."""
    former = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    if os.path.lexists(path):
        path.rename(former)
    new.rename(path)
    if former.is_dir() and not former.is_symlink():
        shutil.rmtree(former, ignore_errors=True)
    else:
        former.unlink(missing_ok=True)


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Lock a folder against other processes of this machine; make it if it is missing.

    A thread may lock a folder repeatedly. On a file system without locks, processes do not wait:
    files are still complete, but two processes may do the same work.

    Args:
        folder: Folder to lock.

    Raises:
        OSError: The folder cannot be written.
    """
    held = _held.__dict__.setdefault("folders", set())
    try:
        name = folder.resolve()
        handle = None if name in held else lock_in(folder)
    except OSError as error:
        raise OSError(
            f"{folder}: cannot write here ({error.strerror or error}); set data.root to a folder "
            "that can be written."
        ) from None
    if handle is None:
        yield
        return
    try:
        wait_for(handle)
        held.add(name)
        yield
    finally:
        held.discard(name)
        os.close(handle)


def lock_in(folder: Path) -> int:
    """Return the handle of the lock file of a folder, which is made if it is missing."""
    for _ in range(10):  # another process may remove the folder before the file is made
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return os.open(folder / "lock", os.O_CREAT | os.O_RDWR)
        except FileNotFoundError:
            continue
    raise FileNotFoundError(errno.ENOENT, "the folder is removed over and over")


def wait_for(handle: int) -> None:
    """Wait for the lock of an open file, if the file system supports locks."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)
    except (ImportError, OSError):  # Windows, some network file systems
        return
