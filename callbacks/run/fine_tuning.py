"""Fine-tuning: training that starts from the weights of another run."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch import Callback
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from emulators.checkpoint_checks import check_finite_weights, trained_on
from emulators.checkpoint_file import read_checkpoint
from emulators.distributed import divided


class FineTuning(Callback):
    """Starts a training from the averaged weights of a checkpoint, on the same or other data.

    Optimiser, schedule, curriculum and order of samples start from the beginning. A resumed run
    continues from its own checkpoint.

    Args:
        checkpoint: Checkpoint of an emulator with the same network. If its network has FiLM and was
            not conditioned on parameters, conditioning can be added. A network without random
            inputs can be continued with them (`model.noise_fields`, `model.noise_numbers`), as an
            ensemble that begins with equal members.
        statistics: Statistics that standardise states and parameters: `keep` the
            statistics of the checkpoint, or `recompute` them from the new training split.

    Raises:
        FileNotFoundError: The checkpoint does not exist when a training begins.
        ValueError: The checkpoint's network differs, also in depth, or is conditioned on other
            parameters.

    Example:
        Training on states with mean 0, then on states with mean 10:

        >>> import numpy as np
        >>> from torch import nn
        >>> from callbacks import Checkpoints
        >>> from datamodules import Dimensions, NumPy, Rollouts, Source, TrajectoryDataModule
        >>> from emulators import Baseline
        >>> def mean_after_training(offset, callback, folder):
        ...     states = np.outer([1.0, -1.0, 1.0, -1.0], np.ones(8)) + offset
        ...     np.save("u.npy", states)
        ...     u, format = Source("u.npy"), NumPy(["time", "x"], interval=1.0)
        ...     data = TrajectoryDataModule(
        ...         Path("."), ["u"], Dimensions(space=("x",)), format=format, train=u, val=u,
        ...         val_rollouts=Rollouts(1, steps=1),
        ...     )
        ...     emulator = Baseline(network=nn.Conv1d(1, 1, 1), dimensions=1)
        ...     off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar",
        ...                          "enable_model_summary"), False)
        ...     Trainer(max_steps=1, callbacks=[callback], default_root_dir=folder,
        ...             accelerator="cpu", **off).fit(emulator, data)
        ...     return emulator.standardize.mean.item()
        >>> mean_after_training(0.0, Checkpoints(), "first")
        0.0
        >>> checkpoint = Path("first/last.ckpt")
        >>> mean_after_training(10.0, FineTuning(checkpoint, statistics="keep"), "second")
        0.0
        >>> mean_after_training(10.0, FineTuning(checkpoint, statistics="recompute"), "third")
        10.0
    """

    def __init__(self, checkpoint: Path, statistics: Literal["keep", "recompute"] = "keep") -> None:
        self.checkpoint = Path(checkpoint)
        self.statistics = statistics

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Load the weights."""
        if trainer.ckpt_path is not None:
            return  # a resumed run has its own weights
        found = read_checkpoint(self.checkpoint, "FineTuning.checkpoint", pl_module.device)
        before, data = trained_on(found), trainer.datamodule.describe()
        if before is not None and before.parameters not in ((), data.parameters):
            raise ValueError(
                f"{self.checkpoint} is conditioned on the parameters {list(before.parameters)}, "
                f"these data have {list(data.parameters)}; set data.parameters to the former."
            )
        difference = data.difference(before) if before else None
        if before is not None and difference is not None:
            one, two = before.variables, data.variables
            if one != two and sorted(one) == sorted(two):
                raise ValueError(
                    f"{self.checkpoint} was trained on the variables {one}, these data have them "
                    f"in the order {two}; set data.variables to the order of the checkpoint."
                )
            rank_zero_warn(
                f"{self.checkpoint} was trained on {difference}; fine-tuning continues on these "
                "data."
            )
        check_finite_weights(pl_module, {"state_dict": found["state_dict"]}, self.checkpoint)
        state = found["state_dict"]
        if self.statistics == "recompute":
            state = {
                k: v
                for k, v in state.items()
                if not k.startswith(("standardize.", "conditioning.", "input_fields."))
            }
        present = pl_module.state_dict()
        state = with_averages(state, present)
        noise = getattr(pl_module, "noise_input", None)
        random_inputs = noise is not None and noise.given
        conditioned = before is None or before.parameters != data.parameters
        weights = [name for name, _ in pl_module.named_parameters()]
        self.check_weights(weights, state, added=random_inputs or conditioned)
        others = [
            n for n in weights if n not in state and not n.startswith(("trained.", "averaged."))
        ]
        if others:
            parts = ", ".join(dict.fromkeys(map(part_of, others)))
            rank_zero_warn(f"{self.checkpoint} has no weights for {parts}; they begin untrained.")
        if random_inputs:
            state = {k: with_random_inputs(v, present.get(k, v)) for k, v in state.items()}
        state = {k: divided(v, present[k]) if k in present else v for k, v in state.items()}
        pl_module.load_state_dict({**present, **state})

    def check_weights(self, names: Iterable[str], state: Mapping[str, Tensor], added: bool) -> None:
        """Check that the checkpoint has the weights of the network, except for added inputs.

        Args:
            names: Names of the weights of the emulator.
            state: Weights of the checkpoint.
            added: Whether the network may have further inputs, random ones or parameters.

        Raises:
            ValueError: It lacks weights of the network, which would stay untrained.
        """
        known = {part_of(name) for name in state}
        lacking = [
            name
            for name in names
            if name.startswith("trained.") and name not in state
            # inputs have parts of their own, and a stem for each random field
            if not added or (part_of(name) in known and part_of(name) != "trained.stems")
        ]
        if lacking:
            raise ValueError(
                f"{self.checkpoint} has no weights for {lacking[0].removeprefix('trained.')} and "
                f"{len(lacking) - 1} others of the network; set model.network to the network of "
                "the checkpoint, also its depth: the config.yaml next to it has its options."
            )


def part_of(name: str) -> str:
    """Return the name of the part of an emulator that has a weight.

    Example:
        >>> part_of("trained.stems.0.bias")
        'trained.stems'
    """
    return ".".join(name.split(".")[:2])


def with_averages(state: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights that begin with the averages of a checkpoint, if it has some.

    An emulator without averages takes only these, and one with averages of its own begins them with
    the weights of a checkpoint that has none.

    Example:
        >>> with_averages({"trained.w": 1, "averaged.w": 2}, {"trained.w": 0})
        {'trained.w': 2}
        >>> with_averages({"trained.w": 1}, {"trained.w": 0, "averaged.w": 0})
        {'trained.w': 1, 'averaged.w': 1}
    """
    trained, averaged = "trained.", "averaged."
    weights = {name: value for name, value in state.items() if not name.startswith(averaged)}
    for name, value in state.items():
        if name.startswith(averaged):
            weights[trained + name.removeprefix(averaged)] = value
    for name in present:
        own = trained + name.removeprefix(averaged)
        if name.startswith(averaged) and own in weights:
            weights[name] = weights[own]
    return weights


def with_random_inputs(weight: Tensor, present: Tensor) -> Tensor:
    """Return the weight of a layer, with the present weights of the inputs that it lacked.

    Random inputs are the last of a layer.

    Args:
        weight: Weight of a checkpoint, (output, input, ...).
        present: Weight of the same layer with as many inputs or more.

    Example:
        >>> with_random_inputs(torch.ones(1, 1), torch.zeros(1, 2)).tolist()
        [[1.0, 0.0]]
    """
    if weight.dim() < 2 or weight.dim() != present.dim() or weight.shape[1] >= present.shape[1]:
        return weight
    further = present[:, weight.shape[1] :]
    if further[:, :0].shape != weight[:, :0].shape:
        return weight  # the layers differ otherwise, which loading reports
    return torch.cat((weight.to(further), further), dim=1)
