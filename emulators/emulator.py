"""An emulator: a training recipe and a step.

An emulator advances a state of a dynamical system by one snapshot interval, again and again. A
subclass defines a `step` and the `loss` of a window of true snapshots; the rest is defined here.

States outside are float32 in physical units. Inside, fields are standardised by the statistics of
the training split, which are buffers and travel in the checkpoint.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from datamodules.description import DataDescription
from datamodules.solvers.finite import check_finite
from datamodules.solvers.variable import State
from emulators.checkpoint_checks import (
    check_checkpoint,
    check_fields,
    check_grid,
    check_training_data,
    described,
    keep_plain_hyperparameters,
    trained_on,
)
from emulators.constraints.constraint import Constraint
from emulators.constraints.projection import Projection
from emulators.context import (
    NO_CONTEXT,
    Conditioning,
    Context,
    Forcing,
    Static,
    Times,
    Window,
    Windows,
    check_conditioning,
    checked_loss,
    checked_step,
    rollout_keys,
)
from emulators.evaluation import check_ensembles, evaluate
from emulators.follow_data import follow_data, learn_from
from emulators.forecasting.forecasts import Forecasting
from emulators.input_fields import InputFields
from emulators.networks.from_module import as_network
from emulators.networks.interface import Latents, NetworkFactory, NetworkInterface, Parameters
from emulators.networks.unet import UNet
from emulators.noise_input import NoiseInput
from emulators.rollout import RolloutBatch
from emulators.standardize import Standardize
from emulators.training.losses import L1L2, Distance
from emulators.training.members import windows_of_members
from emulators.training.muon import Muon
from emulators.training.objective_checks import DEFAULT_MEMBERS, check_dropout, check_objective
from emulators.training.objectives import Objective
from emulators.training.optimizers import Schedule
from emulators.training.precision import check_precision
from emulators.training.randomness import add_noise, generator_of, seed_layers, training_position
from emulators.training.schedules import WarmupCosine


class Emulator(Forecasting, ABC):
    """Learned map from a state to the state one snapshot interval later.

    Args:
        network: Trained part: `Network` class with options, or module on (batch, channel, *space).
        channels: Number of fields of a state; set by the data.
        dimensions: Number of spatial dimensions; set by the data.
        parameters: Number of physical parameters that condition the network; set by the data.
        predict: Output of the network: the next state, or the change to it.
        distance: Distance d(prediction, target) of standardised states in the training objective.
        objective: Score of an ensemble of predictions, such as `CRPS`, in place of the distance.
        members: Members in training, where there is an objective.
        noise_fields: Coarsening factors of random input fields.
        noise_numbers: Random numbers that condition the network by FiLM.
        optimizer: Optimiser of all parameters.
        schedule: Learning rate over the training steps; None: constant.
        ema_decay: Decay of the averaged weights; 0 for none.
        noise: White noise that training adds to the input state, but not to the target
            [standard deviations of the data].
        project: Constraints of predictions; `data` keeps empty Fourier modes of the data empty.
        latent_inputs: Coarsening factors of the latents that a subclass gives to the network.
        latent_outputs: Coarsening factors of the latents that the network returns.
        static: Number of static fields that the network is given; set by the data.
        forcing: Number of fields of forcing that the network is given; set by the data.
        masked: Whether points of the data are masked; set by the data.
        masks: Number of input masks whose number (`mask_id`) is passed to the network.
        steps_per_call: Number of states that a call of the network predicts.

    Attributes:
        timed: Whether `loss` needs the start times of windows.
        sparse: Whether `loss` accepts NaN.
        stochastic: Whether steps draw random numbers, so that members of an ensemble differ.
        standardize: Map `standardize(state)` to standardised states; `standardize.inverse(u)` back.
        projection: Map onto the constraints in `project`, `projection(prediction, state)`.

    Example:
        >>> import torch
        >>> from emulators import Baseline
        >>> emulator = Baseline(channels=2).eval()
        >>> emulator.rollout(torch.zeros(1, 2, 16, 16), steps=3).shape
        torch.Size([1, 3, 2, 16, 16])
    """

    timed: ClassVar[bool] = False
    sparse: ClassVar[bool] = False
    stochastic: bool = False

    def __init__(
        self,
        network: NetworkFactory | nn.Module = UNet,
        channels: int = 1,
        dimensions: int = 2,
        parameters: int = 0,
        predict: Literal["state", "increment"] = "state",
        distance: Distance = L1L2(),
        objective: Objective | None = None,
        members: int = DEFAULT_MEMBERS,
        noise_fields: list[int] = [],  # noqa: B006 - shown in --help
        noise_numbers: int = 0,
        optimizer: OptimizerCallable = Muon,
        schedule: Schedule | None = WarmupCosine,
        ema_decay: float = 0.999,
        noise: float = 0.0,
        project: Literal["data"] | list[Constraint] | None = "data",
        latent_inputs: tuple[int, ...] = (),
        latent_outputs: tuple[int, ...] = (),
        masks: int = 1,
        static: int = 0,
        forcing: int = 0,
        masked: bool = False,
        steps_per_call: int = 1,
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
        self.noise_input = NoiseInput(noise_fields, noise_numbers)
        self.stochastic = self.stochastic or self.noise_input.given
        check_objective(objective, distance, members, self.stochastic)
        self.members = 1 if objective is None else members
        self.members_fit = False  # into the memory, which the first training step tells
        # options are shared by emulators, their weights are not
        self.distance = deepcopy(distance if objective is None else objective.of(members))
        self.optimizer_option = optimizer
        self.schedule = schedule
        self.ema_decay = ema_decay
        self.noise = noise
        self.standardize = Standardize(channels, dimensions)
        self.projection = Projection(project)
        self.conditioning = Conditioning(parameters)
        self.steps_per_call = steps_per_call
        self.input_fields = InputFields(static, forcing, masked, steps_per_call)
        self.trained_on: DataDescription | None = None
        self.interval: float | None = None
        self.trained_steps = 0
        self.run_seed = self.training_seed = torch.initial_seed()  # before layers draw from it
        inputs, self.latent_factors = tuple(latent_inputs), tuple(latent_outputs)
        counts = masks, parameters, self.input_fields.count
        interface = NetworkInterface(channels, dimensions, inputs, self.latent_factors, *counts)
        self.trained = self.make_trained(network, self.noise_input.extend(interface))
        check_dropout(self.trained, objective)
        self.averaged = deepcopy(self.trained).requires_grad_(False) if ema_decay else None

    def make_trained(
        self, network: NetworkFactory | nn.Module, interface: NetworkInterface
    ) -> nn.Module:
        """Return the trained part, a network unless a subclass overrides this."""
        return as_network(network, interface)

    # Methods of a subclass ----------------------------------------------------------------------

    @property
    @abstractmethod
    def window(self) -> int:
        """Number of consecutive snapshots that `loss` needs."""

    @abstractmethod
    def step(
        self, state: State, memory: Any = None, context: Context = NO_CONTEXT
    ) -> tuple[State, Any]:
        """Return the state one interval later, and the memory for the next step.

        Args:
            state: States in physical units.
            memory: Memory returned by the previous step; None at the start. Tensors in it, however
                nested, have the batch first.
            context: Physical parameters, time and random numbers of each sample; a step that needs
                none of them may omit this argument.
        """

    @abstractmethod
    def loss(self, window: Window, context: Context = NO_CONTEXT) -> Float[Tensor, ""]:
        """Return the training objective, such as `self.distance` of standardised states.

        Args:
            window: Consecutive true snapshots in physical units; with an objective each window
                `members` times, member by member, as `training_step` gives them.
            context: As for `step`; a loss that needs none of them may omit this argument.
        """

    def check_window(self, window: Window) -> None:
        """Raise an error if a window is too short for `loss`."""
        if window.shape[1] < self.window:
            raise ValueError(
                f"{type(self).__name__} needs windows of at least {self.window} snapshots, got "
                f"{window.shape[1]}; use longer trajectories, or fewer steps or shorter leads."
            )

    def random(self, purpose: str, device: torch.device | str = "cpu") -> torch.Generator | None:
        """Return the source of random numbers for one purpose within this training step.

        It depends only on the seed of the training, the rank, the training step and the purpose, so
        that a resumed run draws the same. Outside of training it is torch's own (None).
        """
        position = training_position(self)
        if position is None:
            return None
        return generator_of(self.training_seed, *position, purpose, str(device))

    def perturb(self, u: State) -> State:
        """Return standardised states with the noise of training."""
        if not self.noise:
            return u
        noisy = add_noise(u, self.noise, self.random("noise", u.device), self.members)
        return self.standardize.masked(self.projection(noisy, u))

    # Rollouts -----------------------------------------------------------------------------------

    @property
    def network(self) -> nn.Module:
        """The network: trained weights in training mode, averaged weights in evaluation mode."""
        averaged = not self.training and self.averaged is not None
        return self.averaged if averaged else self.trained

    def predict_from(
        self,
        u: State,
        context: Context = NO_CONTEXT,
        latents: Latents = (),
        mask_id: Int[Tensor, " batch"] | None = None,
        call: int = 0,
    ) -> tuple[State, Latents]:
        """Return the output of the network, given the parameters and fields in the context.

        Args:
            u: Standardised states.
            context: Context of the step.
            latents: Latents of the network's input.
            mask_id: Number of the input mask of each sample.
            call: Number of the call within the step, each of which has random numbers of its own.

        Raises:
            ValueError: The context has another number of parameters than the network needs.
        """
        parameters = self.conditioning(context.parameters)
        if parameters is not None and parameters.shape[0] != u.shape[0]:
            raise ValueError(
                f"The network was called with {len(u)} states, but parameters of {len(parameters)} "
                "trajectories are known; call it with one state per trajectory of the context."
            )
        latents, parameters = self.noise_input.add(u, latents, parameters, context, call)
        fields = self.input_fields(u, context)
        if fields is not None:
            u = torch.cat((u, fields), dim=1)
        if parameters is None:
            return self.network(u, latents, mask_id)
        return self.network(u, latents, mask_id, parameters.to(u.dtype))

    def next_state(self, state: State, output: State) -> State:
        """Return the next state, standardised and in full precision, from the network's output."""
        output = output.to(state.dtype)
        if self.predict == "increment":
            output = state + self.standardize.increment_scale(state) * output
        return self.standardize.masked(self.projection(output, state))

    def unroll(
        self,
        state: State,
        parameters: Parameters | None = None,
        times: Times | None = None,
        seed: int | None = None,
        static: Static | None = None,
        forcing: Forcing | None = None,
    ) -> Iterator[State]:
        """Yield the states at leads 1, 2, 3, ... without end.

        Args:
            state: Initial states in physical units, (batch, channel, *space).
            parameters: Physical parameters in the units of the files, (batch, parameter).
            times: Times of the initial states [time unit of the data], (batch,); 0 by default.
            seed: Seed of random numbers of a stochastic emulator; torch's own by default.
            static: Static fields in their units, (batch, static, *space).
            forcing: Forcing in its units at the times of the states, from the initial one on,
                (batch, steps + 1, forcing, *space); `Bundled` needs it up to the end of a call.
        """
        keys = None if seed is None else rollout_keys(range(len(state)))
        times = torch.zeros(len(state), dtype=torch.float64) if times is None else times
        context = Context(parameters, times, keys, seed or 0, static=static, forcing=forcing)
        memory, step = None, checked_step(self)
        while True:
            state, memory = step(state, memory, context)
            context = context.after(self.interval)
            yield state

    def rollout(
        self,
        state: State,
        steps: int,
        parameters: Parameters | None = None,
        times: Times | None = None,
        seed: int | None = None,
        static: Static | None = None,
        forcing: Forcing | None = None,
    ) -> Window:
        """Return the states at leads of 1 to `steps`, (batch, time, channel, *space).

        See `unroll` for the arguments.
        """
        states = self.unroll(state, parameters, times, seed, static, forcing)
        return torch.stack(list(islice(states, steps)), dim=1)

    # Lightning ----------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Check that the data fit the network; before training, set their statistics."""
        source = self.trainer.datamodule
        data = described(source)
        check_precision(self.trainer.precision)
        counts = self.channels, self.dimensions, self.conditioning.count
        inputs = self.input_fields
        check_fields(data, *counts, type(self), inputs.static, inputs.forcing, inputs.masked)
        check_training_data(self.trained_on, data)
        self.interval = self.interval or data.interval
        check_conditioning(self, self.conditioning.count + self.input_fields.count)
        follow_data(self, data)
        self.check(data.shape)
        check_ensembles(self, source, stage)
        if stage == "fit":
            learn_from(self, source, data)
            self.trained_on = data.with_statistics(source.statistics)
            self.training_seed = torch.initial_seed()

    @torch.no_grad()
    def check(self, shape: tuple[int, ...]) -> None:
        """Check that the network accepts a grid."""
        self.noise_input.check(shape)
        self.trained.check(shape)
        self.distance.check(shape, [tuple(n // f for n in shape) for f in self.latent_factors])
        check_grid(self, shape)

    def training_step(self, batch: Window | Windows, batch_idx: int) -> Tensor:
        """Return the training objective of a batch."""
        window, context = windows_of_members(self, batch)
        seed_layers(self.random("layers"), self.device)
        loss = checked_loss(self)(window, context)
        # with prog_bar=True Lightning would read the loss in every step, and wait for a GPU
        self.log("train/loss", loss.detach(), batch_size=len(window) // self.members)
        return loss

    def validation_step(self, start: RolloutBatch, batch_idx: int) -> None:
        """Roll out from a batch of validation states."""
        evaluate(self, start, self.trainer, "validate")

    def test_step(self, start: RolloutBatch, batch_idx: int) -> None:
        """Roll out from a batch of test states."""
        evaluate(self, start, self.trainer, "test")

    def on_test_epoch_end(self) -> None:
        """Log the scores at the last step of the training."""
        self.log("step", float(self.trained_steps))

    def predict_step(self, start: RolloutBatch, batch_idx: int) -> None:
        """Roll out from a batch of states; observers keep the forecast."""
        evaluate(self, start, self.trainer, "predict")

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that a checkpoint fits the variables, grid and model, and, to resume, the data."""
        self.trained_on = trained_on(checkpoint)
        if self.trained_on is not None:
            self.interval = self.interval or self.trained_on.interval
        self.trained_steps = checkpoint.get("global_step", 0)
        follow_data(self, self.trained_on)
        self.training_seed = checkpoint.get("training_seed", self.training_seed)
        check_checkpoint(self, checkpoint)
