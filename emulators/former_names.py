"""Names of classes and options from before version 0.2, accepted until version 0.3.

Settings are YAML files, options on the command line, and the settings in a checkpoint. Each former
name in them is replaced, with a note on stderr.
"""

import os
import pickle
import sys
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

SOLVERS = "datamodules.solvers"
IMPLICIT = f"{SOLVERS}.implicit"
VOLUMES = f"{SOLVERS}.finite_volume"
NETWORKS = "emulators.networks"

CLASSES = {
    "callbacks.Announcements": "callbacks.RunReport",
    "callbacks.Scores": "callbacks.ScoreWriter",
    "emulators.Bookmark": "callbacks.RolloutCheckpoint",
    "emulators.Compile": "callbacks.Compile",
    "emulators.FineTuning": "callbacks.FineTuning",
    "emulators.Termination": "callbacks.GracefulShutdown",
    "emulators.divergence.Divergence": "callbacks.Divergence",
    "emulators.Learned": "emulators.LearnedCoarsening",
    "emulators.Transform": "emulators.Coarsening",
    "emulators.PlainNetwork": "emulators.FromModule",
    f"{NETWORKS}.plain.DilatedResNet": "emulators.DilatedResNet",
    f"{NETWORKS}.network.Network": "emulators.Network",
    "datamodules.Source": "datamodules.SplitFiles",
    "datamodules.Split": "datamodules.SplitSize",
    f"{SOLVERS}.infiltration.Within": f"{SOLVERS}.infiltration.Clamp",
    f"{SOLVERS}.infiltration.checks.Plausible": f"{SOLVERS}.infiltration.checks.ValidRange",
    "emulators.implicit.SDIRK2": f"{VOLUMES}.SDIRK2",
    "emulators.implicit.ThetaScheme": f"{VOLUMES}.ThetaScheme",
    "emulators.implicit.Implicit": f"{IMPLICIT}.ImplicitlyDifferentiated",
    "emulators.implicit.KeepAll": f"{IMPLICIT}.NoCheckpointing",
    "emulators.implicit.Segments": f"{IMPLICIT}.SegmentCheckpointing",
    "emulators.implicit.Unrolled": f"{IMPLICIT}.FullUnrolling",
    "emulators.implicit.UnrolledOuter": f"{IMPLICIT}.OuterUnrolling",
}
"""Former import paths of classes; classes of modules in MODULES are found by their module."""

MODULES = {
    "callbacks.announcements": "callbacks",
    "callbacks.checkpoints": "callbacks",
    "callbacks.diagnostic": "callbacks",
    "callbacks.forecast_writer": "callbacks",
    "callbacks.scores": "callbacks",
    "callbacks.training_cost": "callbacks",
    **{
        f"callbacks.{name}": "callbacks"
        for name in (
            "distribution",
            "ensemble",
            "extremes",
            "hovmoeller",
            "latent_fields",
            "learned_curves",
            "moments",
            "movie",
            "panels",
            "pca_autocorrelation",
            "predictability",
            "relative_error",
            "rollout_error",
            "spectrum",
            "stability",
            "zonal_mean",
        )
    },
    "datamodules.generate": "datamodules",
    "datamodules.selection": "datamodules",
    "datamodules.sensors": "datamodules",
    "datamodules.starts": "datamodules",
    **{
        f"{SOLVERS}.{name}": SOLVERS
        for name in (
            "beta_plane",
            "equation",
            "kuramoto_sivashinsky",
            "spectral",
            "time_steppers",
        )
    },
    "emulators.bookmark": "emulators",
    "emulators.compilation": "emulators",
    "emulators.fine_tuning": "emulators",
    "emulators.termination": "emulators",
    "emulators.losses": "emulators",
    "emulators.muon": "emulators",
    "emulators.schedules": "emulators",
    "emulators.sharding": "emulators",
    "emulators.spectral_losses": "emulators",
    "emulators.transforms": "emulators",
    f"{NETWORKS}.network": "emulators",
    f"{NETWORKS}.plain": "emulators",
    "emulators.implicit": IMPLICIT,
    **{
        f"emulators.implicit.{name}": "emulators.implicit"
        for name in (
            "attach",
            "bicgstab",
            "block_tridiagonal",
            "checkpointing",
            "fixed_point",
            "gmres",
            "gradients",
            "info",
            "layer",
            "linear",
            "minimal_residual",
            "newton",
            "preconditioned",
            "preconditioners",
            "residual",
            "root",
            "sdirk2",
            "theta_scheme",
        )
    },
}
"""Former modules, and where their classes are: now, or under a former name of the package."""

DROPPED = ("Anderson", "DeepEquilibrium", "Dense", "FixedPoint", "JacobianFree", "Phantom", "Retry")
"""Classes of `emulators.implicit` without a successor."""

OPTIONS = {
    "Pushforward": {"steps": "detached_steps"},
    "HierarchicalPushforward": {
        "steps": "detached_steps",
        "unrolled": "unrolled_steps",
        "transform": "coarsening",
    },
    "Unrolled": {"steps": "unrolled_steps"},
    "Hierarchical": {"unrolled": "unrolled_steps", "transform": "coarsening"},
    "Bundled": {"steps": "bundle"},
    "ImPiNDiff": {"steps": "unrolled_steps", "told": "conditioned_on"},
    "EnergyStability": {"lost": "stop_at", "spin_up": "burn_in"},
    **{
        name: {"spin_up": "burn_in"}
        for name in (
            "Distribution",
            "Extremes",
            "Hovmoeller",
            "Moments",
            "PCAAutocorrelation",
            "Spectrum",
            "ZonalMean",
        )
    },
}
"""Former options by class."""

SHORT = {
    old.rpartition(".")[2]: new.rpartition(".")[2]
    for old, new in CLASSES.items()
    if old.rpartition(".")[2] != new.rpartition(".")[2]
    if not old.endswith((".Unrolled", ".Source"))
}
"""Former names of classes without their module. Other classes are called Unrolled and Source."""


def rename(settings: Any, option: str = "") -> Any:
    """Return settings, however nested, with the present names of classes and options.

    Args:
        settings: Parsed YAML, or a part of it.
        option: Name of the option whose value the part is.
    """
    if isinstance(settings, list):
        return [rename(part, option) for part in settings]
    if isinstance(settings, str):
        named = option in TAKES_CLASS or "." in settings
        return rename_class(settings, option) if named else settings
    if not isinstance(settings, dict):
        return settings
    settings = dict(settings)
    for key in ("class_path", "_class_path"):
        if isinstance(settings.get(key), str):
            settings[key] = rename_class(settings[key], option)
    owner = settings.get("class_path", settings.get("_class_path"))
    if isinstance(owner, str):
        for place in ("init_args", "dict_kwargs"):
            if isinstance(settings.get(place), dict):
                settings[place] = rename_options(owner, settings[place])
        if "_class_path" in settings:
            settings = rename_options(owner, settings)
    return {key: rename(value, key if isinstance(key, str) else "") if key not in PATHS
            else value for key, value in settings.items()}  # fmt: skip


PATHS = ("class_path", "_class_path")
TAKES_CLASS = (
    "callbacks", "checkpointing", "coarsening", "gradient", "network", "stepper", "transform"
)  # fmt: skip
"""Options whose value may be a renamed class by its name alone."""


def rename_class(path: str, option: str = "") -> str:
    """Return the present name of a class, given by its import path or by its name alone.

    Raises:
        ValueError: The class has been removed.
    """
    name = path.rpartition(".")[2]
    if path.startswith("emulators.implicit") and name in DROPPED:
        raise ValueError(
            f"{path} was dropped in 0.2, as no configuration used it; choose another class of "
            f"{IMPLICIT}."
        )
    if path == "Unrolled" and option == "gradient":
        new = "FullUnrolling"
    elif "." in path:
        new = moved_class(path)
    else:
        new = SHORT.get(path, path)
    if new != path:
        say(f"the class {path} is now {new}")
    return new


def moved_class(path: str) -> str:
    """Return the present import path of a class."""
    if path in CLASSES:
        return CLASSES[path]
    module, _, name = path.rpartition(".")
    return moved_class(f"{MODULES[module]}.{name}") if module in MODULES else path


def rename_options(owner: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a class by their present names, in their order."""
    former = OPTIONS.get(owner.rpartition(".")[2], {})
    found = {}
    for name, value in options.items():
        head, dot, rest = name.partition(".") if isinstance(name, str) else (name, "", "")
        if head in former:
            say(f"the option {head} of {owner.rpartition('.')[2]} is now {former[head]}")
            name = f"{former[head]}{dot}{rest}"
        found[name] = value
    return found


@cache
def say(change: str) -> None:
    """Print the present name of an option or class, once per run."""
    if os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0":
        print(f"note: {change}; the former name is accepted until 0.3.", file=sys.stderr)


def rename_weights(state: dict[str, Any], prefix: str, former: str, new: str) -> None:
    """Rename the weights of a part of a module in a state dictionary, in place.

    Args:
        state: State dictionary.
        prefix: Prefix of the module's names in it.
        former: Former name of the part.
        new: Present name of the part.
    """
    old = f"{prefix}{former}."
    for key in [key for key in state if key.startswith(old)]:
        state[f"{prefix}{new}.{key.removeprefix(old)}"] = state.pop(key)


def with_present_names(file: Any, weights_only: bool | None, device: Any) -> Any:
    """Return a checkpoint file, or a copy in memory whose settings have their present names.

    Args:
        file: Path of the checkpoint, or an open file.
        weights_only: Whether only tensors and plain values may be loaded.
        device: Device for the tensors of the copy.
    """
    if not isinstance(file, str | Path) or not Path(file).is_file():
        return file
    try:
        checkpoint = torch.load(file, device, weights_only=weights_only, mmap=True)
        former = dict(checkpoint["hyper_parameters"])
    except (RuntimeError, KeyError, TypeError, ValueError, pickle.UnpicklingError):
        return file  # which Lightning will refuse
    present = rename(former)
    if present == former:
        return file
    copy = BytesIO()
    torch.save({**checkpoint, "hyper_parameters": present}, copy)
    copy.seek(0)
    return copy
