"""Reading of checkpoints: complete, with parts of the right types, and without running code."""

import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from datamodules.description import DataDescription

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(path: Path, option: str, device: Any = "cpu", trusted: bool = False) -> dict[str, Any]:
    """Return the contents, by name, of a file that `torch.save` wrote.

    Args:
        path: Path of the file.
        option: Option that names the file, for messages.
        device: Device of the tensors.
        trusted: Whether objects of any class may be created, which can run code from the file.

    Raises:
        OSError: The file does not exist or cannot be read.
        ValueError: The file was not written by `torch.save`, or holds objects of other classes.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such checkpoint; set {option} to an existing file.")
    if not path.is_file():
        raise ValueError(f"{path} is a folder, not a checkpoint; set {option} to a file in it.")
    check_bytes(path)
    try:
        content = torch.load(path, map_location=device, weights_only=not trusted)
    except PermissionError as error:
        raise OSError(f"{path}: cannot be read ({error.strerror}).") from None
    except Exception as error:
        code = re.search(r"(?i)unsupported (?:global|class|operand).*?([\w.]+\.\w+)", str(error))
        if code and isinstance(error, pickle.UnpicklingError):
            raise ValueError(
                f"{path} holds an object of {code[1]}, and to make it could run code from the "
                "file; give a checkpoint of this program, or, if you trust the file, "
                "--weights_only=false on the command line."
            ) from None
        raise ValueError(
            f"{path} is not a readable checkpoint ({type(error).__name__}); it may be truncated."
        ) from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not a checkpoint: it holds a {type(content).__name__}.")
    return content


def check_bytes(path: Path) -> None:
    """Check the checksums of a file, which torch would read with wrong weights if it is damaged.

    Raises:
        ValueError: A part of the archive does not match its checksum.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (OSError, zipfile.BadZipFile):  # an older format, or no checkpoint
        return
    except Exception as error:  # flags and versions that no archive of torch's has
        damaged = f"{type(error).__name__}: {error}"
    if damaged:
        raise ValueError(
            f"{path} is damaged ({damaged} is not as it was written); give another checkpoint."
        )


def read_checkpoint(
    path: Path,
    option: str = "--ckpt_path",
    device: Any = "cpu",
    trusted: bool = False,
) -> dict[str, Any]:
    """Return a checkpoint whose parts have the right types; see `load`.

    Raises:
        ValueError: A part is missing or has another type.
    """
    checkpoint = load(path, option, device, trusted)
    needed = (
        ("state_dict", "pytorch-lightning_version") if option == "--ckpt_path" else ("state_dict",)
    )
    for name, (kind, right) in PARTS.items():
        if name not in checkpoint and name not in needed:
            continue
        if not right(checkpoint.get(name)):
            raise ValueError(
                f"{path} is not a checkpoint of this program: its '{name}' is "
                f"{abbreviated(checkpoint.get(name))}, expected {kind}; give another with {option}."
            )
    return checkpoint


def check_whole(checkpoint: Mapping[str, Any], path: str | Path) -> None:
    """Raise an error if a checkpoint lacks a part that a resumed training needs."""
    missing = [name for name in WHOLE if name not in checkpoint]
    if missing:
        raise ValueError(
            f"{path} has no '{missing[0]}', so a training cannot resume from it; start "
            "another from its weights with the callback callbacks.FineTuning."
        )


def abbreviated(value: object) -> str:
    """Return a short description of a value."""
    if value is None:
        return "missing"
    text = repr(value) if isinstance(value, bool | int | float | str) else ""
    return text if 0 < len(text) < 40 else f"a {type(value).__name__}"


def mapping(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return whether a value is a mapping from names to values of a kind."""
    return lambda value: (
        isinstance(value, Mapping)
        and all(isinstance(key, str) and of(item) for key, item in value.items())
    )


def sequence(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return whether a value is a list of values of a kind."""
    return lambda value: isinstance(value, list | tuple) and all(of(item) for item in value)


def is_of_type(*types: type) -> Callable[[Any], bool]:
    """Return whether a value is of a type; True and False do not count as numbers."""
    return lambda value: (
        isinstance(value, types) and not (isinstance(value, bool) and bool not in types)
    )


def is_anything(value: object) -> bool:
    """Return True for every value."""
    return True


def is_description(value: Any) -> bool:
    """Return whether a value is the stored description of training data."""
    known = {
        "variables": sequence(is_of_type(str)),
        "parameters": sequence(is_of_type(str)),
        "shape": sequence(is_of_type(int)),
        "interval": is_of_type(int, float),
        "mean": sequence(is_of_type(int, float)),
        "std": sequence(is_of_type(int, float)),
    }
    if not mapping(is_anything)(value):
        return False
    if not all(right(value[name]) for name, right in known.items() if name in value):
        return False
    try:
        DataDescription.from_dict(value).to_dict()
    except (AttributeError, KeyError, TypeError, ValueError):
        return False
    return True


def is_optimizer(value: object) -> bool:
    """Return whether a value is the stored state of an optimiser, or empty for none."""
    if value == {}:
        return True
    if not isinstance(value, Mapping) or not {"state", "param_groups"} <= value.keys():
        return False
    states, groups = value["state"], value["param_groups"]
    if not isinstance(states, Mapping) or not all(isinstance(s, Mapping) for s in states.values()):
        return False
    widest = {tuple(state): state for state in states.values()}.values()
    return (
        all(mapping(is_of_type(Tensor, *PLAIN))(state) for state in states.values())
        and not any(one.keys() < other.keys() for one in states.values() for other in widest)
        and sequence(mapping(is_anything))(groups)
        and all(isinstance(group.get("params"), list) for group in groups)
    )


def check_like(saved: object, present: object, place: str = "") -> None:
    """Check that nested values have the names and types of the values that they replace.

    Raises:
        TypeError: A name or type differs; the message gives its place.
    """
    if isinstance(present, Mapping):
        for name in present:
            inner = f"{place}.{name}" if place else str(name)
            if not isinstance(saved, Mapping) or name not in saved:
                raise TypeError(f"{inner} is missing")
            check_like(saved[name], present[name], inner)
    elif isinstance(present, int) and not isinstance(saved, int):
        raise TypeError(f"{place} is {abbreviated(saved)}, expected a whole number")


def is_settings(value: object) -> bool:
    """Return whether a value is the text of a configuration."""
    if not isinstance(value, str):
        return False
    try:
        parts = yaml.load(value, LOADER)
    except yaml.YAMLError:
        return False
    sections = ("trainer", "model", "data")
    return mapping(is_anything)(parts) and all(
        isinstance(parts.get(name, {}), dict) for name in sections
    )


def is_version(value: object) -> bool:
    """Return whether a value is a version number such as 2.6.1."""
    return isinstance(value, str) and re.match(r"\d+(\.\d+)+", value) is not None


PLAIN = (bool, int, float, type(None), list, tuple, dict)
PARTS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "state_dict": ("weights by name", mapping(is_of_type(Tensor))),
    "hyper_parameters": ("settings by name", mapping(is_anything)),
    "trained_on": ("a description of the data", is_description),
    "training_seed": ("a whole number", is_of_type(int)),
    "settings": ("a configuration in YAML", is_settings),
    "epoch": ("a whole number", is_of_type(int)),
    "global_step": ("a whole number", is_of_type(int)),
    "pytorch-lightning_version": ("a version", is_version),
    "loops": ("a mapping", mapping(is_of_type(Mapping))),
    "callbacks": ("a mapping of mappings", mapping(is_of_type(Mapping))),
    "optimizer_states": ("a list of states", sequence(is_optimizer)),
    "lr_schedulers": ("a list of mappings", sequence(mapping(is_anything))),
}
WHOLE = ("loops", "callbacks", "optimizer_states", "lr_schedulers", "pytorch-lightning_version")
