"""Check of the options of runs and trials by the parser, before any of them is run."""

from argparse import ArgumentError
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from yaml import YAMLError

from commands.messages import explain
from commands.option_values import check_values
from commands.search_section import corners
from commands.stages import EmulatorCLI
from commands.study import Study, StudyRun


def check_runs(runs: Sequence[StudyRun], file: Path) -> None:
    """Check that the parser accepts the options of runs, of one seed of each method.

    Args:
        runs: Runs that are to be made.
        file: Study file, for messages.

    Raises:
        ValueError: It does not; the message names the file and the run.
    """
    check_values()
    checked = set()
    for run in runs:
        method = [word for word in run.arguments if word.startswith("--trainer.method=")]
        key = (run.folder.parent, *method)
        if key not in checked:
            stage = run.commands()[0][0]
            check_arguments(stage, run.arguments, f"{file}: the run '{run.name}' is refused")
            checked.add(key)


def check_trials(study: Study) -> None:
    """Check that the parser accepts each end of a range and each choice of the study's search.

    Raises:
        ValueError: It does not; the message names the file and the options.
    """
    if study.search is None:
        return
    check_values()
    for run in study.runs:
        for words in corners(study.search.space):
            start = (
                f"{study.search.file}: a trial of '{run.name}' with {' '.join(words)} is refused"
            )
            check_arguments("fit", [*run.arguments, *study.search.options, *words], start)


def check_arguments(stage: str, arguments: list[str], start: str) -> None:
    """Raise an error that begins with `start` if the parser refuses the arguments of a stage."""
    with TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        try:
            with suppress(SystemExit):  # after the configuration is printed
                EmulatorCLI.run(stage, [*arguments, "--print_config"], Path(folder))
        except (ArgumentError, ValueError, OSError, YAMLError) as error:
            raise ValueError(f"{start}: {explain(str(error))}") from None
