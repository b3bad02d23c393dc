"""Storages of the snapshots of a split, and the choice between them."""
