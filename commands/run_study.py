"""The command that runs a study: its data, its runs, and their comparison."""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commands.compare import compare_runs
from commands.study import Study, StudyRun, read_study

if TYPE_CHECKING:
    from commands.search_report import SearchReport


def run_study(args: list[str]) -> None:
    """Run the unfinished runs or trials of a study, several at a time, and compare the runs."""
    from commands.help import Parser

    parser = Parser(prog="emulate study", description=run_study.__doc__)
    parser.add_argument("file", type=Path, help="Study in YAML.")
    parser.add_argument(
        "--jobs", type=int, default=None, help="Runs or trials at a time; one per core."
    )
    parser.add_argument(
        "--dry_run", action="store_true", help="Only print the commands, one run per line."
    )
    options = parser.parse_args(args)
    if options.jobs is not None and options.jobs < 1:
        raise ValueError(f"--jobs must be at least 1, got {options.jobs}.")
    study = read_study(options.file.expanduser())
    if options.dry_run:
        if study.search:
            names = ", ".join(study.search.space)
            print(f"# each of the {study.search.trials} trials of a run sets {names}")
        for run in (run for run in study.all_runs if not run.finished):
            print(" && ".join(shlex.join(["emulate", *command]) for command in run.commands()))
        return
    search = search_of(study)
    import torch

    from commands.garbage import resume_collections
    from commands.generate import simulate
    from commands.jobs import run_all

    resume_collections()
    waiting = study.untrained if study.search else study.all_runs
    waiting = [run for run in waiting if not run.finished]
    if waiting:  # the parser takes seconds to import
        from commands.run_options import check_runs

        check_runs(waiting, options.file)
    cores = torch.get_num_threads()
    for arguments in study.data:
        simulate(arguments)  # data of the user's own are there already
    if search is not None:
        reports = search(study.runs, study.root, study.search, options.jobs or cores, cores)
        study.runs = best_runs(reports, study.root)
        if not study.runs:  # another process tests the best, and the untrained runs
            return
    runs = study.all_runs
    failed = run_all(runs, min(options.jobs or cores, len(runs)), cores)
    faults: list[str] = []
    if failed:
        logs = ", ".join(str(run.folder / "log.txt") for run in failed)
        faults.append(f"{len(failed)} of {len(runs)} runs failed; the reasons are in {logs}.")
    for folder, group in study.compared().items():
        done = [str(run.folder) for run in group if run not in failed]
        try:
            if done:
                compare_runs([*done, f"--output={folder}"])
        except (OSError, ValueError) as error:  # the other data sets have comparisons
            faults.append(str(error))
    print(f"watch with: tensorboard --logdir {study.root}")
    if faults:
        raise ValueError(" ".join(faults))


def search_of(study: Study) -> "Callable[..., list[SearchReport]] | None":
    """Return the function that runs trials, if the study has a search.

    Raises:
        ValueError: Optuna is not installed, or the parser refuses an option of a trial.
    """
    if study.search is None:
        return None
    try:
        from commands.search import search_options
    except ImportError as error:
        raise ValueError(
            f"{study.search.file}: 'search' needs the library {error.name}; run "
            '`pip install "implicit-emulators[search]"`.'
        ) from None
    from commands.run_options import check_trials

    check_trials(study)
    return search_options


def best_runs(reports: "Sequence[SearchReport]", root: Path) -> list[StudyRun]:
    """Print the reports of searches, write them for the page, and return the best runs.

    There are none while another process runs trials of the study, which tests the best afterwards.

    Raises:
        ValueError: No trial of a run is complete.
    """
    from commands.search_report import write_reports

    print(*(report.text() for report in reports), sep="\n\n")
    running = sum(report.running for report in reports)
    if running:
        print(f"{running} trials are running in another process, which will test the best.")
        return []
    for report in reports:
        if report.run is None:
            raise ValueError(
                f"{root}: none of the {len(report.rows)} trials of '{report.full.name}' is "
                "complete; their log.txt and the table say why."
            )
    for folder in dict.fromkeys(report.full.folder.parent for report in reports):
        write_reports([one for one in reports if one.full.folder.parent == folder], folder)
    return [report.run for report in reports if report.run is not None]
