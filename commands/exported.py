"""Import of the exported classes, which configuration files name."""

from types import ModuleType
from typing import Any


def exported(*packages: ModuleType) -> list[Any]:
    """Import and return all that packages export, so that classes are found by name and base.

    The packages import each of their names when it is first used.
    """
    return [getattr(package, name) for package in packages for name in package.__all__]
