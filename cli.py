"""The command line: `emulate fit | validate | test | predict | generate | compare | study`.

`python cli.py` is the same program as `emulate`. Settings come, each overriding the one before,
from `configs/trainer.yaml`, the checkpoint named by --ckpt_path, the files given by -c in their
order, and the options on the command line.
"""

import logging
import os
import shlex
import signal
import sys
import tempfile
import warnings
from argparse import SUPPRESS
from collections.abc import Sequence
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentError, ArgumentParser, Namespace
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException, SIGTERMException
from yaml import YAMLError

import callbacks  # noqa: F401 - names its classes for class_path
import emulators
from callbacks.comparison import compare
from configs.errors import UNHELPFUL_WARNINGS, explain, tells_of_a_lost_process
from configs.jobs import run_all
from configs.study import read_study
from datamodules import TrajectoryDataModule
from datamodules.netcdf import write_whole

HELP = """Train, compare and stress-test neural emulators of dynamical systems.

  emulate generate -c DATA.yaml                          simulate a data set
  emulate fit -c DATA.yaml -c MODEL.yaml                 train an emulator
  emulate validate --ckpt_path RUN/last.ckpt             roll out on the validation split
  emulate test --ckpt_path RUN/last.ckpt                 roll out, score and draw
  emulate predict --ckpt_path RUN/last.ckpt --steps N    forecast to NetCDF
  emulate compare RUN RUN ...                            scores side by side
  emulate study STUDY.yaml                               several runs and their comparison

`emulate COMMAND --help` describes the options of each.
"""
TRAINER_DEFAULTS = str(files("configs") / "trainer.yaml")


def main() -> None:
    """Run the command that was typed; errors of use end in one sentence and exit status 1."""
    try:
        run(sys.argv[1:])
    except Exception as error:
        expected = isinstance(error, EXPECTED) or tells_of_a_lost_process(str(error))
        if os.environ.get("EMULATE_TRACEBACK") or not expected:
            raise
        text = explain(str(error), *sys.argv[1:2])
        print(f"emulate: error: {text}", file=sys.stderr)
        raise SystemExit(1) from None
    except SIGTERMException:
        raise SystemExit(128 + signal.SIGTERM) from None


EXPECTED = (
    ArgumentError,
    ValueError,
    OSError,
    FloatingPointError,
    MisconfigurationException,
    YAMLError,
)


def run(args: Sequence[str]) -> Any:
    """Run a command and return its result: for a stage, the `EmulatorCLI` with its trainer."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # the user's own modules, also for the console script
    for message in UNHELPFUL_WARNINGS:
        warnings.filterwarnings("ignore", message)
    for library in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)
    command, *rest = args or ["--help"]
    if command in ("-h", "--help"):
        return print(HELP)
    others = {"generate": generate, "compare": compare_runs, "study": run_study}
    if command in others:
        return others[command](rest)
    if command in EmulatorCLI.subcommands():
        with tempfile.TemporaryDirectory() as folder:
            return EmulatorCLI.run(command, rest, Path(folder))
    raise ValueError(f"there is no command '{command}'; `emulate --help` lists them.")


def generate(args: list[str]) -> None:
    """Simulate what is missing of a data set; under torchrun, every process its share."""
    parser = ArgumentParser(
        prog="emulate generate", exit_on_error=False, description=generate.__doc__
    )
    parser.add_argument("-c", "--config", action="config", help="Data configuration in YAML.")
    parser.add_argument("--device", type=str | None, default=None, help="Such as cpu or cuda:0.")
    parser.add_class_arguments(TrajectoryDataModule, "data")
    for other in ("model", "trainer", "seed_everything"):  # a file for `fit` will do
        parser.add_argument(f"--{other}", type=Any, help=SUPPRESS)
    options = parser.parse_args(args)
    data = parser.instantiate(options).data
    if data.generator is None:
        raise ValueError("there is nothing to generate: the configuration has no data.generator.")
    rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    device = options.device or default_device()
    data.generator.generate(data.root, rank, ranks, device)
    print(f"data in {data.root}")


def compare_runs(args: list[str]) -> None:
    """Put the scores of tested runs side by side: a table and a figure."""
    parser = ArgumentParser(
        prog="emulate compare", exit_on_error=False, description=compare_runs.__doc__
    )
    parser.add_argument("runs", nargs="+", type=Path, help="Folders of tested runs.")
    parser.add_argument("--output", type=Path, default=Path("."), help="Folder to write into.")
    options = parser.parse_args(args)
    text, paths = compare(options.runs, options.output)
    print(text, *(f"wrote {path}" for path in paths), sep="\n")


def run_study(args: list[str]) -> None:
    """Run what is unfinished of a study, several runs at a time, and compare the runs."""
    parser = ArgumentParser(
        prog="emulate study", exit_on_error=False, description=run_study.__doc__
    )
    parser.add_argument("file", type=Path, help="Study in YAML.")
    parser.add_argument("--jobs", type=int, default=None, help="Runs at a time; one per core.")
    parser.add_argument(
        "--dry_run", action="store_true", help="Only print the commands, one run per line."
    )
    options = parser.parse_args(args)
    study = read_study(options.file)
    if options.dry_run:
        for run in (run for run in study.runs if not run.finished):
            print(" && ".join(shlex.join(["emulate", *command]) for command in run.commands()))
        return
    cores = torch.get_num_threads()
    jobs = min(options.jobs or cores, len(study.runs))
    for arguments in study.data:
        generate(arguments)
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


def default_device() -> str:
    """Return this process's GPU, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count()}"


class RunTrainer(Trainer):
    """Lightning's Trainer whose run lives in one folder, `default_root_dir`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        root = kwargs.get("default_root_dir") or "runs/run"
        kwargs["default_root_dir"] = root
        try:
            Path(root).mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=root).close()
        except OSError as error:
            raise OSError(
                f"{root}: cannot write here ({error.strerror}); set trainer.default_root_dir to a "
                "folder that can be written."
            ) from None
        if kwargs.get("enable_progress_bar") is False:  # or Lightning refuses the default bar
            given = kwargs.get("callbacks") or []
            kwargs["callbacks"] = [c for c in given if not isinstance(c, ProgressBar)]
        if kwargs.get("logger") in (None, True):
            kwargs["logger"] = TensorBoardLogger(root, name="", version="", default_hp_metric=False)
        super().__init__(*args, **kwargs)

    def test(  # noqa: D417
        self, *args: Any, verbose: bool = False, resume: bool = False, **kwargs: Any
    ) -> Any:
        """Roll out from test states and score the rollouts.

        Args:
            verbose: Whether to print Lightning's table beside that of the scores.
            resume: Whether to go on with an interrupted test of this run.
        """
        for callback in self.callbacks:
            if isinstance(callback, emulators.Bookmark):
                callback.resume = resume
        return super().test(*args, verbose=verbose, **kwargs)


class SaveSettings(SaveConfigCallback):
    """Keeps the settings of a run beside it and inside its checkpoints."""

    KEYS = ("seed_everything", "trainer", "model", "data")

    def text(self) -> str:
        """Return the settings as YAML."""
        kept = Namespace({key: self.config[key] for key in self.KEYS if key in self.config})
        return self.parser.dump(kept, skip_unset=False, skip_validation=True)

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write config.yaml into the folder of the run."""
        if stage == "fit":
            folder = Path(trainer.default_root_dir)
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / "config.yaml", self.text())

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Put the settings into the checkpoint, as text."""
        checkpoint["settings"] = self.text()


class EmulatorCLI(LightningCLI):
    """Lightning's command line for emulators and trajectories."""

    @classmethod
    def run(cls, command: str, args: list[str], folder: Path) -> "EmulatorCLI":
        """Run a stage; settings in the checkpoint come before those on the command line."""
        if command == "predict":
            args = [arg.replace("--steps", "--data.predict_rollouts.steps", 1) for arg in args]
        settings = settings_in_checkpoint(args, folder)
        return cls(
            emulators.Emulator,
            TrajectoryDataModule,
            subclass_mode_model=True,
            trainer_class=RunTrainer,
            save_config_callback=SaveSettings,
            save_config_kwargs={"save_to_log_dir": False},
            seed_everything_default=0,
            auto_configure_optimizers=False,
            parser_kwargs={
                "exit_on_error": False,
                **{
                    stage: {"default_config_files": [TRAINER_DEFAULTS], "exit_on_error": False}
                    for stage in cls.subcommands()
                },
            },
            args=[command, *settings, *args],
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Let the data say how many channels, dimensions and parameters an emulator has."""
        for name, count in (("channels", None), ("dimensions", None), ("parameters", len)):
            target = f"model.init_args.{name}"
            parser.link_arguments(f"data.{name}", target, count, apply_on="instantiate")

    def before_instantiate_classes(self) -> None:
        """Keep one of equal callbacks: a run that goes on may be given its own once more."""
        trainer = self.config[self.subcommand].trainer
        if isinstance(given := trainer.callbacks, list):
            trainer.callbacks = [c for n, c in enumerate(given) if c not in given[:n]]

    def _parse_ckpt_path(self) -> None:
        """Leave the command line alone: Lightning would let the checkpoint override it."""


def settings_in_checkpoint(args: list[str], folder: Path) -> list[str]:
    """Return the option that reads the settings in the checkpoint that args name, if any."""
    values = [arg.partition("=")[2] for arg in args if arg.startswith("--ckpt_path=")]
    values += [value for arg, value in pairwise(args) if arg == "--ckpt_path"]
    if not values or values[-1] in ("best", "last", "hpc", "registry", "null"):
        return []
    path = Path(values[-1])
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint; set --ckpt_path to an existing file.")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(
            f"{path} is not a readable checkpoint ({type(error).__name__}); it may be truncated."
        ) from None
    if "settings" not in checkpoint:
        return []
    file = folder / "settings.yaml"
    file.write_text(checkpoint["settings"])
    return ["--config", str(file)]


if __name__ == "__main__":
    main()
