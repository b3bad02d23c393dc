"""Garbage collections, which wait until a command has imported its libraries.

The imported libraries are a million objects. Python would search them several times while they are
imported, and once more when it ends: two of the six seconds to the first training step.
"""

import gc

_suspended = False


def suspend_collections() -> None:
    """Disable garbage collections until `resume_collections`, if they are enabled."""
    global _suspended
    if gc.isenabled():
        gc.disable()
        _suspended = True


def resume_collections() -> None:
    """Enable suspended collections again, for objects that are not there yet."""
    global _suspended
    if _suspended:
        if not gc.get_freeze_count():
            gc.freeze()
        gc.enable()
        _suspended = False
