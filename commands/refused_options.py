"""Full option names in errors of constructors, which say `masking` for `model.masking`."""

import re
from collections.abc import Iterator
from traceback import walk_tb
from typing import Any

from jsonargparse import Namespace

from commands.own_code import chain
from commands.suggestions import arguments_of, class_at

STAGES = ("fit", "validate", "test", "predict")


def name_option(error: ValueError, settings: Any) -> None:
    """Write the option at the start of a constructor's message in full, as it is typed.

    Args:
        error: Error of a constructor, or of the parser because of it. A message of a constructor
            that begins with anything else is kept.
        settings: Settings from which the objects were constructed.
    """
    errors = chain(error)
    for cause in reversed(errors):
        message = str(cause)
        option = re.match(r"([a-z]\w*)(?:\[.*?\])? (?:must|has|have|is|are|needs) ", message)
        kinds = refusing_classes(cause, option[1]) if option else []
        if not kinds:
            continue
        found = [[*sections(settings, kind)] for kind in kinds]
        owner = next((names[0] for names in found if len(names) == 1), kinds[0].__name__)
        for other in errors:
            text = str(other)
            if message in text:
                other.args = (text.replace(message, f"{owner}.{message}"), *other.args[1:])
        return


def refusing_classes(error: BaseException, option: str) -> list[type]:
    """Return the classes with an option whose constructors raised an error, innermost first."""
    found = []
    for frame, _ in walk_tb(error.__traceback__):
        code = frame.f_code
        if code.co_name in ("__init__", "__post_init__") and code.co_varnames:
            kind = type(frame.f_locals.get(code.co_varnames[0]))
            found += [kind] if option in arguments_of(kind) else []
    return found[::-1]


def sections(settings: Any, kind: type, name: str = "") -> Iterator[str]:
    """Yield the option names of all sections that contain settings of a class.

    >>> path = "commands.help.Formatter"
    >>> settings = {"fit": {"model": {"class_path": path, "init_args": {}}}}
    >>> from commands.help import Formatter
    >>> list(sections(settings, Formatter))
    ['model']
    """
    if isinstance(settings, Namespace):
        settings = settings.as_dict()
    if not isinstance(settings, dict):
        return
    if class_at(str(settings.get("class_path"))) is kind:
        yield name
    for key, value in settings.items():
        outer = key == "init_args" or (not name and key in STAGES)
        yield from sections(value, kind, name if outer else f"{name}.{key}".strip("."))
