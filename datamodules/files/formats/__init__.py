"""Formats of trajectory files: one reader for each, which describes what a file holds."""
