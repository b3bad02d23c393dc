"""Formats of trajectory files, each with a reader that describes the contents of a file."""
