"""Callbacks of a run: diagnostics of rollouts, their scores and figures, and files of the run.

The exported names are in `__init__.pyi`; each is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
