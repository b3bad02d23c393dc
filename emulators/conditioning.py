"""The physical parameters of trajectories (Reynolds number, viscosity, ...) inside an emulator.

Trajectories of one data set may differ in parameters p of their equation. A step and a loss do not
pass them on: while they run, the emulator knows those of the present batch and tells them to its
network, standardised by mean and standard deviation over the training trajectories,

    û_{n+1} = f(u_n; (p - mean)/std).

In a rollout they are remembered beside the memory of the step, so that they stay with their
trajectory when others are left out or when an interrupted test goes on.

Where the dynamics depend on time, the first step of a rollout, and a loss, also know when their
trajectories start; what follows is the business of the step's memory.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from emulators.networks.interface import Latents, Network, Parameters, State
from emulators.rollout import Steps

Window = Float[Tensor, "batch time channel *space"]
Times = Float[Tensor, " batch"]


@runtime_checkable
class Windows(Protocol):
    """A training batch with what is known of its trajectories.

    Attributes:
        states: Windows in physical units.
        parameters: Of their trajectories, as the files have them, or None.
        times: Of their first snapshots, as the files count it, or None.
    """

    states: Window
    parameters: Parameters | None
    times: Times | None


def apart(batch: Window | Windows) -> tuple[Window, Parameters | None, Times | None]:
    """Return the windows, the parameters and the start times of a training batch."""
    if isinstance(batch, Tensor):
        return batch, None, None
    return batch.states, batch.parameters, batch.times


class Conditioning(nn.Module):
    """What an emulator knows of the parameters of the present batch.

    Mean and standard deviation are buffers: computed by `fit` from the training trajectories, saved
    in the checkpoint.

    Args:
        parameters: Number of physical parameters, 0 for none.

    Raises:
        ValueError: The batch has other parameters than that, or none although there are some.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, parameters: int) -> None:
        super().__init__()
        self.count = parameters
        self.present: Parameters | None = None
        self.times: Times | None = None
        if parameters:
            self.register_buffer("mean", torch.zeros(parameters))
            self.register_buffer("std", torch.ones(parameters))

    def set_statistics(self, values: Float[Tensor, "trajectory parameter"] | None) -> None:
        """Take over the statistics of training trajectories; what does not vary keeps its unit."""
        if values is not None:
            values = values.double()
            varies = values.amax(0) > values.amin(0)
            self.mean.copy_(values.mean(0))
            self.std.copy_(torch.where(varies, values.std(0, correction=0), 1.0))

    def typical(self) -> Parameters | None:
        """Return the mean as the parameters of a batch of one."""
        return self.mean[None] if self.count else None

    def physical(self) -> Parameters | None:
        """Return the parameters of the present batch in the units of the files."""
        return None if self.present is None else self.present * self.std + self.mean

    def take(self, parameters: Parameters | None, times: Times | None = None) -> None:
        """Know the parameters and start times of the batch that comes next, as the files do."""
        self.present, self.times = None, times
        if parameters is None:
            return
        if parameters.shape[1] != self.count:
            raise ValueError(
                f"The emulator is made for {self.count} physical parameters, the batch has "
                f"{parameters.shape[1]}; set model.parameters to the number of data.parameters."
            )
        self.present = (parameters.to(self.mean) - self.mean) / self.std

    @contextmanager
    def told(self, parameters: Parameters | None, times: Times | None = None) -> Iterator[None]:
        """Know the parameters and start times of a batch for a while."""
        before = self.present, self.times
        self.take(parameters, times)
        try:
            yield
        finally:
            self.present, self.times = before

    def tell(self, network: Network) -> Network:
        """Return the network, told the parameters of the present batch with every call."""
        if not self.count:
            return network
        if self.present is None:
            raise ValueError(
                f"The network must be told {self.count} physical parameters per trajectory, and "
                "they are not known here; give them to `rollout`, or call `step` and `loss` "
                "within `with emulator.told(parameters):`."
            )
        return Told(network, self.present)

    def steps(
        self, model: Steps, parameters: Parameters | None, times: Times | None = None
    ) -> Steps:
        """Return the steps of rollouts with these parameters and start times, if any have."""
        if self.count:
            return ToldSteps(model, self, parameters, times)
        return model if times is None else StartedSteps(model, self, times)


class Told(Network):
    """A network that is told the same parameters with every call.

    Args:
        network: Any network that takes parameters.
        given: Standardised parameters, (batch, parameter).

    Raises:
        ValueError: It is called with another number of states.
    """

    def __init__(self, network: Network, given: Parameters) -> None:
        super().__init__()
        self.network = network
        self.given = given

    def forward(
        self,
        state: State,
        latents: Latents = (),
        case: Tensor | None = None,
        parameters: Parameters | None = None,
    ) -> tuple[State, Latents]:
        """Return the predicted fields; parameters, if given, are standardised ones to use here."""
        given = self.given if parameters is None else parameters
        if len(given) != len(state):
            raise ValueError(
                f"The network was called with {len(state)} states, but parameters of {len(given)} "
                "trajectories are known; call it with one state per trajectory of the batch, or "
                "hand it the standardised `parameters` of each state."
            )
        return self.network(state, latents, case, given.to(state.dtype))


class ToldSteps:
    """Steps of an emulator whose memory keeps the parameters of each trajectory.

    Args:
        emulator: Makes the steps.
        conditioning: What the emulator knows.
        parameters: Of each initial state, in the units of the files.
        times: Of each initial state, or None.
    """

    def __init__(
        self,
        emulator: Steps,
        conditioning: Conditioning,
        parameters: Parameters | None,
        times: Times | None = None,
    ) -> None:
        self.emulator = emulator
        self.conditioning = conditioning
        self.parameters = parameters
        self.times = times

    def step(self, state: State, memory: Any = None) -> tuple[State, Any]:
        """Return the states one interval later; the memory is (parameters, the step's own)."""
        parameters, inner = (self.parameters, None) if memory is None else memory
        with self.conditioning.told(parameters, self.times if memory is None else None):
            state, inner = self.emulator.step(state, inner)
        return state, (parameters, inner)


class StartedSteps:
    """Steps of an emulator whose first step knows when it starts.

    Args:
        emulator: Makes the steps.
        conditioning: What the emulator knows.
        times: Of each initial state.
    """

    def __init__(self, emulator: Steps, conditioning: Conditioning, times: Times) -> None:
        self.emulator = emulator
        self.conditioning = conditioning
        self.times = times

    def step(self, state: State, memory: Any = None) -> tuple[State, Any]:
        """Return the states one interval later, and the step's own memory."""
        if memory is not None:
            return self.emulator.step(state, memory)
        with self.conditioning.told(None, self.times):
            return self.emulator.step(state, None)
