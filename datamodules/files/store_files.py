"""Files of a store in a folder, or in a zip archive as if it were a folder."""

import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from datamodules.files.open_files import file_stamp


class StoreFiles(ABC):
    """Files below a folder."""

    @abstractmethod
    def read(self, name: str, start: int = 0, size: int = -1) -> bytes | None:
        """Return the bytes of a file, or None if there is no such file.

        Args:
            name: Path of the file below the folder.
            start: First byte that is read; a negative one counts from the end.
            size: Number of bytes; all up to the end if it is negative.
        """

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Return whether there is a file of this name."""

    @abstractmethod
    def folders(self) -> list[str]:
        """Return the names of the folders in this one."""


class Folder(StoreFiles):
    """Files in a folder.

    Args:
        path: Folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str, start: int = 0, size: int = -1) -> bytes | None:
        try:
            with open(f"{self.path}/{name}", "rb", buffering=0) as file:
                if start:
                    file.seek(start, 2 if start < 0 else 0)
                return file.read(size)
        except FileNotFoundError:
            return None

    def exists(self, name: str) -> bool:
        return (self.path / name).exists()

    def folders(self) -> list[str]:
        return sorted(child.name for child in self.path.iterdir() if child.is_dir())


@dataclass(frozen=True)
class Member:
    """Place of a file within a zip archive.

    Attributes:
        header: Offset of its header in the archive [bytes].
        size: Size of its data in the archive [bytes].
        compressed: Whether the data are compressed by Deflate.
        checksum: CRC-32 of the file.
    """

    header: int
    size: int
    compressed: bool
    checksum: int


class Archive(StoreFiles):
    """Files in a folder of a zip archive, which is open only while it is read.

    Args:
        path: Archive.
        folder: Folder in the archive, such as `u/`; empty for the whole archive.
        members: Files of the archive by their path.
    """

    def __init__(self, path: Path, folder: str, members: Mapping[str, Member]) -> None:
        self.path, self.folder, self.members = path, folder, members

    def read(self, name: str, start: int = 0, size: int = -1) -> bytes | None:
        member = self.members.get(self.folder + name)
        if member is None:
            return None
        with open(self.path, "rb", buffering=0) as file:
            first = data_offset(file, member.header)
            if member.compressed:
                file.seek(first)
                data = zlib.decompress(file.read(member.size), -zlib.MAX_WBITS)
                self._check(member, data)
                return data[start:][: None if size < 0 else size]
            start = start if start >= 0 else member.size + start
            file.seek(first + start)
            data = file.read(member.size - start if size < 0 else size)
            if len(data) == member.size:
                self._check(member, data)
            return data

    def _check(self, member: Member, data: bytes) -> None:
        """Check the bytes of a whole file.

        Raises:
            ValueError: They have another checksum than the archive has stored.
        """
        if zlib.crc32(data) != member.checksum:
            raise ValueError("its checksum differs from the one in the archive")

    def exists(self, name: str) -> bool:
        return self.folder + name in self.members

    def folders(self) -> list[str]:
        own = (n.removeprefix(self.folder) for n in self.members if n.startswith(self.folder))
        return sorted({name.partition("/")[0] for name in own if "/" in name})


def names_in(path: Path) -> list[str]:
    """Return the names in a zip archive; none of other files."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return []


def data_offset(archive: IO[bytes], header: int) -> int:
    """Return the place of the data of a file in an open zip archive, after its local header."""
    archive.seek(header + 26)
    name, extra = (int.from_bytes(archive.read(2), "little") for _ in range(2))
    return header + 30 + name + extra


def files_of(path: Path) -> StoreFiles:
    """Return the files in a folder, which may be in a zip archive: `u.zarr.zip/u`."""
    if not path.is_dir():
        for archive in (path, *path.parents):
            if archive.is_file():
                top, members = members_of(archive, file_stamp(archive))
                inner = path.relative_to(archive).as_posix()
                return Archive(archive, top + ("" if inner == "." else f"{inner}/"), members)
    return Folder(path)


@lru_cache(maxsize=32)
def members_of(path: Path, *stamp: object) -> tuple[str, dict[str, Member]]:
    """Return the folder that holds all of an archive, or an empty text, and its files.

    Args:
        path: Archive.
        stamp: Stamp of the file, so that a changed one is read again.

    Raises:
        ValueError: The file is damaged, or compressed by another method than Deflate.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            held = [member for member in archive.infolist() if not member.is_dir()]
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is not a readable zip archive ({error}); restore it or remove it from "
            "data.SPLIT.files."
        ) from None
    for member in held:
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(
                f"{path}: '{member.filename}' is compressed by a method that is not read, expected "
                "none, since chunks are compressed themselves; write the archive again, or remove "
                "it from data.SPLIT.files."
            )
    members = {
        member.filename: Member(
            member.header_offset,
            member.compress_size,
            member.compress_type != zipfile.ZIP_STORED,
            member.CRC,
        )
        for member in held
    }
    tops = {name.partition("/")[0] for name in members if "/" in name}
    alone = len(tops) == 1 and all("/" in name for name in members)
    return f"{tops.pop()}/" if alone else "", members
