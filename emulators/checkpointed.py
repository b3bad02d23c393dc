"""Contents of an emulator's checkpoint, and how it is loaded."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from lightning import LightningModule

from datamodules.description import DataDescription
from emulators.checkpoint_checks import weights_error
from emulators.former_names import with_present_names
from emulators.training.optimized import Optimized


class Checkpointed(Optimized):
    """Emulator whose checkpoints hold the description of its training data and its seed.

    Attributes:
        trained_on: Description of the training data, or None before training.
        training_seed: Seed of all random numbers of the training.
        trained_steps: Number of training steps so far.
    """

    trained_on: DataDescription | None
    training_seed: int
    trained_steps: int

    def on_fit_end(self) -> None:
        """Note the number of training steps, which scores report."""
        self.trained_steps = self.trainer.global_step

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the description of the training data and the seed of all random numbers."""
        checkpoint["trained_on"] = self.trained_on.to_dict() if self.trained_on else {}
        checkpoint["training_seed"] = self.training_seed

    @classmethod
    def load_from_checkpoint(
        cls, checkpoint_path: Any, map_location: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Load an emulator in evaluation mode; settings may have names from earlier versions."""
        file = with_present_names(checkpoint_path, kwargs.get("weights_only"), map_location)
        kind: Any = LightningModule if inspect.isabstract(cls) else super()
        return kind.load_from_checkpoint(file, map_location, *args, **kwargs).eval()

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load weights and statistics; raise an error for weights of another network.

        Weights that were trained in double precision stay so, unless the trainer has another one.
        """
        weights = [state_dict[name] for name, _ in self.named_parameters() if name in state_dict]
        precise = {weight.dtype for weight in weights if weight.is_floating_point()}
        trainer = self._trainer
        if precise == {torch.float64} and (trainer is None or trainer.precision == "64-true"):
            self.double()
        try:
            return super().load_state_dict(state_dict, *args, **kwargs)
        except RuntimeError as error:
            raise weights_error(type(self).__name__, error) from None
