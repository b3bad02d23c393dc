"""The command that runs a study: its data, its runs, and their comparison."""

import shlex
from pathlib import Path

from commands.compare import compare_runs


def run_study(args: list[str]) -> None:
    """Run the unfinished runs of a study, several at a time, and compare them."""
    from commands.help import Parser

    parser = Parser(prog="emulate study", description=run_study.__doc__)
    parser.add_argument("file", type=Path, help="Study in YAML.")
    parser.add_argument("--jobs", type=int, default=None, help="Runs at a time; one per core.")
    parser.add_argument(
        "--dry_run", action="store_true", help="Only print the commands, one run per line."
    )
    options = parser.parse_args(args)
    if options.jobs is not None and options.jobs < 1:
        raise ValueError(f"--jobs must be at least 1, got {options.jobs}.")
    from commands.study import read_study

    study = read_study(options.file.expanduser())
    if options.dry_run:
        for run in (run for run in study.runs if not run.finished):
            print(" && ".join(shlex.join(["emulate", *command]) for command in run.commands()))
        return
    import torch

    from commands.generate import simulate
    from commands.jobs import run_all

    cores = torch.get_num_threads()
    jobs = min(options.jobs or cores, len(study.runs))
    for arguments in study.data:
        simulate(arguments)  # data of the user's own are there already
    failed = run_all(study.runs, jobs, cores)
    for folder, runs in study.compared().items():
        done = [str(run.folder) for run in runs if run not in failed]
        if done:
            compare_runs([*done, f"--output={folder}"])
    print(f"watch with: tensorboard --logdir {study.root}")
    if failed:
        logs = ", ".join(str(run.folder / "log.txt") for run in failed)
        raise ValueError(
            f"{len(failed)} of {len(study.runs)} runs failed; the reasons are in {logs}."
        )
