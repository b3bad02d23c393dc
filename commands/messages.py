"""Error messages of the program: one sentence that says what to change."""

import re
import traceback
from argparse import ArgumentError
from collections.abc import Sequence
from pathlib import Path

from yaml import YAMLError

from commands.own_code import belongs_to, is_of_a_library, place_in_own_code
from commands.parser_messages import ROOMS, explain_parser
from commands.shipped import HOME, close_file

UNHELPFUL_WARNINGS = (
    ".*does not have many workers.*",
    ".*LeafSpec.*",
    r"(?s).*deprecated in v4.*",
    ".*exists and is not empty.*",
    ".*LightningCLI's args parameter.*",
    ".*`weights_only` was not set.*",
    ".*predict returned None.*",
    ".*your dataloader is not resumable.*",  # its sampler continues by itself
    ".*FSDP2-wrapped module.*returned a view.*",  # emulators.Sharded says so
    ".*is smaller than the logging interval.*",  # which counts the steps of all epochs
    ".*recommended to use `self.log.*sync_dist=True.*",  # scores are gathered before
)


NO_METRIC = r"conditioned on metric `(.+?)` which is not available.*: `(.*?)`"
PROGRAM = [HOME / name for name in (*ROOMS, "commands", "cli.py")]
"""Files and folders of this program."""
CALLBACKS = r"lightning/pytorch/(callbacks|tuner)/.*"
ENDED_PROCESS = ("gloo/transport", "remote process exited")


def is_expected(error: Exception) -> bool:
    """Return whether an error is due to the user or the system, and needs no traceback."""
    kinds = (ArgumentError, ValueError, OSError, FloatingPointError, YAMLError)
    watched = isinstance(error, RuntimeError) and re.search(NO_METRIC, str(error), re.DOTALL)
    meant = isinstance(error, TypeError) and is_raised_on_purpose(error)
    known = isinstance(error, kinds) or bool(watched) or meant or bool(lightning_callback(error))
    return known or is_of_an_ended_process(str(error))


def lightning_callback(error: Exception) -> str:
    """Return the module of a callback of Lightning in which an error arose, or an empty text.

    No code of this program, or of the user, was called by the callback when the error arose.
    """
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        file = Path(frame.filename)
        if belongs_to(file, PROGRAM) or not is_of_a_library(file):
            place = ""
        elif found := re.search(CALLBACKS, file.with_suffix("").as_posix()):
            place = found[0].replace("/", ".")
    return place


def is_raised_on_purpose(error: TypeError) -> bool:
    """Return whether a `raise` of this program, not an operation that failed, raised an error."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return False
    file, line = Path(frames[-1].filename), frames[-1].line or ""
    return belongs_to(file, PROGRAM) and line.startswith("raise TypeError(")


def is_of_an_ended_process(message: str) -> bool:
    """Return whether an error only reports that another process has ended."""
    return any(part in message for part in ENDED_PROCESS)


def sentence(error: Exception, program: Sequence[Path], command: str = "fit") -> str:
    """Return one sentence for an error, with file and line if user code raised it.

    Args:
        error: An error that `is_expected`.
        program: Files and folders of this program.
        command: Command that was typed.
    """
    text = explain(str(error) or "an error without a message", command)
    place = place_in_own_code(error, program)
    if place is None and (callback := lightning_callback(error)):
        place = f"{type(error).__name__} in {callback}"
    if place is None:
        return text
    return f"{text.rstrip('.')} ({place}; EMULATE_TRACEBACK=1 shows the whole traceback)."


def explain(message: str, command: str = "fit") -> str:
    """Return one sentence for an error message of the parser, of the system or of a library."""
    if is_of_an_ended_process(message):
        return (
            "another process of this run has ended; its own message, or the message of torchrun "
            "or of the cluster, says why."
        )
    watched = re.search(NO_METRIC, message, re.DOTALL)
    if watched:
        return (
            f"EarlyStopping.monitor is '{watched[1]}', which is not there; choose one of "
            f"{watched[2].replace('`', '')}, or add a diagnostic such as RolloutError."
        )
    nameless = re.fullmatch(r"\[Errno \d+\] ([^:]+)", message)
    if nameless:
        return (
            f"a file could not be written or read ({nameless[1]}); make room on the disk of "
            "trainer.default_root_dir, and run the command again."
        )
    file = re.search(r"File does not exist: '([^']+)'", message)
    if file:
        meant = close_file(Path(file[1]))
        return f"{file[1]}: no such file{meant}; give the path of a YAML file with -c."
    text = explain_parser(message, command)
    return text if len(text) < 400 else text[:400] + " ..."
