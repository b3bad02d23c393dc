"""Zarr stores, versions 2 and 3, in folders and zip archives.

Chunks are read from their files and decoded by numcodecs, since `zarr` itself takes longer to start
a read than a small chunk takes to decode. It reads arrays whose codecs are unknown here.
"""

import json
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.files.decoded_array import DecodedArray, decoded, numbers
from datamodules.files.decoded_chunks import ChunkedArray
from datamodules.files.disk_array import ArrayKey, DiskArray, as_tuple, ranges_of, with_all_axes
from datamodules.files.filled_array import FilledArray
from datamodules.files.formats.format import Contents, FileFormat, StoredVariable
from datamodules.files.hdf5 import check_numbers
from datamodules.files.store_files import Archive, StoreFiles, files_of, names_in

MARKS = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")
COMPRESSORS = ("blosc", "gzip", "zstd")  # of version 3 itself, without a prefix
TIMES = {"numpy.datetime64": "M8[s]", "numpy.timedelta64": "m8[s]"}  # of version 3
EMPTY = 2**64 - 1  # offset of a chunk that a shard does not hold
Decoder = Callable[[Any], Any]


class Zarr(FileFormat):
    """Zarr stores, versions 2 and 3, with dimension names as xarray writes them.

    A store is a folder, or a zip archive as `zarr.storage.ZipStore` writes it. An array of a group
    is named `group/name`.

    Example:
        A store as xarray writes it:

        >>> import xarray
        >>> field = xarray.DataArray([[1.0, 2.0], [3.0, 4.0]], dims=["time", "x"])
        >>> _ = xarray.Dataset({"u": field}, {"time": [0.0, 0.5]}).to_zarr("u.zarr")
        >>> with Zarr().open(Path("u.zarr")) as contents:
        ...     print(sorted(contents.variables), contents.variables["u"].dimensions)
        ...     print(contents.variables["time"].values())
        ['time', 'u'] ('time', 'x')
        [0.  0.5]
    """

    label = "Zarr"

    def recognizes(self, path: Path) -> bool:
        if path.is_dir():
            return any((path / mark).exists() for mark in MARKS)
        places = (name.split("/") for name in names_in(path))
        return any(place[-1] in MARKS for place in places if len(place) <= 2)

    @contextmanager
    def open(self, path: Path) -> Iterator[Contents]:
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file.")
        held = metadata(path)
        if "shape" in held:
            raise ValueError(
                f"{path} is a single Zarr array, expected a group of arrays with names of "
                "dimensions, as xarray writes it; open it by xarray.DataArray(zarr.open_array("
                "...), dims=[...]) and write it with a name by to_dataset(...).to_zarr(...), or "
                "remove it from data.SPLIT.files."
            )
        attributes = held.get("attributes", {})
        yield Contents(path, dict(_variables(path, "")), attributes)


def _variables(store: Path, group: str) -> Iterator[tuple[str, StoredVariable]]:
    """Yield the arrays of a group and of the groups in it by their names."""
    for folder in files_of(store / group).folders():
        name = f"{group}{folder}"
        held = metadata(store / name)
        if "shape" in held:
            if names_of(held) or not group:  # a group without them may hold other data
                yield name, _variable(store, name, held)
        elif held:
            yield from _variables(store, f"{name}/")


def metadata(folder: Path) -> dict[str, Any]:
    """Return the metadata of an array or group in the form of version 3; empty for other folders.

    Raises:
        ValueError: The metadata are not valid JSON, or their file is damaged.
    """
    files = files_of(folder)
    try:
        if (text := files.read("zarr.json")) is not None:
            return json.loads(text)
        found: dict[str, Any] = {}
        for name in (".zgroup", ".zarray"):
            found |= json.loads(files.read(name) or b"{}")
        attributes = files.read(".zattrs") if found else None
        return found if attributes is None else {**found, "attributes": json.loads(attributes)}
    except (ValueError, zlib.error) as error:
        raise ValueError(
            f"{folder}: its metadata are damaged or not valid JSON ({error}); restore the store or "
            "remove it from data.SPLIT.files."
        ) from None


def _variable(store: Path, name: str, held: dict[str, Any]) -> StoredVariable:
    """Return the description of an array."""
    attributes, names = dict(held.get("attributes", {})), names_of(held)
    attributes.pop("_ARRAY_DIMENSIONS", None)
    if names is None:
        raise ValueError(
            f"{store}: array '{name}' has no dimension names, expected those that xarray writes; "
            "open it by xarray.DataArray(zarr.open_array(...), dims=[...]) and write it again, or "
            "remove the store from data.SPLIT.files."
        )
    dtype, version = type_of(held), held["zarr_format"]
    mark = attributes.get("_FillValue")
    if isinstance(mark, str) and dtype.kind == "f":  # as xarray writes it in version 3
        attributes["_FillValue"] = np.frombuffer(b64decode(mark), "<f8")[0]
    elif version == 2 and mark is None and held.get("fill_value"):  # 0 is the default of `zarr`
        attributes["_FillValue"] = fill_of(held, dtype)
    return StoredVariable(
        name,
        tuple(names),
        tuple(held["shape"]),
        dtype,
        attributes,
        partial(open_array, store / name, name, attributes),
        partial(read_texts, store / name),
    )


def names_of(held: dict[str, Any]) -> list[str] | None:
    """Return the names of the dimensions of an array, or None if there are none.

    If some have names, a dimension without a name is called `axis_N`.
    """
    names = held.get("attributes", {}).get("_ARRAY_DIMENSIONS") or held.get("dimension_names")
    if not names or not any(names):
        return None
    return [name or f"axis_{number}" for number, name in enumerate(names)]


def type_of(held: dict[str, Any]) -> np.dtype:
    """Return the type of an array; objects for types that NumPy does not know by this name."""
    kind: Any = held.get("data_type", held.get("dtype"))
    if isinstance(kind, dict):  # of version 3
        kind = TIMES.get(str(kind.get("name")), "O")
    try:
        return np.dtype(kind)
    except (TypeError, ValueError):  # texts of version 3, or records
        return np.dtype("O")


def fill_of(held: dict[str, Any], dtype: np.dtype) -> Any:
    """Return the value of chunks that were not written."""
    value = held.get("fill_value")
    if dtype.kind in "mM":
        return np.zeros((), dtype)[()]
    return dtype.type(0 if value is None else value)


def open_array(folder: Path, name: str, attributes: dict[str, Any]) -> DiskArray:
    """Return an array of a store, with NaN for missing values.

    Chunks that are not in the store hold the `_FillValue` if there is one, and so are missing.
    """
    array = ZarrArray(folder)
    if array.dtype.kind != "b":
        check_numbers(folder.parent, name, array.dtype)
    found = decoded(array, array.dtype, attributes, name, filled=False)
    declared = numbers(attributes.get("_FillValue"))
    if len(declared) and array.library is not None:  # which fills by itself
        unwritten = array.unwritten()
        return FilledArray(found, array.shape, array.chunk, unwritten) if unwritten.any() else found
    if len(declared):
        array.fill = filling(declared[0], found, array.dtype)
        if array.fill is None:
            array.fill = fill_of(metadata(folder), array.dtype)
    return found


def filling(declared: Any, array: DiskArray, stored: np.dtype) -> Any:
    """Return a declared `_FillValue` in the type of the file, or None if that cannot hold it."""
    if stored.kind == "f":
        with np.errstate(over="ignore"):
            return stored.type(declared)
    mark = array.mark(declared) if isinstance(array, DecodedArray) else None
    return None if mark is None else mark.view(stored.newbyteorder("="))


class ZarrArray(ChunkedArray):
    """Array of a Zarr store.

    Args:
        folder: Folder of the array.

    Raises:
        ValueError: The package numcodecs is not installed.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path, held = folder, metadata(folder)
        self.files = files_of(folder)
        self.shape = tuple(held["shape"])
        self.dtype = type_of(held)
        self.fill = fill_of(held, self.dtype)
        self.library: Any = None
        try:
            self._lay_out(held)
        except KeyError:
            self.library = by_library(self.files, folder)
        except ImportError:
            raise ValueError(
                f"{folder.parent} is a Zarr store, for which a package is missing; run "
                '`pip install "implicit-emulators[zarr]"`.'
            ) from None

    def _lay_out(self, held: dict[str, Any]) -> None:
        """Read the chunk layout and the codecs; KeyError for an unknown codec."""
        self.order, self.index = "C", None
        if held["zarr_format"] == 2:
            self.chunk = tuple(held["chunks"])
            self.prefix, self.separator = "", held.get("dimension_separator", ".")
            self.order = held["order"]
            filters = [*(held["filters"] or ()), *filter(None, [held["compressor"]])]
            self.decoders = [_codec(dict(config)) for config in reversed(filters)]
            return
        keys = held["chunk_key_encoding"]
        v2 = keys["name"] == "v2"
        self.prefix = "" if v2 else "c"
        self.separator = keys.get("configuration", {}).get("separator", "." if v2 else "/")
        self.chunk = tuple(held["chunk_grid"]["configuration"]["chunk_shape"])
        codecs = held["codecs"]
        if codecs[0]["name"] == "sharding_indexed":
            options = codecs[0]["configuration"]
            self.shard, self.chunk = self.chunk, tuple(options["chunk_shape"])
            self.index = tuple(s // c for s, c in zip(self.shard, self.chunk, strict=True))
            if options.get("index_location", "end") != "end" or len(codecs) > 1:
                raise KeyError("sharding")
            codecs = options["codecs"]
        self.decoders = [_decoder(codec) for codec in reversed(codecs) if codec["name"] != "bytes"]
        for codec in codecs:
            if codec.get("configuration", {}).get("endian") == "big":
                if codec is not codecs[0]:  # the values are encoded before their bytes are swapped
                    raise KeyError("bytes")
                self.dtype = self.dtype.newbyteorder(">")

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        key = as_tuple(key)
        ranges = ranges_of(key, self.shape, self.path)
        if self.library is not None:
            return self._by_library(key)
        return self._of_chunks(key, ranges)

    def _by_library(self, key: ArrayKey) -> np.ndarray:
        """Return values that the package zarr decodes.

        Raises:
            ValueError: It cannot decode them, since they are damaged.
        """
        try:
            return np.asarray(self.library[key])
        except (OSError, RuntimeError, TypeError, ValueError, zlib.error) as error:
            raise ValueError(
                f"{self.path} has chunks that cannot be decoded ({error}); restore the store or "
                "remove it from data.SPLIT.files."
            ) from None

    def copy_to(self, out: np.ndarray, key: ArrayKey) -> None:
        parts = as_tuple(key)
        parts += (slice(None),) * (len(self.shape) - len(parts))
        ranges, view = ranges_of(parts, self.shape, self.path), with_all_axes(out, parts)
        fits = out.dtype == self.dtype and view.shape == tuple(map(len, ranges))
        if self.library is None and fits:
            self._fill(view, ranges)  # spares a copy
        else:
            super().copy_to(out, key)

    def _block(self, number: tuple[int, ...]) -> np.ndarray:
        """Return the values of a chunk.

        Raises:
            ValueError: The file of the chunk is damaged.
        """
        name = self._file(number)
        try:
            data: Any = self._bytes(name, number)
            if data is None:
                return np.broadcast_to(self.fill, self.chunk)
            for decode in self.decoders:
                data = decode(data)
            block = np.frombuffer(data, self.dtype)
            columns = self.order == "F"
            return block.reshape(self.chunk[::-1]).T if columns else block.reshape(self.chunk)
        except (OSError, RuntimeError, ValueError, zlib.error) as error:
            raise ValueError(
                f"{self.path}/{name} is damaged ({error}); restore the store or remove it from "
                "data.SPLIT.files."
            ) from None

    def _file(self, number: tuple[int, ...]) -> str:
        """Return the file of a chunk, or of the shard that holds it, below the array's folder."""
        if self.index is not None:
            number = tuple(n // i for n, i in zip(number, self.index, strict=True))
        words = [*filter(None, [self.prefix]), *map(str, number)]
        return self.separator.join(words or ["0"])

    def unwritten(self) -> np.ndarray:
        """Return a mask of the chunks whose file is not in the store, by their number."""
        counts = [-(-size // chunk) for size, chunk in zip(self.shape, self.chunk, strict=True)]
        missing = [not self.files.exists(self._file(number)) for number in np.ndindex(*counts)]
        return np.reshape(missing, counts)

    def absent_chunk(self) -> str:
        number = next(iter(np.argwhere(self.unwritten())), None)
        return "" if number is None else f"{self.path}/{self._file(tuple(map(int, number)))}"

    def _bytes(self, name: str, number: tuple[int, ...]) -> bytes | None:
        """Return the encoded bytes of a chunk; None if it was not written."""
        if self.index is None:
            return self.files.read(name)
        size = 16 * prod(self.index) + 4  # offsets and lengths, and a checksum
        index = self.files.read(name, -size, size - 4)
        if index is None:
            return None
        table = np.frombuffer(index, "<u8").reshape(*self.index, 2)
        place = tuple(n % i for n, i in zip(number, self.index, strict=True))
        offset, length = map(int, table[place])
        return None if offset == EMPTY else self.files.read(name, offset, length)


def read_texts(folder: Path) -> list[str]:
    """Return the texts of an array."""
    return [str(value) for value in np.ravel(by_library(files_of(folder), folder)[...])]


def by_library(files: StoreFiles, folder: Path) -> Any:
    """Return an array that the package zarr reads.

    Raises:
        ValueError: The package does not know a codec of the array, or its configuration.
    """
    import zarr

    try:
        if isinstance(files, Archive):
            store = zarr.storage.ZipStore(files.path, mode="r")
            return zarr.open_array(store, path=files.folder.strip("/"), mode="r")
        return zarr.open_array(str(folder), mode="r")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{folder} is stored in a way that the package zarr does not read ({error}), expected "
            "codecs of zarr or numcodecs; write the array again with other codecs, or install the "
            "package that has them."
        ) from None


def _codec(config: dict[str, Any]) -> Decoder:
    """Return the decoder of a codec of numcodecs; KeyError if it is unknown there."""
    from numcodecs import get_codec
    from numcodecs.errors import UnknownCodecError

    try:
        return get_codec(config).decode
    except (TypeError, UnknownCodecError, ValueError):  # unknown, or configured in another way
        raise KeyError(config["id"]) from None


def _decoder(codec: dict[str, Any]) -> Decoder:
    """Return the decoder of a codec of version 3; KeyError if it is unknown here."""
    name = codec["name"]
    if name == "crc32c":
        return lambda data: data[:-4]
    if name in COMPRESSORS:  # which need no configuration to decode
        return _codec({"id": name})
    own = name.removeprefix("numcodecs.")
    if own == name:
        raise KeyError(name)
    return _codec({**codec.get("configuration", {}), "id": own})
