"""An emulator: a training recipe and a step.

An emulator advances a state of a dynamical system by one snapshot interval, again and again. A
subclass says what one `step` is and which `loss` a window of true snapshots gives; everything else
(rollouts, evaluation, optimiser, averaged weights, statistics, checkpoints) is here, once.

States outside are float32 in physical units. Inside, fields are standardised by the statistics of
the training split, which are buffers and travel in the checkpoint.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from copy import deepcopy
from itertools import islice
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from lightning import LightningModule
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from datamodules.description import DataDescription
from datamodules.solvers.finite import check_finite
from emulators.checkpoint_checks import (
    check_checkpoint,
    check_fields,
    check_grid,
    check_training_data,
    described,
    follow_boundaries,
    keep_plain_hyperparameters,
    misfit,
    trained_on,
)
from emulators.conditioning import Conditioning, Times, Windows, apart
from emulators.evaluation import evaluate
from emulators.former_names import with_present_names
from emulators.networks.from_module import as_network
from emulators.networks.interface import Network, NetworkFactory, Parameters
from emulators.networks.unet import UNet
from emulators.rollout import RolloutBatch
from emulators.standardize import Standardize
from emulators.training.averaging import update_average
from emulators.training.losses import L1L2, Distance
from emulators.training.optimizers import Schedule, clip_gradients, naming, with_schedule
from emulators.training.precision import check_precision
from emulators.training.randomness import add_noise, generator_of, seed_layers
from emulators.training.schedules import WarmupCosine

State = Float[Tensor, "batch channel *space"]
Window = Float[Tensor, "batch time channel *space"]


class Emulator(LightningModule, ABC):
    """Learned map from a state to the state one snapshot interval later.

    Args:
        network: Trained part: a `Network` class with its options, or any module from
            (batch, channel, *space) to the same grid.
        channels: Fields of a state; set by the data.
        dimensions: Spatial dimensions; set by the data.
        parameters: Physical parameters of a trajectory that the network is told; set by the data.
        predict: Whether the network's output is the next state, or the change to it.
        distance: d(prediction, target) of the training objective.
        optimizer: Optimiser of all parameters.
        schedule: Learning rate over the steps of the run; None keeps it constant.
        ema_decay: Decay of the running average of weights that evaluation uses; 0 uses the last.
        noise: Standard deviation of the white noise that training adds to the input state, in
            units of the data's; the target stays the true next state, to which it learns to return.
        latent_inputs: Coarsening factors of the latents that a subclass gives to the network.
        latent_outputs: Coarsening factors of the latents that it takes from the network.
        cases: Number of cases that it tells the network apart.

    Attributes:
        timed, sparse: Whether `loss` must know when its windows start, and takes NaN for unknown.
    """

    timed: ClassVar[bool] = False
    sparse: ClassVar[bool] = False

    def __init__(
        self,
        network: NetworkFactory | nn.Module = UNet,
        channels: int = 1,
        dimensions: int = 2,
        parameters: int = 0,
        predict: Literal["state", "increment"] = "state",
        distance: Distance = L1L2(),
        optimizer: OptimizerCallable = torch.optim.AdamW,
        schedule: Schedule | None = WarmupCosine,
        ema_decay: float = 0.999,
        noise: float = 0.0,
        latent_inputs: tuple[int, ...] = (),
        latent_outputs: tuple[int, ...] = (),
        cases: int = 1,
    ) -> None:
        check_finite("Emulator", ema_decay=ema_decay, noise=noise)
        super().__init__()
        if not 0 <= ema_decay < 1:
            raise ValueError(f"ema_decay must lie in [0, 1), got {ema_decay}.")
        if noise < 0:
            raise ValueError(f"noise must be at least 0, got {noise}.")
        keep_plain_hyperparameters(self, inspect.currentframe())
        self.channels = channels
        self.dimensions = dimensions
        self.predict = predict
        self.distance = distance
        self.optimizer_option = optimizer
        self.schedule = schedule
        self.ema_decay = ema_decay
        self.noise = noise
        self.standardize = Standardize(channels)
        self.conditioning = Conditioning(parameters)
        self.trained_on: DataDescription | None = None
        self.trained_steps = 0
        self.training_seed = torch.initial_seed()
        shape = (channels, dimensions, latent_inputs, latent_outputs, cases, parameters)
        self.trained = as_network(network, *shape)
        self.averaged = deepcopy(self.trained).requires_grad_(False) if ema_decay else None

    # What a subclass says -----------------------------------------------------------------------

    @property
    @abstractmethod
    def window(self) -> int:
        """Consecutive snapshots that `loss` needs."""

    @abstractmethod
    def step(self, state: State, memory: Any = None) -> tuple[State, Any]:
        """Return the state one interval later, and what the next step must remember.

        Args:
            state: Physical units.
            memory: What the previous step returned; None at the start. Tensors in it, however
                nested, have the batch first.
        """

    @abstractmethod
    def loss(self, window: Window) -> Float[Tensor, ""]:
        """Return the training objective on consecutive true snapshots in physical units."""

    def check_window(self, window: Window) -> None:
        """Refuse a window that is too short for `loss`."""
        if window.shape[1] < self.window:
            raise ValueError(
                f"{type(self).__name__} needs windows of at least {self.window} snapshots, got "
                f"{window.shape[1]}; use longer trajectories, or fewer steps or shorter leads."
            )

    def random(self, purpose: str, device: torch.device | str = "cpu") -> torch.Generator | None:
        """Return the source of random numbers for one purpose within this training step.

        It depends on the seed that the training began with, the rank, the number of the step and
        the purpose alone, so that a resumed run draws what the uninterrupted one draws. Outside of
        training it is torch's own (None).
        """
        if self._trainer is None or not self.trainer.training:
            return None
        rank, step = self.trainer.global_rank, self.trainer.fit_loop.total_batch_idx
        return generator_of(self.training_seed, rank, step, purpose, str(device))

    def perturb(self, u: State) -> State:
        """Return standardised states with the noise of training."""
        return add_noise(u, self.noise, self.random("noise", u.device)) if self.noise else u

    # Rollouts -----------------------------------------------------------------------------------

    @property
    def network(self) -> Network:
        """The network: trained weights in training mode, averaged weights in evaluation mode.

        It is told the physical parameters of the present batch, where there are some.
        """
        averaged = not self.training and self.averaged is not None
        return self.conditioning.tell(self.averaged if averaged else self.trained)

    def told(self, *known: Tensor | None) -> AbstractContextManager[None]:
        """Return a context for `step` and `loss` that knows (parameters, times) of a batch."""
        return self.conditioning.told(*known)

    def next_state(self, state: State, output: State) -> State:
        """Return the next state from the network's output, both standardised, in full precision."""
        output = output.to(state.dtype)
        if self.predict == "state":
            return output
        return state + self.standardize.increment_scale(state) * output

    def unroll(
        self, state: State, parameters: Parameters | None = None, times: Times | None = None
    ) -> Iterator[State]:
        """Yield the states at lead times of one interval, two intervals, ... without end."""
        model, memory = self.conditioning.steps(self, parameters, times), None
        while True:
            state, memory = model.step(state, memory)
            yield state

    def rollout(
        self,
        state: State,
        steps: int,
        parameters: Parameters | None = None,
        times: Times | None = None,
    ) -> Window:
        """Return the states at leads of 1 to `steps`; parameters and times are as in the files."""
        return torch.stack(list(islice(self.unroll(state, parameters, times), steps)), dim=1)

    # Lightning ----------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Check that the data suit the network, and take their statistics before training."""
        source = self.trainer.datamodule
        data = described(source)
        check_precision(self.trainer.precision)
        check_fields(data, self.channels, self.dimensions, self.conditioning.count, type(self))
        check_training_data(self.trained_on, data)
        follow_boundaries(self, data.periodic)
        self.check(data.shape)
        if stage == "fit":
            statistics = source.statistics
            self.standardize.set_statistics(
                statistics.mean, statistics.std, statistics.increment_std
            )
            if data.parameters:
                self.conditioning.set_statistics(source.trajectories("train").parameters)
            self.trained_on = data.with_statistics(statistics)
            self.training_seed = torch.initial_seed()

    @torch.no_grad()
    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse a grid that the network cannot take."""
        self.trained.check(shape)
        check_grid(self, shape)

    def training_step(self, batch: Window | Windows, batch_idx: int) -> Tensor:
        """Return the training objective of a batch; its parameters stay known for the gradient."""
        seed_layers(self.random("layers"), self.device)
        window, parameters, times = apart(batch)
        self.conditioning.take(parameters, times)
        loss = self.loss(window)
        self.log("train/loss", loss.detach(), prog_bar=True, batch_size=len(window))
        return loss

    def validation_step(self, start: RolloutBatch, batch_idx: int) -> None:
        """Roll out from a batch of validation states."""
        evaluate(self, self.conditioning, start, self.trainer, "validate")

    def test_step(self, start: RolloutBatch, batch_idx: int) -> None:
        """Roll out from a batch of test states."""
        evaluate(self, self.conditioning, start, self.trainer, "test")

    def on_test_epoch_end(self) -> None:
        """Place the scores in the logs where the training ended."""
        self.log("step", float(self.trained_steps))

    def predict_step(self, start: RolloutBatch, batch_idx: int) -> None:
        """Roll out from a batch of states; observers keep the forecast."""
        evaluate(self, self.conditioning, start, self.trainer, "predict")

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Update the averaged weights after each step of the optimiser."""
        with naming("model.optimizer"):
            super().optimizer_step(*args, **kwargs)
        self.conditioning.take(None)
        if self.averaged is not None:
            self.update_average(self.trainer.global_step)

    def update_average(self, steps: int) -> None:
        """Move the averaged weights towards the trained ones, after so many optimiser steps."""
        update_average(self.averaged, self.trained, self.ema_decay, steps)

    def configure_optimizers(self) -> Any:
        """Return the optimiser, with its schedule if there is one."""
        trained = [p for p in self.parameters() if p.requires_grad]
        if not trained:
            raise ValueError(
                f"{type(self).__name__} has no weights to train; give model.network a class that "
                "has some."
            )
        with naming("model.optimizer", "cannot be made with its options"):
            optimizer = self.optimizer_option(trained)
        return with_schedule(optimizer, self.schedule, self.trainer)

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """Clip gradients, those of fused optimisers too."""
        clip_gradients(self.trainer, optimizer, gradient_clip_val, gradient_clip_algorithm)

    # Checkpoints --------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store what the emulator was trained on, and the seed of all its random numbers."""
        checkpoint["trained_on"] = self.trained_on.to_dict() if self.trained_on else {}
        checkpoint["training_seed"] = self.training_seed

    @classmethod
    def load_from_checkpoint(
        cls, checkpoint_path: Any, map_location: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Make an emulator from a checkpoint, whose settings may have former names."""
        file = with_present_names(checkpoint_path, kwargs.get("weights_only"), map_location)
        kind = LightningModule if inspect.isabstract(cls) else super()
        return kind.load_from_checkpoint(file, map_location, *args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load weights and statistics; refuse those of another network in one sentence."""
        try:
            return super().load_state_dict(*args, **kwargs)
        except RuntimeError as error:
            raise misfit(type(self).__name__, error) from None

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of other variables, grid or model; resume on the same data only."""
        self.trained_on = trained_on(checkpoint)
        self.trained_steps = checkpoint.get("global_step", 0)
        # earlier checkpoints, which do not mention it, were trained with periodic padding
        periodic = self.trained_on.periodic if self.trained_on else ()
        follow_boundaries(self, periodic or (True,) * self.dimensions)
        self.training_seed = checkpoint.get("training_seed", self.training_seed)
        check_checkpoint(self, checkpoint)
