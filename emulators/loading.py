"""Trained emulators from the folders of runs, and from checkpoints."""

from importlib import import_module
from pathlib import Path

import torch
import yaml

from emulators.checkpoint_file import LOADER, read_checkpoint
from emulators.emulator import Emulator
from emulators.former_names import rename

NAMES = ("last.ckpt", "best.ckpt")


def load(path: Path | str, device: torch.device | str = "cpu") -> Emulator:
    """Return the trained emulator of a run, in evaluation mode, with its averaged weights.

    A class of your own is imported by the name under which it was trained: the folder with its
    module must be on Python's path. A checkpoint itself runs no code.

    Args:
        path: Folder of a run, of which `last.ckpt` is loaded, or a checkpoint.
        device: Device of the weights.

    Raises:
        OSError: There is no such folder or file.
        ValueError: It is no run and no checkpoint, or the checkpoint does not say its class.

    Example:
        >>> load("runs/missing")
        Traceback (most recent call last):
        FileNotFoundError: runs/missing: no such run; give the folder of a run or a checkpoint.
    """
    file = checkpoint_of(Path(path).expanduser())
    checkpoint = read_checkpoint(file, "path")
    name = rename(checkpoint.get("hyper_parameters", {})).get("_class_path")
    if name is None:
        raise ValueError(
            f"{file} does not name the class of its emulator, which was made in Python and not by "
            "the command line; load it by its class and arguments, such as "
            "Baseline.load_from_checkpoint(path, network=...)."
        )
    try:
        import_module(name.rpartition(".")[0])  # Lightning wants the module to be imported
        emulator = Emulator.load_from_checkpoint(file, device, weights_only=True)
    except ImportError as error:
        raise ValueError(
            f"{file} is of the class {name}, whose module cannot be imported ({error}); add the "
            "folder of the module to sys.path."
        ) from error
    settings = yaml.load(checkpoint.get("settings", "{}"), LOADER)
    emulator.precision = str(settings.get("trainer", {}).get("precision") or "32-true")
    emulator.run_seed = emulator.training_seed
    return emulator.double() if emulator.precision == "64-true" else emulator


def checkpoint_of(path: Path) -> Path:
    """Return the checkpoint of a run, or the path itself if it is a file.

    Raises:
        OSError: There is no such folder or file, or the folder has no checkpoint.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such run; give the folder of a run or a checkpoint.")
    found = [path / name for name in NAMES if (path / name).is_file()]
    if not found:
        raise FileNotFoundError(
            f"{path} has no last.ckpt, as the folder of a run has; give such a folder or a "
            "checkpoint."
        )
    return found[0]
