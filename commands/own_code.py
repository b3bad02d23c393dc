"""Search for the line of user code in which an error was raised."""

import sysconfig
from collections.abc import Sequence
from pathlib import Path
from traceback import extract_tb

INSTALLED = ("site-packages", "dist-packages")


def place_in_own_code(error: BaseException, program: Sequence[Path]) -> str | None:
    """Return type, file and line of an error raised by user code, or by a library that it called.

    Args:
        error: The error, or a later one that it caused.
        program: Files and folders of this program, whose own errors need no place.

    Returns:
        None if the innermost code outside of libraries belongs to the program.
    """
    for cause in reversed(chain(error)):
        for frame in reversed(extract_tb(cause.__traceback__)):
            file = Path(frame.filename).resolve()
            if belongs_to(file, program):
                return None
            if not is_of_a_library(file):
                kind = type(cause).__name__
                return f"{kind} at {relative_path(file)}, line {frame.lineno}, in {frame.name}"
    return None


def chain(error: BaseException) -> list[BaseException]:
    """Return an error followed by its causes, the original error last.

    An error that was raised `from None` is an original one.
    """
    found = [error]
    while before := cause_of(found[-1]):
        if before in found:
            break
        found.append(before)
    return found


def cause_of(error: BaseException) -> BaseException | None:
    """Return the error that led to another one, or None."""
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def belongs_to(file: Path, program: Sequence[Path]) -> bool:
    """Return whether a file is one of the files, or lies in one of the folders, of a program."""
    return any(file.is_relative_to(part) for part in program)


def is_of_a_library(file: Path) -> bool:
    """Return whether a file belongs to Python or an installed package, or does not exist."""
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    return (
        not file.is_file()
        or file.is_relative_to(standard)
        or any(part in file.parts for part in INSTALLED)
    )


def relative_path(file: Path) -> str:
    """Return a path relative to the working folder, or unchanged if it is outside of it."""
    here = Path.cwd()
    return str(file.relative_to(here) if file.is_relative_to(here) else file)
