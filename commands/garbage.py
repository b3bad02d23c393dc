"""Garbage collections, which the program starts after it has imported its libraries."""

import gc


def collect_garbage() -> None:
    """Let Python collect garbage from now on, among objects that are not there yet.

    The imported libraries are a million objects. Python would search them several times while they
    are imported, and once more when it ends: two of the six seconds to the first training step.
    """
    if not (gc.isenabled() or gc.get_freeze_count()):
        gc.freeze()
    gc.enable()
