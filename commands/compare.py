"""The command that compares the scores of runs."""

from pathlib import Path


def compare_runs(args: list[str]) -> None:
    """Compare the scores of tested runs: table, figures and an HTML page."""
    from commands.help import Parser

    parser = Parser(prog="emulate compare", description=compare_runs.__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="Folders of tested runs.")
    parser.add_argument("--output", type=Path, default=Path("."), help="Folder to write into.")
    parser.add_argument(
        "--mse_unit",
        type=float | None,
        default=None,
        help="Unit of the error in the table, in units of the data: 10 gives the MSE of published "
        "turbulence, in (vorticity / 10)². By default it is in units of the training variance.",
    )
    parser.add_argument(
        "--diagnostics",
        nargs="+",
        default=[],
        metavar="MODULE",
        help="Modules of diagnostics of your own that are not in the working directory.",
    )
    options = parser.parse_args(args)
    from callbacks.comparison import compare
    from commands.garbage import resume_collections

    resume_collections()
    runs, output = [run.expanduser() for run in options.runs], options.output.expanduser()
    text, paths = compare(runs, output, options.mse_unit, options.diagnostics)
    print(text, *(f"wrote {path}" for path in paths), sep="\n")
