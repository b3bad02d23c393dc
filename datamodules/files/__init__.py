"""Reading and writing of data files: formats, axes, units, hashes and atomic writes."""
