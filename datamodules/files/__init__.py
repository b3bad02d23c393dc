"""Reading and writing of files: NetCDF, its axes and units, hashes, whole files."""
