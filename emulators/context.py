"""The context of a step: physical parameters, time and random numbers of each sample.

In addition to the state, a step or a loss may need further data on each trajectory of the batch.
They are passed as one argument, `context`, which steps that do not need them leave out:

    def step(self, state, memory=None, context=Context()): ...

In a rollout the context is kept next to the state and the memory, so that it stays with its
trajectory when others are left out, and when an interrupted test is resumed.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol, runtime_checkable
from zlib import crc32

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from datamodules.solvers.variable import State
from emulators.host_copies import copy_to_device
from emulators.networks.interface import Parameters
from emulators.standardize import Standardize

Window = Float[Tensor, "batch time channel *space"]
Times = Float[Tensor, " batch"]
Static = Float[Tensor, "batch static *space"]
Forcing = Float[Tensor, "batch forced_time forcing *space"]


class Context(NamedTuple):
    """Parameters, time and random numbers of each sample of a batch, in addition to its state.

    Random numbers depend only on `seed`, `batch`, `lead`, the sample's row of `keys` and a purpose.
    A rollout is therefore the same on any number of processes, in batches of any size, after other
    trajectories have been left out, and when it is resumed.

    Attributes:
        parameters: Physical parameters in the units of the files, (batch, parameter), or None.
        time: Time of the states [time unit of the data], (batch,), or None.
        keys: Numbers that identify each sample, (batch, 2): in a rollout the initial condition
            and the member; or None, where random numbers come from torch's own generator.
        seed: Seed of the run.
        batch: Number of the training batch since the beginning of the training; None in a rollout.
        lead: Number of steps since the initial states.
        static: Static fields in their units, (batch, static, *space), or None.
        forcing: Forcing in its units from the time of the states on, one interval after the other,
            (batch, time, forcing, *space), or None. A step from n to n + 1 is given two times, a
            call of `Bundled` K + 1.

    Example:
        >>> import torch
        >>> state = torch.zeros(3, 1, 4)
        >>> context = Context(keys=torch.tensor([[0, 0], [1, 0], [2, 0]]))
        >>> alone = Context(keys=torch.tensor([[2, 0]]))
        >>> bool((context.normal(state)[2] == alone.normal(state[:1])[0]).all())
        True
        >>> bool((context.normal(state) == context.after(0.5).normal(state)).any())
        False
    """

    parameters: Parameters | None = None
    time: Times | None = None
    keys: Int[Tensor, "batch 2"] | None = None
    seed: int = 0
    batch: int | None = None
    lead: int = 0
    static: Static | None = None
    forcing: Forcing | None = None

    def after(self, interval: float | None, steps: int = 1) -> "Context":
        """Return the context a number of steps later, with the time advanced accordingly.

        Args:
            interval: Time between two states [time unit of the data], or None if it is not known.
            steps: Number of steps.
        """
        time = self.time if self.time is None or interval is None else self.time + steps * interval
        forcing = None if self.forcing is None else self.forcing[:, steps:]
        return self._replace(time=time, lead=self.lead + steps, forcing=forcing)

    def normal(self, like: Tensor, purpose: str = "noise") -> Tensor:
        """Return standard normal random numbers.

        Args:
            like: Tensor whose shape, (batch, ...), device and precision the numbers have.
            purpose: Name of the draw; draws of one step are independent if their names differ.
        """
        return self._draw(torch.randn, like, purpose)

    def uniform(self, like: Tensor, purpose: str = "uniform") -> Tensor:
        """Return random numbers uniform in [0, 1); the arguments are the same as for `normal`."""
        return self._draw(torch.rand, like, purpose)

    def _draw(self, draw: Callable[..., Tensor], like: Tensor, purpose: str) -> Tensor:
        if self.keys is None:
            return draw(like.shape, device=like.device, dtype=like.dtype)
        if len(self.keys) != len(like):
            raise ValueError(
                f"The context is of {len(self.keys)} samples, but random numbers of {len(like)} "
                "were asked for; draw one row per sample of the batch."
            )
        batch = 0 if self.batch is None else self.batch + 1
        # leads before the initial states are negative
        words = [self.seed % 2**32, batch, self.lead % 2**32, crc32(purpose.encode())]
        generator, rows = torch.Generator(), []
        for key in self.keys.tolist():  # on the CPU, so that all devices have the same numbers
            seed = np.random.SeedSequence([*words, *key]).generate_state(1, np.uint64)
            generator.manual_seed(int(seed[0]) >> 1)
            rows.append(draw(like.shape[1:], generator=generator, dtype=like.dtype))
        return copy_to_device(torch.stack(rows), like.device)


def rollout_keys(
    index: Int[Tensor, " batch"] | Sequence[int], members: int = 1
) -> Int[Tensor, "_ 2"]:
    """Return the keys of rollouts, member by member.

    Args:
        index: Numbers of the initial conditions within the evaluation.
        members: Number of rollouts from each.

    Example:
        >>> rollout_keys([4, 7], members=2).tolist()
        [[4, 0], [7, 0], [4, 1], [7, 1]]
    """
    index = torch.as_tensor(index, dtype=torch.int64).cpu()
    member = torch.arange(members).repeat_interleave(len(index))
    return torch.stack((index.repeat(members), member), dim=1)


NO_CONTEXT = Context()


@runtime_checkable
class Steps(Protocol):
    """Interface of objects that advance states by one interval, such as emulators and solvers."""

    def step(
        self, state: State, memory: Any = None, context: Context = NO_CONTEXT
    ) -> tuple[State, Any]:
        """Return the states one interval later, and the memory for the next step.

        Tensors in the memory, however nested, have the batch first. A step without the argument
        `context` is called without it.
        """


class EvaluatedEmulator(Steps, Protocol):
    """Interface of emulators that diagnostics evaluate.

    Attributes:
        standardize: Standardisation of states by the statistics of the training split.
    """

    standardize: Standardize


@runtime_checkable
class TrainedSteps(Steps, Protocol):
    """Interface of emulators that are trained: a step and the loss of a window."""

    def loss(self, window: Window, context: Context = NO_CONTEXT) -> Float[Tensor, ""]:
        """Return the training objective; a loss without `context` is called without it."""


def takes_context(function: Callable[..., Any]) -> bool:
    """Return whether a step or a loss has an argument `context`."""
    return has_context(getattr(function, "__func__", function))


@cache
def has_context(function: Callable[..., Any]) -> bool:
    """Return whether a function has an argument `context` (cached)."""
    return "context" in inspect.signature(function).parameters


def with_context(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a step or a loss that accepts, and may ignore, a last argument `context`."""
    return function if takes_context(function) else lambda *args: function(*args[:-1])


def checked_step(emulator: Steps) -> Callable[[Tensor, Any, Context], tuple[Tensor, Any]]:
    """Return the step of an emulator with a check that it returns a state and a memory.

    Without the check, a tensor with a batch of two would be unpacked into a state and a memory.
    Masked points keep their values.
    """
    mask = getattr(getattr(emulator, "standardize", None), "mask", None)
    step, name = with_context(emulator.step), f"{type(emulator).__name__}.step"

    def checked(state: Tensor, memory: Any, context: Context) -> tuple[Tensor, Any]:
        found = step(state, memory, context)
        if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[0], Tensor):
            shown = type(found).__name__
            shown += f" of {len(found)}" if isinstance(found, tuple) else ""
            raise TypeError(
                f"{name} returned a {shown}, expected a tuple of the next state and the memory; "
                "write `return state, None` if there is no memory."
            )
        if found[0].shape != state.shape:
            raise ValueError(
                f"{name} returned a state of shape {tuple(found[0].shape)} for one of shape "
                f"{tuple(state.shape)}, expected the same; return the next state of each sample."
            )
        if mask is None:
            return found
        # masked points of the data keep their values
        return torch.where(mask, found[0], state), found[1]

    return checked


def check_conditioning(emulator: TrainedSteps, inputs: int) -> None:
    """Check that step and loss accept the context that their network needs.

    Args:
        emulator: Emulator whose step and loss are checked.
        inputs: Number of physical parameters and input fields of the network.

    Raises:
        ValueError: The network has such inputs, and `step` or `loss` has no argument `context`.
    """
    for name in ("step", "loss") if inputs else ():
        if not takes_context(getattr(emulator, name)):
            raise ValueError(
                f"{type(emulator).__name__}.{name} takes no context, so that its network cannot be "
                f"given the {inputs} physical parameters and input fields; add the argument "
                "`context` and call `self.predict_from(u, context)`, or leave data.parameters, "
                "data.static, data.forcing and data.mask out."
            )


def checked_loss(emulator: TrainedSteps) -> Callable[[Tensor, Context], Tensor]:
    """Return the loss of an emulator with a check that its result is one number."""
    loss, name = with_context(emulator.loss), f"{type(emulator).__name__}.loss"

    def checked(window: Tensor, context: Context) -> Tensor:
        found = loss(window, context)
        if not isinstance(found, Tensor) or found.dim():
            shape = f" of shape {tuple(found.shape)}" if isinstance(found, Tensor) else ""
            raise TypeError(
                f"{name} returned a {type(found).__name__}{shape}, expected a tensor with one "
                "number; return for instance its mean."
            )
        return found

    return checked


@runtime_checkable
class Windows(Protocol):
    """Interface of a training batch with parameters and times of its trajectories.

    Attributes:
        states: Windows in physical units.
        parameters: Physical parameters of the trajectories in the units of the files, or None.
        times: Times of the first snapshots [time unit of the data], or None.

    A batch of data with static fields or forcing also has the attributes `static` and `forcing`.
    """

    states: Window
    parameters: Parameters | None
    times: Times | None


def training_context(batch: Window | Windows, seed: int, rank: int, number: int) -> Context:
    """Return the context of a training batch, whose keys are the rank and the place in the batch.

    Args:
        batch: Windows, with parameters and times if the data have them.
        seed: Seed of the training.
        rank: Number of the process.
        number: Number of the batch since the beginning of the training.
    """
    states: Window = batch if isinstance(batch, Tensor) else batch.states
    size = len(states)
    keys = torch.stack((torch.full((size,), rank), torch.arange(size)), dim=1)
    if isinstance(batch, Tensor):
        return Context(None, None, keys, seed, batch=number)
    static, forcing = (getattr(batch, name, None) for name in ("static", "forcing"))
    known = batch.parameters, batch.times, keys, seed, number
    return Context(*known, static=static, forcing=forcing)


class Conditioning(nn.Module):
    """Standardisation of the physical parameters for a network: (p - mean)/std.

    Mean and standard deviation are buffers: computed by `fit` from the training trajectories, saved
    in the checkpoint.

    Args:
        parameters: Number of physical parameters, 0 for none.

    Example:
        >>> conditioning = Conditioning(1)
        >>> conditioning.set_statistics(torch.tensor([[1.0], [3.0]]))
        >>> conditioning(torch.tensor([[5.0]])).tolist()
        [[3.0]]
    """

    mean: Tensor
    std: Tensor

    def __init__(self, parameters: int) -> None:
        super().__init__()
        self.count = parameters
        if parameters:
            self.register_buffer("mean", torch.zeros(parameters))
            self.register_buffer("std", torch.ones(parameters))

    def set_statistics(self, values: Float[Tensor, "trajectory parameter"] | None) -> None:
        """Set mean and standard deviation of the parameters; 1 replaces a deviation of 0."""
        if values is not None:
            values = values.double()
            varies = values.amax(0) > values.amin(0)
            self.mean.copy_(values.mean(0))
            self.std.copy_(torch.where(varies, values.std(0, correction=0), 1.0))

    def typical(self) -> Parameters | None:
        """Return the mean training parameters, (1, parameter), or None if there are none."""
        return self.mean[None] if self.count else None

    def check(self, parameters: Parameters | None) -> None:
        """Check the number of parameters.

        Raises:
            ValueError: The number differs from the number that the emulator was made for.
        """
        found = 0 if parameters is None else parameters.shape[1]
        if found == self.count:
            return
        if parameters is None:
            raise ValueError(
                f"The network is conditioned on {self.count} physical parameters per trajectory, "
                "and they are not known here; give them to `rollout`, or to `step` and `loss` as "
                "`Context(parameters=...)`."
            )
        raise ValueError(
            f"The emulator is made for {self.count} physical parameters, the batch has {found}; "
            "set model.parameters to the number of data.parameters."
        )

    def forward(self, parameters: Parameters | None) -> Parameters | None:
        """Return standardised parameters, or None if there are none.

        Raises:
            ValueError: The number differs from the number that the emulator was made for.
        """
        self.check(parameters)
        return None if parameters is None else (parameters.to(self.mean) - self.mean) / self.std
