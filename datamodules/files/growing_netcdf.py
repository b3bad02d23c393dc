"""NetCDF files that grow."""

from collections.abc import Mapping

import netCDF4
import numpy as np

from datamodules.files.growing_file import GrowingFile

SYNC = 100  # items after which what was written is passed to the operating system


class GrowingNetCDF(GrowingFile):
    """NetCDF-4 file that grows along its unlimited dimension, in chunks of one item."""

    suffix = ".nc"

    @classmethod
    def check_installed(cls) -> None:
        """Do nothing: netCDF4 is always installed."""

    def _create(self) -> None:
        defined = self.definition
        self.file = netCDF4.Dataset(self.partial, "w", format="NETCDF4")
        for name, size in defined.sizes.items():
            self.file.createDimension(name, None if name == defined.grows else size)
        for variable in defined.variables:
            chunks = None
            if defined.grows in variable.dimensions[:-1]:
                chunks = defined.chunk(variable, 1)
            made = self.file.createVariable(
                variable.name, variable.dtype, variable.dimensions, chunksizes=chunks
            )
            made.setncatts(variable.attributes)
            if variable.values is not None:
                made[:] = variable.values
        self.file.setncatts(defined.attributes)

    def _append(self, values: Mapping[str, np.ndarray | float]) -> None:
        for variable in self.definition.growing:
            key = self.definition.at(variable, self.stored)
            self.file[variable.name][key] = values[variable.name]
        if self.stored % SYNC == SYNC - 1:
            self.file.sync()

    def close(self) -> None:
        self.file.close()
