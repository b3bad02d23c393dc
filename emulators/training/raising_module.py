"""The module in which an error was raised."""

import sys
from traceback import walk_tb


def raising_module(error: BaseException) -> str:
    """Return the innermost module, outside the standard library, in which an error was raised."""
    names = [frame.f_globals["__name__"] for frame, _ in walk_tb(error.__traceback__)]
    return [name for name in names if name.split(".")[0] not in sys.stdlib_module_names][-1]
