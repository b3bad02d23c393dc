"""The command that exports an emulator as a program for PyTorch alone."""

from pathlib import Path

USAGE = """emulate export RUN [options]

  emulate export runs/quickstart/hierarchical
  emulate export RUN/best.ckpt --output=jet-emulator --licence=CC-BY-4.0"""


def export_run(args: list[str]) -> None:
    """Write one step of a trained emulator as a program for PyTorch alone, with weights and a card.

    The folder has step.pt2, the program; weights.safetensors; card.json, which describes the data,
    the inputs, the scores and the origin; and README.md with a program that forecasts.
    """
    from commands.help import Parser

    parser = Parser(prog="emulate export", usage=USAGE, description=export_run.__doc__)
    parser.add_argument("run", type=Path, help="Folder of a run, or a checkpoint.")
    parser.add_argument(
        "--output",
        type=Path | None,
        default=None,
        help="New folder; by default the name of the run with `-export`.",
    )
    parser.add_argument(
        "--licence", type=str | None, default=None, help="Licence of the weights, for the card."
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=100,
        help="Number of steps in which the program is compared with the emulator.",
    )
    options = parser.parse_args(args)
    from pkgutil import resolve_name

    from commands.about_run import about_run
    from commands.garbage import resume_collections
    from emulators import export, load
    from emulators.checkpoint_file import read_checkpoint
    from emulators.former_names import rename
    from emulators.loading import checkpoint_of

    resume_collections()
    file = checkpoint_of(options.run.expanduser())
    checkpoint = read_checkpoint(file, "RUN")
    model = rename(checkpoint.get("hyper_parameters", {})).get("_class_path")
    if model is not None:  # the module of a class of the user's may be in the working folder
        resolve_name(model)
    emulator, run = load(file), file.resolve().parent
    folder = export(
        emulator,
        Path(f"{run.name}-export") if options.output is None else options.output.expanduser(),
        about=about_run(run, checkpoint),
        licence=options.licence,
        steps=options.steps,
    )
    for path in sorted(folder.iterdir()):
        print(f"wrote {path}")
