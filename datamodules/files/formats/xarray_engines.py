"""Files that xarray opens by an engine, such as GRIB by cfgrib."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from datamodules.files.disk_array import ArrayKey, DiskArray, as_tuple, ranges_of
from datamodules.files.formats.format import Contents, FileFormat, StoredVariable, beginning
from datamodules.files.hdf5 import check_numbers
from datamodules.files.open_files import file_stamp

if TYPE_CHECKING:
    import xarray

GRIB = b"GRIB"


class Xarray(FileFormat):
    """Files of any format for which an engine of xarray is installed.

    Values are read window by window, at the speed of the engine. A time that is a single number
    becomes an axis of one item. GRIB files are recognised by their first bytes and need cfgrib
    (`pip install "implicit-emulators[grib]"`).

    Args:
        engine: Name of the engine, as in `xarray.open_dataset`; by default cfgrib for GRIB files,
            and for others the one that xarray chooses.
        options: Options of the engine, as `backend_kwargs` in `xarray.open_dataset`. A GRIB file
            with fields on several kinds of levels needs, for example, `{filter_by_keys:
            {typeOfLevel: surface}}`.

    Example:
        A NetCDF file, opened by the engine netcdf4:

        >>> import xarray
        >>> field = xarray.DataArray([[1.0, 2.0], [3.0, 4.0]], dims=["time", "x"])
        >>> xarray.Dataset({"u": field}).to_netcdf("u.nc")
        >>> with Xarray("netcdf4").open(Path("u.nc")) as contents:
        ...     print(contents.variables["u"].dimensions, contents.variables["u"].values()[1])
        ('time', 'x') [3. 4.]
    """

    label = "xarray"

    def __init__(self, engine: str | None = None, options: Mapping[str, Any] = {}) -> None:
        self.engine, self.options = engine, dict(options)

    def recognizes(self, path: Path) -> bool:
        return beginning(path, len(GRIB)) == GRIB

    @contextmanager
    def open(self, path: Path) -> Iterator[Contents]:
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file.")
        grib = self.recognizes(path)
        how = self.engine or ("cfgrib" if grib else ""), yaml.safe_dump(self.options)
        dataset = open_dataset(path, *how)
        variables = {
            str(name): StoredVariable(
                str(name),
                tuple(map(str, variable.dims)),
                variable.shape,
                variable.dtype,
                dict(variable.attrs),
                partial(EngineArray, path, str(name), *how),
                partial(read_texts, path, str(name), *how),
            )
            for name, variable in dataset.variables.items()
        }
        yield Contents(path, variables, dict(dataset.attrs))


def open_dataset(path: Path, engine: str, options: str) -> "xarray.Dataset":
    """Return an open file, which its arrays share.

    Args:
        path: File.
        engine: Name of the engine, or an empty text if xarray chooses it.
        options: Options of the engine as YAML.

    Raises:
        ValueError: The engine is not installed, or cannot open the file.
    """
    return _opened(path, engine, options, file_stamp(path), os.getpid())


@lru_cache(maxsize=32)
def _opened(path: Path, engine: str, options: str, *state: Any) -> "xarray.Dataset":
    """Return an open file, cached by its stamp and the process."""
    import xarray

    if engine and engine not in xarray.backends.list_engines():
        installed = ", ".join(xarray.backends.list_engines())
        advice = "install the package that has it"
        if engine == "cfgrib":
            advice = 'run `pip install "implicit-emulators[grib]"`'
        raise ValueError(
            f"{path} needs the engine '{engine}' of xarray, found {installed}; {advice}, "
            "or set data.format.init_args.engine."
        )
    settings = yaml.safe_load(options)
    if engine == "cfgrib":
        settings = {"indexpath": "", **settings}  # no index in a file next to the data
    try:
        found = xarray.open_dataset(
            path, engine=engine or None, backend_kwargs=settings, decode_times=False, cache=False
        )
    except Exception as error:  # of several kinds, by the engine
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{path} cannot be opened by the engine '{engine or 'auto'}' of xarray "
            f"({reason:.200}); restore the file, or set data.format.init_args.options."
        ) from None
    single = "time" in found.coords and not found["time"].dims
    return found.expand_dims("time") if single else found


def read_texts(path: Path, name: str, engine: str, options: str) -> list[str]:
    """Return the texts of a variable."""
    values = open_dataset(path, engine, options).variables[name].values
    return [str(value) for value in np.ravel(values)]


class EngineArray(DiskArray):
    """Variable that xarray reads.

    Args:
        path: File.
        name: Name of the variable.
        engine: Name of the engine, or an empty text if xarray chooses it.
        options: Options of the engine as YAML.
    """

    def __init__(self, path: Path, name: str, engine: str, options: str) -> None:
        self.path, self.name, self.how = path, name, (engine, options)
        self.shape, dtype = self.variable.shape, self.variable.dtype
        if dtype.kind != "b":
            check_numbers(path, name, dtype)

    @property
    def variable(self) -> "xarray.Variable":
        """Variable of the open file, whose values have not been read."""
        return open_dataset(self.path, *self.how).variables[self.name]

    def __getitem__(self, key: ArrayKey) -> np.ndarray:
        parts = as_tuple(key)
        ranges_of(parts, self.shape, self.path)
        try:
            return np.array(self.variable[parts].values)
        except Exception as error:  # of several kinds, by the engine
            raise ValueError(
                f"{self.path}: variable '{self.name}' cannot be read ({error}): the file is "
                "damaged or truncated; restore it or remove it from data.SPLIT.files."
            ) from None

    def close(self) -> None:
        pass
