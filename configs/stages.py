"""The stages of a run, `fit`, `validate`, `test` and `predict`, on Lightning's command line."""

import signal
import tempfile
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import Namespace
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException, SIGTERMException

import callbacks  # noqa: F401 - names its classes for class_path
import emulators
from configs.help import Parser
from configs.trainer_options import check_trainer
from datamodules import TrajectoryDataModule
from datamodules.netcdf import write_whole

TRAINER_DEFAULTS = str(files("configs") / "trainer.yaml")


class RunTrainer(Trainer):
    """Lightning's Trainer whose run lives in one folder, `default_root_dir`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        check_trainer(kwargs)
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

    def predict(self, *args: Any, steps: int | None = None, **kwargs: Any) -> Any:  # noqa: D417
        """Roll out from test states and keep the forecasts.

        Args:
            steps: Length of each forecast, in snapshot intervals; by default that of
                data.predict_rollouts.
        """
        if steps is not None:
            rollouts = kwargs["datamodule"].rollouts
            rollouts["predict"] = replace(rollouts["predict"], steps=steps)
        return super().predict(*args, **kwargs)


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
        settings = settings_in_checkpoint(args, folder)
        try:
            return cls._run([command, *settings, *args])
        except MisconfigurationException as error:
            raise ValueError(str(error)) from error
        except SIGTERMException:
            raise SystemExit(128 + signal.SIGTERM) from None

    @classmethod
    def _run(cls, args: list[str]) -> "EmulatorCLI":
        return cls(
            emulators.Emulator,
            TrajectoryDataModule,
            subclass_mode_model=True,
            trainer_class=RunTrainer,
            parser_class=Parser,
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
            args=args,
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
    return ["--config", str(file), *moved(path, checkpoint["settings"])]


def moved(checkpoint: Path, settings: str) -> list[str]:
    """Return the option that keeps a run where its checkpoint is, if that has been moved."""
    known = yaml.safe_load(settings).get("trainer", {}).get("default_root_dir")
    if known is None or checkpoint.resolve().is_relative_to(Path(known).resolve()):
        return []
    return [f"--trainer.default_root_dir={checkpoint.parent}"]
