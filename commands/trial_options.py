"""Check of the options of trials by the parser, before any of them is run."""

from argparse import ArgumentError
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from yaml import YAMLError

from commands.messages import explain
from commands.option_values import check_values
from commands.search_section import corners
from commands.stages import EmulatorCLI
from commands.study import Study


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
            given = [*run.arguments, *study.search.options, *words, "--print_config"]
            with TemporaryDirectory() as folder, redirect_stdout(StringIO()):
                try:
                    with suppress(SystemExit):  # after the configuration is printed
                        EmulatorCLI.run("fit", given, Path(folder))
                except (ArgumentError, ValueError, OSError, YAMLError) as error:
                    raise ValueError(
                        f"{study.search.file}: a trial of '{run.name}' with {' '.join(words)} is "
                        f"refused: {explain(str(error))}"
                    ) from None
