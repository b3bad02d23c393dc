"""What may become of malformed input: a sentence that names it, or what the intact one gives."""

import os
import pickle
import signal
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from commands.messages import explain, is_expected

SECONDS = 20


def tried(action: Callable[[], Any], names: Iterable[str], command: str = "fit") -> Any:
    """Return what an action returns, or None if it is refused and one of the names is said."""
    try:
        return action()
    except Exception as error:
        if not is_expected(error):
            where = traceback.format_tb(error.__traceback__)[-1]
            pytest.fail(f"a traceback: {type(error).__name__}: {error}\n{where}", pytrace=False)
        text = explain(str(error), command)
        if not any(name in text for name in names):
            where = traceback.format_tb(error.__traceback__)[-1]
            pytest.fail(f"names none of {list(names)}: {text}\n{where}", pytrace=False)
        return None


def apart(action: Callable[[], Any]) -> Any:
    """Return what an action returns in a process of its own, which it may take down."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        os.close(receive)
        try:
            answer = (True, action())
        except BaseException as error:
            answer = (False, str(error))
        with os.fdopen(send, "wb") as pipe:
            pickle.dump(answer, pipe)
        os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        answer = pipe.read()
    status = os.waitpid(child, 0)[1]
    if not answer:
        pytest.fail(f"the process ended by signal {os.WTERMSIG(status)}", pytrace=False)
    good, value = pickle.loads(answer)
    if not good:
        pytest.fail(value, pytrace=False)
    return value


def left(folder: Path) -> list[Path]:
    """Return half-written files."""
    return [path for path in folder.rglob("*") if path.suffix in (".tmp", ".partial")]
