"""Values of options, checked before the parser of the command line looks for their meaning."""

from functools import cache
from typing import Any

from jsonargparse import get_loader, set_loader
from yaml import YAMLError

from configs.yaml_files import check


@cache
def check_values() -> None:
    """Refuse values of options, and files that they name, as `read_mapping` does."""
    load = get_loader("yaml")

    def checked(text: str) -> Any:
        check(text)
        return load(text)

    set_loader("yaml", checked, exceptions=(YAMLError,))
