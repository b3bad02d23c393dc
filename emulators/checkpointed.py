"""Contents of an emulator's checkpoint, and how it is loaded."""

import inspect
from typing import Any

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
    """

    trained_on: DataDescription | None
    training_seed: int

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

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load weights and statistics; raise an error for weights of another network."""
        try:
            return super().load_state_dict(*args, **kwargs)
        except RuntimeError as error:
            raise weights_error(type(self).__name__, error) from None
