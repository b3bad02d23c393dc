"""The command line, `emulate COMMAND`.

The commands are `inspect`, `generate`, `fit`, `validate`, `test`, `predict`, `compare`, `study`,
`export`.

`python cli.py` is the same program as `emulate`. Settings come, each overriding the one before,
from `configs/trainer.yaml`, the checkpoint named by --ckpt_path, the files given by -c in their
order, and the options on the command line.
"""

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

# Large libraries take seconds to load: each command imports what it needs, and help needs none.
# Our own modules are imported after `find_own_modules_last`, or a folder `configs` of the user's
# could come before ours.

HELP = """Train, compare and stress-test neural emulators of dynamical systems.

  emulate inspect FILE ...                               what data files hold, and how to read them
  emulate generate -c DATA.yaml                          simulate a data set
  emulate fit -c DATA.yaml -c MODEL.yaml                 train an emulator
  emulate validate --ckpt_path RUN/last.ckpt             roll out on the validation split
  emulate test --ckpt_path RUN/last.ckpt                 roll out, score and draw
  emulate predict --ckpt_path RUN/last.ckpt --steps N    forecast to NetCDF or Zarr
  emulate compare RUN RUN ...                            scores side by side
  emulate study STUDY.yaml                               several runs and their comparison
  emulate export RUN                                     a program for PyTorch alone

`emulate COMMAND --help` describes the options of each. In any folder configs/... names the files
that come with the program, such as configs/data/quickstart.yaml and configs/model/baseline.yaml.
An error is one sentence; with EMULATE_TRACEBACK=1 in the environment its whole traceback is shown.
"""
STAGES = ("fit", "validate", "test", "predict")
HOME = Path(__file__).resolve().parent
OURS = ("callbacks", "commands", "datamodules", "emulators")
LIBRARIES = (
    *("torch", "numpy", "xarray", "lightning", "jsonargparse", "torchmetrics", "jaxtyping"),
    *("matplotlib", "netCDF4", "h5py", "yaml", "tqdm", "PIL", "tensorboard"),
)


def main() -> None:
    """Run the command line; user errors print one sentence and exit with status 1."""
    try:
        find_own_modules_last()
        check_origins()
    except (OSError, ImportError) as error:
        print(f"emulate: error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    from commands.garbage import resume_collections, suspend_collections
    from commands.kept_help import keeping, print_kept
    from commands.messages import PROGRAM, is_expected, sentence

    words = sys.argv[1:]
    suspend_collections()  # until a command has imported its libraries
    try:
        if not print_kept(words):
            with keeping(words):
                run(words)
    except BrokenPipeError:  # the reader of the output, such as `head`, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except Exception as error:
        if os.environ.get("EMULATE_TRACEBACK") or not is_expected(error):
            raise
        print(f"emulate: error: {sentence(error, PROGRAM, *words[:1])}", file=sys.stderr)
        raise SystemExit(1) from None
    finally:
        resume_collections()


def find_own_modules_last() -> None:
    """Make modules in the working directory importable, after all others.

    A `torch.py` in that folder does not shadow the library, and libraries that try to import
    optional packages do not find a `scipy.py` there.

    Raises:
        OSError: The working folder has been removed.
    """
    try:
        here = Path.cwd().resolve()
    except FileNotFoundError:
        raise OSError("the working folder has been removed; change to another one.") from None
    sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, OwnModules)]
    if here == HOME:  # the program runs from its source
        return
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != here]
    sys.meta_path.append(OwnModules(here))


class OwnModules(MetaPathFinder):
    """Finder of user modules in a folder, for imports that do not come from a library.

    The name comes from a configuration file, from a checkpoint that is trusted, or from an import
    statement in another module of the folder.

    Args:
        folder: Folder with the user's modules.
    """

    READERS = (
        ("jsonargparse._util", "import_object"),
        ("pkgutil", "resolve_name"),
        ("torch.serialization", "find_class"),
    )

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.found: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a module in the folder, or None."""
        if (
            path is not None or not self.is_own_import()
        ):  # submodules are found through their package
            return None
        spec = PathFinder.find_spec(name, [str(self.folder)])
        if spec is not None:
            self.found.add(name)
        return spec

    def is_own_import(self) -> bool:
        """Return whether the import comes from one of READERS or from a module of the folder."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            name = frame.f_globals.get("__name__", "")
            if (name, frame.f_code.co_name) in self.READERS or name.split(".")[0] in self.found:
                return True
            if name.split(".")[0] != "importlib":
                return False
            frame = frame.f_back
        return False


def check_origins() -> None:
    """Raise an error if this program's modules come from two folders, or a file hides a library.

    PYTHONPATH may name another copy of this program, if all modules come from that copy, and other
    versions of the libraries, which have metadata; a stray `xarray.py` has none.

    Raises:
        ImportError: A module comes from an unexpected place.
    """
    for name in OURS:
        found = origin(name)
        if found.parent != HOME:
            raise ImportError(
                f"the module '{name}' comes from {found}, the rest of this program from {HOME}; "
                f"take {found.parent} out of PYTHONPATH, or rename what is called '{name}' there."
            )
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    folders = {Path(entry).resolve() for entry in entries if entry} - {HOME}
    for name in LIBRARIES if folders else ():
        found = origin(name)
        if found.parent in folders and not any(found.parent.glob("*-info")):
            raise ImportError(
                f"the library '{name}' comes from {found}, which is not an installed one; take "
                f"{found.parent} out of PYTHONPATH, or rename what is called '{name}' there."
            )
    parts = [Path("cli.py"), *(Path(name, "__init__.py") for name in OURS)]
    first = os.environ.get("RANK", "0") == "0"
    if first and Path.cwd().resolve() != HOME and all(part.is_file() for part in parts):
        print(
            f"note: the program in {HOME} runs, not the copy of it in this folder; for that one, "
            "type `python cli.py`, or set PYTHONPATH to this folder.",
            file=sys.stderr,
        )


def origin(name: str) -> Path:
    """Return the file of the module, or the folder of the package, that an import would find.

    Raises:
        ImportError: There is none.
    """
    found = find_spec(name)
    folders = found.submodule_search_locations if found else None
    place = next(iter(folders)) if folders else (found.origin if found else None)
    if place is None:
        raise ImportError(f"there is no module '{name}' here; install this program again.")
    return Path(place).resolve()


def run(args: Sequence[str]) -> Any:
    """Run a command and return its result: for a stage, the `EmulatorCLI` with its trainer."""
    find_own_modules_last()
    from commands.messages import UNHELPFUL_WARNINGS

    for message in UNHELPFUL_WARNINGS:
        warnings.filterwarnings("ignore", message)
    command, *rest = args or ["--help"]
    if command in ("-h", "--help"):
        return print(HELP)
    from commands.compare import compare_runs
    from commands.export import export_run
    from commands.generate import generate
    from commands.inspect_files import inspect_paths
    from commands.run_study import run_study
    from commands.shipped import with_shipped_files

    others = {
        "inspect": inspect_paths,
        "generate": generate,
        "compare": compare_runs,
        "study": run_study,
        "export": export_run,
    }
    if command in (*STAGES, "generate", "study"):
        rest = with_shipped_files(rest)
    if command in (*STAGES, "generate"):
        check_files(rest)
    if command in others:
        return others[command](rest)
    if command in STAGES:
        from commands.option_values import check_values
        from commands.stages import EmulatorCLI

        check_values()
        for library in ("lightning.pytorch", "lightning.fabric"):  # which their import sets to INFO
            logging.getLogger(library).setLevel(logging.WARNING)
        with tempfile.TemporaryDirectory() as folder:
            return EmulatorCLI.run(command, rest, Path(folder))
    from commands.suggestions import did_you_mean

    meant = did_you_mean(command, (*STAGES, *others))
    raise ValueError(f"there is no command '{command}'{meant}; `emulate --help` lists them.")


def check_files(args: Sequence[str]) -> None:
    """Raise an error if a configuration file is not a mapping, before the parser reads it."""
    from commands.yaml_files import check_parts, read_mapping

    for before, word in pairwise(["", *args]):
        option, _, value = word.partition("=")
        named = [value] if option in ("-c", "--config") and value else []
        named += [word] if before in ("-c", "--config") else []
        for file in (Path(one).expanduser() for one in named):
            if len(str(file)) < 256 and file.exists():  # else it is YAML, or the parser will say so
                check_parts(file, read_mapping(file))


if __name__ == "__main__":
    main()
