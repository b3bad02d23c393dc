"""The stages of a run, `fit`, `validate`, `test` and `predict`, on Lightning's command line."""

import signal
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import cached_property, partial
from inspect import isclass
from itertools import pairwise
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import yaml
from jsonargparse import Namespace
from lightning import LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.utilities.exceptions import MisconfigurationException, SIGTERMException

import callbacks
import datamodules
import emulators
from callbacks.run.run_folder import lies_in
from commands.constructors import remembered
from commands.exported import exported
from commands.former_options import with_present_names
from commands.garbage import resume_collections
from commands.help import Parser
from commands.option_values import expand_home, refuse_no_group, refuse_null
from commands.stage_help import describe_stage
from commands.trainer import RunTrainer
from commands.yaml_files import LOADER
from datamodules import TrajectoryDataModule
from datamodules.files.netcdf_writer import atomic_write
from emulators.checkpoint_file import read_checkpoint
from emulators.former_names import rename
from emulators.training.precision import default_precision

exported(callbacks, datamodules, emulators)

TRAINER_DEFAULTS = str(Path(__file__).parents[1] / "configs" / "trainer.yaml")
USAGES = {
    "fit": "emulate fit -c DATA.yaml -c MODEL.yaml [options]",
    "validate": "emulate validate --ckpt_path RUN/last.ckpt [options]",
    "test": "emulate test --ckpt_path RUN/last.ckpt [options]",
    "predict": "emulate predict --ckpt_path RUN/last.ckpt [--steps N] [--format zarr] [options]",
}
# the parser writes the names of enumerations, but leaves defaults of texts, as of Lightning's Timer
yaml.SafeDumper.add_multi_representer(Enum, lambda dumper, one: dumper.represent_data(one.value))
KEYS = ("seed_everything", "trainer", "model", "data")
"""What of the settings a checkpoint keeps."""


class StageParser(Parser, LightningArgumentParser):
    """Parser of a stage, whose paths may begin at the home folder.

    The parser of the command line, of which this parser is a part, would add the defaults of all
    classes and check all values once more, which takes half of the time of parsing.
    """

    def _parse_common(self, *args: Any, **kwargs: Any) -> Namespace:
        if self._subcommands_action is not None:
            kwargs["defaults"] = False  # the parser of the stage has added them
        return super()._parse_common(*args, **kwargs)

    def validate(self, *args: Any, **kwargs: Any) -> None:
        """Check the settings, unless the parser of the command line does so next."""
        if "_prefix" not in kwargs:
            super().validate(*args, **kwargs)

    def add_instantiator(self, instantiator: Callable, *args: Any, **kwargs: Any) -> None:
        """Add an instantiator, as Lightning does for the model and the data."""
        super().add_instantiator(remembered(instantiator), *args, **kwargs)

    def instantiate(self, settings: Any, **kwargs: Any) -> Any:
        """Instantiate the settings."""
        return super().instantiate(expand_home(settings), **kwargs)


class SaveSettings(SaveConfigCallback):
    """Callback that saves the settings of a run in its folder and in its checkpoints."""

    @cached_property
    def text(self) -> str:
        """Settings as YAML."""
        kept = Namespace({key: self.config[key] for key in KEYS if key in self.config})
        return self.parser.dump(kept, skip_unset=False, skip_validation=True)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Do nothing: a training that is refused keeps the settings that are there."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write config.yaml into the folder of the run."""
        if trainer.is_global_zero:
            self.save_config(trainer, pl_module, "fit")

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write config.yaml into the folder of the run."""
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / "config.yaml", self.text)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Put the settings into the checkpoint, as text."""
        checkpoint["settings"] = self.text


class EmulatorCLI(LightningCLI):
    """Lightning's command line for emulators and trajectories."""

    @classmethod
    def run(cls, command: str, args: list[str], folder: Path) -> "EmulatorCLI":
        """Run a stage; settings in the checkpoint come before those on the command line."""
        resume_collections()
        given = [value for _, value in typed(args, "--weights_only")]
        trusted = bool(given) and given[-1].lower() == "false"
        settings = settings_in_checkpoint(command, args, folder, trusted)
        try:
            words = with_present_names([*settings, *args], partial(sections, command=command))
            return cls._run(command, words, trusted)
        except MisconfigurationException as error:
            raise ValueError(str(error)) from error
        except SIGTERMException:
            raise SystemExit(128 + signal.SIGTERM) from None

    def __init__(self, command: str, trusted: bool, **kwargs: Any) -> None:
        self.command = command
        self.trusted = trusted
        super().__init__(**kwargs)

    def subcommands(self) -> dict[str, set[str]]:
        """Return the requested stage alone, because each parser takes time to build."""
        return {self.command: LightningCLI.subcommands()[self.command]}

    def _prepare_subcommand_parser(
        self, klass: type, subcommand: str, **kwargs: Any
    ) -> LightningArgumentParser:
        """Return the parser of a stage with the help of this program."""
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        describe_stage(parser, subcommand)
        return parser

    @classmethod
    def _run(cls, command: str, args: list[str], trusted: bool) -> "EmulatorCLI":
        return cls(
            command,
            trusted,
            model_class=emulators.Emulator,
            datamodule_class=TrajectoryDataModule,
            subclass_mode_model=True,
            trainer_class=RunTrainer,
            parser_class=StageParser,
            save_config_callback=SaveSettings,
            save_config_kwargs={"save_to_log_dir": False},
            seed_everything_default=0,
            auto_configure_optimizers=False,
            parser_kwargs={
                "prog": "emulate",
                command: {"default_config_files": [TRAINER_DEFAULTS], "usage": USAGES[command]},
            },
            args=[command, *args],
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Set the numbers of channels, dimensions, parameters and input fields from the data."""
        counts = {"channels": None, "dimensions": None, "masked": None}
        for name, count in {
            **counts,
            **dict.fromkeys(("parameters", "static", "forcing"), len),
        }.items():
            target = f"model.init_args.{name}"
            parser.link_arguments(f"data.{name}", target, count, apply_on="instantiate")

    def before_instantiate_classes(self) -> None:
        """Set `weights_only` and the precision, unless given, and drop duplicate callbacks.

        (The settings of a resumed run may list a callback that the command line repeats.)
        """
        config = self.config[self.subcommand]
        refuse_code(config.as_dict(), self.trusted)
        config.weights_only = config.weights_only is not False
        refuse_null(config)
        refuse_no_group(config.data, TrajectoryDataModule)
        trainer = config.trainer
        if "Precision" not in str(trainer.get("plugins")):  # a plugin that brings its own
            trainer.precision = trainer.precision or default_precision(trainer.accelerator)
        if isinstance(given := trainer.callbacks, list):
            trainer.callbacks = [c for n, c in enumerate(given) if c not in given[:n]]

    def refuse_untrained(self) -> None:
        """Check that the weights of an emulator come from a training.

        Raises:
            ValueError: There is no checkpoint, and the emulator has parameters to be trained.
        """
        untrained = isinstance(self.model, emulators.Untrained)
        given = self.config[self.subcommand].ckpt_path
        if not (given or untrained) and any(p.requires_grad for p in self.model.parameters()):
            name = type(self.model).__name__
            self.trainer.remove_empty_folders(Path(self.trainer.default_root_dir))
            raise ValueError(
                f"emulate {self.subcommand} needs a trained emulator, and {name} has weights that "
                "no training has set; give --ckpt_path RUN/last.ckpt, or derive a class that needs "
                "no training from emulators.Untrained."
            )

    before_validate = refuse_untrained
    before_test = refuse_untrained
    before_predict = refuse_untrained

    def _dump_config(self) -> None:
        """Set the hyperparameters of the model; Lightning would check and write all settings."""
        if not hasattr(self, "config_dump"):
            kept = Namespace(model=self.config[self.subcommand].get("model"))
            text = self._parser(self.subcommand).dump(
                kept, skip_unset=False, skip_link_targets=False, skip_validation=True
            )
            self.config_dump = yaml.load(text, LOADER)

    def _parse_ckpt_path(self) -> None:
        """Do nothing: in Lightning, settings of the checkpoint would override the command line."""


def refuse_code(settings: object, trusted: bool, name: str = "") -> None:
    """Check that no setting, at any depth, lets a file run code when it is loaded.

    Raises:
        ValueError: A setting in a file allows objects of any class, without the permission of the
            command line; or it names a function, with arguments, in place of a class.
    """
    if isinstance(settings, list | tuple):
        settings = dict(enumerate(settings))
    if not isinstance(settings, dict):
        return
    for key, value in settings.items():
        place = f"{name}.{key}" if name else str(key)
        unpickling = (key, value) in (("weights_only", False), ("allow_pickle", True))
        if unpickling and not trusted:
            raise ValueError(
                f"{place}={str(value).lower()} would run code that a checkpoint brings along, "
                "which no file can ask for; if you trust the checkpoint, write "
                "--weights_only=false on the command line."
            )
        if key == "class_path" and names_function(value):
            raise ValueError(f"{place} is '{value}', which is a function; give a class.")
        refuse_code(value, trusted, place)


def names_function(path: Any) -> bool:
    """Return whether an import path names an object that is not a class."""
    try:
        return not isclass(resolve_name(path))
    except (ImportError, AttributeError, ValueError, TypeError):
        return False


def typed(args: Sequence[str], option: str) -> Iterator[tuple[int, str]]:
    """Yield the position and the value of each occurrence of an option in `args`."""
    for place, (word, following) in enumerate(pairwise([*args, ""])):
        name, equals, value = word.partition("=")
        if name == option:
            yield place, value if equals else following


def last_given(command: str, args: Sequence[str], option: str) -> str | None:
    """Return the last value of an option, also from YAML files at the position of their -c."""
    given = [*typed(args, f"--{option}")]
    for place, file in (*typed(args, "-c"), *typed(args, "--config")):
        found = [section[option] for section in sections(file, command) if option in section]
        given += [(place, str(value)) for value in found]
    return max(given, key=lambda pair: pair[0])[1] if given else None


def sections(file: str, command: str) -> list[dict[str, Any]]:
    """Return the sections of a YAML file that may apply to a command; the parser checks them."""
    try:
        settings = yaml.load(Path(file).expanduser().read_text(), LOADER)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return []
    found = [settings, settings.get(command)] if isinstance(settings, dict) else []
    return [section for section in found if isinstance(section, dict)]


def settings_in_checkpoint(
    command: str, args: list[str], folder: Path, trusted: bool = False
) -> list[str]:
    """Return the arguments that read the settings in the checkpoint named by `args`, if any."""
    value = last_given(command, args, "ckpt_path")
    if value is None or value in ("best", "last", "hpc", "registry", "null", "None"):
        return []
    path = Path(value).expanduser()
    checkpoint = read_checkpoint(path, trusted=trusted)
    if "settings" not in checkpoint:
        return []
    known = {
        k: v for k, v in rename(yaml.load(checkpoint["settings"], LOADER)).items() if k in KEYS
    }
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump(known, sort_keys=False))
    return ["--config", str(file), *option_of_moved_run(path, known)]


def option_of_moved_run(checkpoint: Path, settings: dict[str, Any]) -> list[str]:
    """Return the arguments that set the run's folder to the checkpoint's, if it was moved."""
    known = settings.get("trainer", {}).get("default_root_dir")
    if not isinstance(known, str) or lies_in(Path(known).expanduser(), checkpoint):
        return []
    return [f"--trainer.default_root_dir={checkpoint.parent}"]
