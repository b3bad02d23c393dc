"""Errors of constructors, in place of the parser's list of all types as which a value was tried.

The parser keeps the first of several errors as the cause, which need not be the constructor's, and
lists their messages among its own. Its instantiators therefore remember them.
"""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any

from jsonargparse import add_instantiator


@dataclass(frozen=True)
class Refusal:
    """Error that was raised while an object was constructed.

    Args:
        kind: Class of the object.
        error: Error.
    """

    kind: type
    error: BaseException

    @property
    def message(self) -> str:
        """Message of the error; of an error that is not about a value, with the class."""
        text = str(self.error)
        if isinstance(self.error, ValueError):
            return text
        advice = "; call super().__init__ first" if "before Module.__init__()" in text else ""
        return f"{path_of(self.kind)} cannot be made: {text.rstrip('.')}{advice}."


REFUSALS: ContextVar[list[Refusal] | None] = ContextVar("refusals", default=None)
ENDS = r"(?= - | Given value|\. Got value|$)"
"""What follows a reason in the parser's list."""


def remembered(instantiator: Callable) -> Callable:
    """Return an instantiator of the parser whose errors are remembered.

    Args:
        instantiator: Function that makes an object of the class that is its first argument.
    """

    @wraps(instantiator)
    def construct(kind: type, /, *args: Any, **kwargs: Any) -> Any:
        try:
            made = instantiator(kind, *args, **kwargs)
            check_constructed(made)
        except Exception as error:
            if (refusals := REFUSALS.get()) is not None:
                refusals.append(Refusal(kind, error))
            raise
        return made

    return construct


@remembered
def construct(kind: type, /, *args: Any, **kwargs: Any) -> Any:
    """Return an object of a class."""
    return kind(*args, **kwargs)


add_instantiator(construct, object, subclasses=True)


@contextmanager
def refusals_reported() -> Iterator[None]:
    """Raise the refusal behind an error of the parser in its place.

    Calls within another one leave it to the outermost, whose parser may recover from the refusal.
    """
    if REFUSALS.get() is not None:
        yield
        return
    refusals: list[Refusal] = []
    token = REFUSALS.set(refusals)
    try:
        yield
    except ValueError as error:
        if refusal := refusal_of(error, refusals):
            raise ValueError(refusal.message) from refusal.error
        raise
    finally:
        REFUSALS.reset(token)


def refusal_of(error: ValueError, refusals: Sequence[Refusal]) -> Refusal | None:
    """Return the refusal that is among the reasons in an error of the parser, or None.

    Args:
        error: Error of the parser.
        refusals: Refusals during the same call. Those that the parser, or another constructor,
            recovered from are not among the reasons.
    """
    reasons = " ".join(str(error).split())
    for refusal in refusals:
        text = " ".join(str(refusal.error).split())
        listed = text and re.search(rf"(?:^|- |: ){re.escape(text)}{ENDS}", reasons)
        if listed and refusal.error is not error:
            return refusal
    return None


def check_constructed(made: object) -> None:
    """Check that the constructor of a module called the constructor of its base class.

    Raises:
        ValueError: It did not.
    """
    torch = sys.modules.get("torch")  # help does not load it, and without it there are no modules
    if torch and isinstance(made, torch.nn.Module) and "_modules" not in vars(made):
        raise ValueError(
            f"{path_of(type(made))}.__init__ does not call super().__init__; call it first, with "
            "the arguments of the base class."
        )


def path_of(kind: type) -> str:
    """Return the import path of a class."""
    return f"{kind.__module__}.{kind.__qualname__}"
