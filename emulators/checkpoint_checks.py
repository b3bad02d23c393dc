"""Checks that a checkpoint, an emulator and a data set fit together."""

import inspect
import warnings
from collections.abc import Mapping, Sequence
from types import FrameType, MappingProxyType
from typing import Any

import torch
from lightning import LightningModule
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from datamodules.description import DataDescription
from emulators.checkpoint_file import check_whole
from emulators.former_names import rename
from emulators.networks.layers import PeriodicOnly, set_boundaries
from emulators.networks.spectral_layers import DepthwiseSpectral, SpectralConvolution
from emulators.training.non_finite import averages_in, first_not_finite
from emulators.training.raising_module import raising_module

# arguments of `Emulator` that a subclass declares
DECLARED = frozenset({"latent_inputs", "latent_outputs", "masks", "steps_per_call"})


def described(module: object) -> DataDescription:
    """Return the description of the data of a data module.

    Raises:
        ValueError: There is no data module, or it does not describe its data.
    """
    if module is None:
        raise ValueError(
            "An emulator needs a data module: call the trainer with "
            "datamodule=TrajectoryDataModule(...)."
        )
    if not hasattr(module, "describe"):
        raise ValueError(
            f"{type(module).__name__} has no method `describe`, which returns a DataDescription; "
            "write one as datamodules.source.DataSource shows."
        )
    return module.describe()


def check_fields(
    data: DataDescription,
    channels: int,
    dimensions: int,
    parameters: int = 0,
    emulator: type | None = None,
    static: int = 0,
    forcing: int = 0,
    masked: bool = False,
) -> None:
    """Check that the emulator has the channels, dimensions, parameters and fields of the data.

    Args:
        data: Description of the data of this run.
        channels: Number of fields of the emulator's states.
        dimensions: Number of spatial dimensions.
        parameters: Number of physical parameters that condition the emulator.
        emulator: Class of the emulator, if the command line sets these numbers.
        static: Number of static fields of the emulator.
        forcing: Number of fields of forcing of the emulator.
        masked: True if the emulator is made for data with masked points.
    """
    found = {"channels": data.channels, "dimensions": data.dimensions}
    found |= {"parameters": len(data.parameters), "static": len(data.static)}
    found |= {"forcing": len(data.forcing), "masked": int(data.mask is not None)}
    wanted = {"channels": channels, "dimensions": dimensions, "parameters": parameters}
    wanted |= {"static": static, "forcing": forcing, "masked": int(masked)}
    known = inspect.signature(emulator).parameters.values() if emulator else ()
    if (
        emulator
        and found != wanted
        and known
        and not any(one.kind is one.VAR_KEYWORD for one in known)
    ):
        fixed = [name for name in wanted if name not in [one.name for one in known]]
        different = [name for name in fixed if found[name] != wanted[name]]
        if different:
            name, number = different[0], found[different[0]]
            raise ValueError(
                f"{emulator.__name__}.__init__ has no argument {name}, but the data have {number} "
                f"{name}; let it take **kwargs and pass them to super().__init__(**kwargs)."
            )
    if (data.channels, data.dimensions) != (channels, dimensions):
        raise ValueError(
            f"The emulator has {channels} channels in {dimensions} dimensions, the data "
            f"{data.channels} ({', '.join(data.variables)}) in {data.dimensions}; set "
            "model.channels and model.dimensions to the values of the data."
        )
    if len(data.parameters) != parameters:
        raise ValueError(
            f"The emulator is conditioned on {parameters} physical parameters, the data have "
            f"{len(data.parameters)} ({', '.join(data.parameters) or 'none'}); set "
            "model.parameters to that number, or change data.parameters."
        )
    for name in ("static", "forcing", "masked"):
        if found[name] != wanted[name]:
            what = {"static": "static fields", "forcing": "fields of forcing"}.get(name, "mask")
            option = "mask" if name == "masked" else name
            raise ValueError(
                f"The emulator is made for {wanted[name]} {what}, the data have {found[name]}; set "
                f"model.{name} to that, or change data.{option}."
            )


def check_training_data(
    trained_on: DataDescription | None,
    data: DataDescription,
    resumed: Mapping[str, Tensor] = MappingProxyType({}),
) -> None:
    """Check that the data agree with the training data in all that the emulator depends on.

    Args:
        trained_on: Description of the training data, or None for an emulator that is not trained.
        data: Description of the data of this run, with statistics if a training is resumed.
        resumed: Weights and statistics of the training, if it is resumed.
    """
    difference = data.difference(trained_on) if trained_on else None
    if difference is not None:
        raise ValueError(
            f"The emulator was trained on {difference}; use the data it was trained for, or train "
            "it on these."
        )
    if resumed:
        # earlier checkpoints hold only the statistics that the emulator uses, perhaps of other data
        used = {name: resumed.get(f"standardize.{name}") for name in ("mean", "std")}
        kept = trained_on.statistics if trained_on else None
        saved = {name: getattr(kept, name, value) for name, value in used.items()}
        check_statistics(saved, data)


def follow_boundaries(emulator: LightningModule, periodic: Sequence[bool]) -> None:
    """Set the padding of an emulator's layers from the periodicity of each axis of the data.

    Raises:
        ValueError: A part of the emulator needs a periodic domain, and an axis is not periodic.
    """
    set_boundaries(emulator, periodic)
    if all(periodic):
        return
    for module in emulator.modules():
        if isinstance(module, PeriodicOnly):
            raise ValueError(
                f"{type(module).__name__} takes Fourier transforms of the whole domain, which is "
                f"periodic along the axes (y, x): {list(periodic)}; set data.periodic: true if it "
                "is periodic along all, or choose another distance or transform."
            )
        if isinstance(module, SpectralConvolution | DepthwiseSpectral):
            rank_zero_warn(
                "The network takes Fourier transforms of the whole domain, which joins what lies "
                f"at opposite walls: periodic along (y, x) is {list(periodic)}; set "
                "data.periodic: true if the domain is periodic, or choose a network of "
                "convolutions such as UNet."
            )
            return


def check_grid(emulator: LightningModule, shape: tuple[int, ...]) -> None:
    """Check that an emulator accepts a grid, by two steps from a state of zeros.

    Args:
        emulator: Emulator.
        shape: Number of points along each axis, in the order of the axes.

    Raises:
        ValueError: A step failed.
    """
    training = emulator.training
    try:
        state = torch.zeros(1, emulator.channels, *shape, device=emulator.device)
        fields = dict(
            zip(("static", "forcing"), emulator.input_fields.typical(state, 2), strict=True)
        )
        emulator.eval().rollout(state, 2, emulator.conditioning.typical(), seed=0, **fields)
    except (RuntimeError, TypeError) as error:
        # a TypeError in a person's own code keeps its traceback
        if isinstance(error, TypeError) and not raising_module(error).startswith("torch."):
            raise
        reason = str(error).splitlines()[0].rstrip(".")
        inputs = getattr(emulator.trained, "inputs", None)
        given = f" (the network is given {inputs} channels)" if inputs else ""
        raise ValueError(
            f"{type(emulator).__name__} cannot step on a grid of {tuple(shape)}: {reason}{given}; "
            "change model.network or the data."
        ) from error
    finally:
        emulator.train(training)


def check_statistics(saved: Mapping[str, Tensor | None], data: DataDescription) -> None:
    """Check that a resumed training has data with the same mean and standard deviation.

    Args:
        saved: Mean and standard deviation of the data at the start of the training, or None.
        data: Description of the data of the resumed run, with its statistics.
    """
    statistics = data.statistics
    if statistics is None:
        raise ValueError(
            "The data have no statistics to compare with the statistics of the resumed training; "
            "give a data module that has them."
        )
    scale = statistics.std.abs().max().item()
    for name, known in saved.items():
        if known is None:
            continue
        before, now = torch.as_tensor(known).double(), getattr(statistics, name).double()
        if not torch.allclose(before, now.to(before), rtol=1e-5, atol=1e-5 * scale):
            raise ValueError(
                f"The run was started on other training data ({name} {rounded(before)} then, "
                f"{rounded(now)} now); resume it with its own, or start from its weights with "
                "the callback callbacks.FineTuning."
            )


def rounded(values: Tensor) -> list[float]:
    """Return numbers rounded to six significant digits, for messages."""
    return [float(f"{value:.6g}") for value in values.tolist()]


def check_model(saved: Mapping[str, Any], present: Mapping[str, Any], resumed: bool) -> None:
    """Raise an error if settings that change the meaning of the weights differ from the saved ones.

    Args:
        saved: Settings of the emulator that the checkpoint holds.
        present: Settings of the present emulator.
        resumed: True if a training is resumed; then class, network and optimiser must agree as
            well.
    """
    shared = saved.keys() & present.keys()
    before, now = (flatten({name: of[name] for name in shared}) for of in (saved, present))
    names = ["predict", "latents", "noise_fields", "noise_numbers"]
    if resumed:
        names += ["_class_path", "transform", "optimizer"]
        names += sorted(name for name in {*before, *now} if name.split(".")[0] == "network")
        # the state in the checkpoint would replace these options of the optimiser
        names += sorted(name for name in before.keys() & now.keys() if "optimizer." in name)
        if None in (before.get("schedule", ""), now.get("schedule", "")):  # its state is missing
            names += ["schedule"]
    for name in names:
        was, given = before.get(name), now.get(name)
        if was != given:
            option = "model" if name == "_class_path" else f"model.{name}"
            raise ValueError(
                f"The checkpoint is of {option}={was}, this emulator has {given}; leave it as it "
                "was in training, or start another training from the weights with the callback "
                "callbacks.FineTuning."
            )


def check_checkpoint(emulator: LightningModule, checkpoint: Mapping[str, Any]) -> None:
    """Check that a checkpoint is finite and belongs to the present data and model."""
    trainer = emulator._trainer
    path = "The checkpoint" if trainer is None else trainer.ckpt_path
    check_finite_weights(emulator, checkpoint, path)
    if trainer is not None and trainer.training:
        check_whole(checkpoint, path)
    if trainer is not None and trainer.datamodule is not None:
        given = rename(checkpoint.get("hyper_parameters", {}))
        check_model(given, emulator.hparams, trainer.training)
        source = trainer.datamodule
        data, saved = described(source), {}
        if trainer.training:
            data, saved = data.with_statistics(source.statistics), checkpoint["state_dict"]
        check_training_data(trained_on(checkpoint), data, saved)


def trained_on(checkpoint: Mapping[str, Any]) -> DataDescription | None:
    """Return the description of the training data in a checkpoint, or None if it has none."""
    saved = checkpoint.get("trained_on")
    return DataDescription.from_dict(saved) if saved else None


def check_finite_weights(
    emulator: LightningModule, checkpoint: Mapping[str, Any], path: object = "The checkpoint"
) -> None:
    """Raise an error if weights, or averages of the optimiser, are not finite in a checkpoint."""
    weights = {name for name, _ in emulator.named_parameters()}
    kept = [(name, v) for name, v in checkpoint["state_dict"].items() if name in weights]
    for states in checkpoint.get("optimizer_states", []):
        kept += averages_in(states.get("state", {}).values())
    name = first_not_finite(kept)
    if name is not None:
        raise ValueError(
            f"{path} holds numbers that are not finite ({name}), so the training diverged before "
            "it was written; give an earlier checkpoint, or train again with a smaller learning "
            "rate."
        )


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings under dotted names such as `network` (a class) and `network.width`."""
    found = {}
    for name, value in settings.items():
        if isinstance(value, dict) and "class_path" in value:
            found[prefix + name] = value["class_path"]
            found |= flatten(value.get("init_args") or {}, f"{prefix}{name}.")
        else:
            found[prefix + name] = [list(v) for v in value] if name == "latents" else value
    return found


def weights_error(kind: str, error: RuntimeError) -> ValueError:
    """Return the error for weights that do not fit an emulator, in one sentence."""
    lines = str(error).splitlines()
    return ValueError(
        f"The checkpoint does not fit this {kind}: "
        f"{lines[min(1, len(lines) - 1)].strip().rstrip('.')}; leave the model's settings as they "
        "were in training."
    )


def keep_plain_hyperparameters(emulator: LightningModule, frame: FrameType | None) -> None:
    """Save the arguments of an emulator's constructor, read from its frame, as hyperparameters.

    Objects passed from Python are left out, because loading them could run code, and so is what a
    subclass declares of its network, because it declares it again.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about saving modules, which are left out here
        emulator.save_hyperparameters(logger=False, frame=frame)
    for name, value in list(emulator.hparams.items()):
        if not is_plain(value) or name in DECLARED:
            del emulator.hparams[name]


def is_plain(value: object) -> bool:
    """Return whether a value consists only of numbers, texts, lists and dictionaries.

    Only such values can be loaded from a checkpoint without running code.
    """
    if isinstance(value, dict):
        return all(is_plain(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)
