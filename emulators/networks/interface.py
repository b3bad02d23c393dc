"""Interface between an emulator and its network.

A network maps standardised fields to standardised fields. It does not depend on physics, statistics
or Lightning. Next to the state it may take *latents*, coarse fields on grids that are smaller by an
integer factor, and return others; an integer per sample, the *mask id*, identifies which of the
inputs are masked; physical *parameters* of the trajectory, such as its Reynolds number, are
standardised numbers per sample.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

State = Float[Tensor, "batch channel *space"]
Inputs = Float[Tensor, "batch input *space"]  # a state, and the input fields after it
Parameters = Float[Tensor, "batch parameter"]
Latents = tuple[Float[Tensor, "batch channel ..."], ...]


@dataclass(frozen=True)
class NetworkInterface:
    """Fields that a network takes and returns.

    Args:
        channels: Number of fields of a state.
        dimensions: Number of spatial dimensions, 1 or 2.
        latent_inputs: Coarsening factor of each latent that is given.
        latent_outputs: Coarsening factor of each latent that is returned.
        masks: Number of values that `mask_id` takes.
        parameters: Number of physical parameters of a trajectory.
        input_fields: Number of input fields in addition to the state, such as orography; they
            follow its channels in the first argument of the network.
        noise_latents: Number of latent inputs, the last ones, that are fields of random numbers.
        noise_parameters: Number of parameters, the last ones, that are random numbers.

    Example:
        >>> import torch
        >>> from emulators import UNet
        >>> network = UNet(NetworkInterface(1, 2, latent_inputs=(4,), latent_outputs=(4,)), width=4)
        >>> state, (latent,) = network(torch.zeros(3, 1, 16, 32), (torch.zeros(3, 1, 4, 8),))
        >>> tuple(state.shape), tuple(latent.shape)
        ((3, 1, 16, 32), (3, 1, 4, 8))
    """

    channels: int
    dimensions: int
    latent_inputs: tuple[int, ...] = ()
    latent_outputs: tuple[int, ...] = ()
    masks: int = 1
    parameters: int = 0
    input_fields: int = 0
    noise_latents: int = 0
    noise_parameters: int = 0

    @property
    def data_latents(self) -> int:
        """Number of latent inputs that come from the data; the random ones follow."""
        return len(self.latent_inputs) - self.noise_latents

    @property
    def data_parameters(self) -> int:
        """Number of parameters that come from the data; the random ones follow."""
        return self.parameters - self.noise_parameters

    def split(self, parameters: Parameters | None) -> tuple[Tensor | None, Tensor | None]:
        """Return the parameters that come from the data and the random ones; None without any.

        Example:
            >>> import torch
            >>> interface = NetworkInterface(1, 1, parameters=3, noise_parameters=2)
            >>> known, drawn = interface.split(torch.tensor([[7.0, 0.1, 0.2]]))
            >>> known.tolist(), drawn.shape
            ([[7.0]], torch.Size([1, 2]))
        """
        if parameters is None:
            return None, None
        known, drawn = parameters.tensor_split((self.data_parameters,), dim=1)
        return (known if known.shape[1] else None), (drawn if drawn.shape[1] else None)


class Network(nn.Module, ABC):
    """Map from (state, latents, mask_id, parameters) to (state, latents).

    The first argument of every constructor is a `NetworkInterface`, which the emulator supplies. A
    network that can be conditioned on physical parameters keeps their number as
    `physical_parameters`; others need neither that nor the last argument of `forward`.

    Example:
        A network of your own, which adds a trained number to each field, and a rollout of it:

        >>> import torch
        >>> from emulators import Baseline
        >>> class Shift(Network):
        ...     def __init__(self, interface):
        ...         super().__init__()
        ...         self.shift = nn.Parameter(torch.ones(interface.channels, 1))
        ...     def forward(self, state, latents=(), mask_id=None, parameters=None):
        ...         return state + self.shift, ()
        >>> emulator = Baseline(network=Shift, dimensions=1).eval()
        >>> emulator.rollout(torch.zeros(1, 1, 8), steps=3)[0, :, 0, 0].tolist()
        [1.0, 2.0, 3.0]
    """

    physical_parameters: int = 0

    @abstractmethod
    def forward(
        self,
        state: Inputs,
        latents: Latents = (),
        mask_id: Int[Tensor, " batch"] | None = None,
        parameters: Parameters | None = None,
    ) -> tuple[State, Latents]:
        """Return the predicted fields.

        Args:
            state: Standardised states, followed by the input fields.
            latents: Standardised latents, each on its own grid.
            mask_id: Number of the input mask of each sample; None where there is only one.
            parameters: Standardised physical parameters.
        """

    def check(self, shape: tuple[int, ...]) -> None:
        """Check that the network accepts a grid.

        Args:
            shape: Number of points along each axis, in the order of the axes.

        Raises:
            ValueError: It cannot, in a sentence that names the option.
        """

    def advice(self, shape: tuple[int, ...]) -> str | None:
        """Return a sentence if points far apart hardly act on each other in the network, or None.

        It is printed before training on a flow that is given by its vorticity, where the velocity
        at each point follows from the vorticity at all points.

        Args:
            shape: Number of points along each axis, in the order of the axes.
        """
        return None


NetworkFactory = Callable[[NetworkInterface], Network]


def check_factors(option: str, factors: Sequence[int], grid: Sequence[int], of: str = "") -> None:
    """Check that coarsening factors divide a grid.

    Args:
        option: Option that gives the factors.
        factors: Coarsening factors.
        grid: Number of points along each axis.
        of: End of the phrase that names the grid, if it is not the grid of the states alone.

    Raises:
        ValueError: A factor does not.
    """
    for factor in factors:
        if any(size % factor for size in grid):
            raise ValueError(
                f"{option} has the factor {factor}, which does not divide the grid {tuple(grid)}"
                f"{of}; choose factors that divide it."
            )


def coarsen(field: State, factor: int) -> Float[Tensor, "batch channel *coarse"]:
    """Return the average over blocks of `factor` points along each axis.

    Example:
        >>> import torch
        >>> coarsen(torch.tensor([[[1.0, 3.0, 5.0, 9.0]]]), 2).tolist()
        [[[2.0, 7.0]]]
    """
    if factor == 1:
        return field
    pool = {3: nn.functional.avg_pool1d, 4: nn.functional.avg_pool2d}[field.dim()]
    return pool(field, factor)


def refine(field: Float[Tensor, "batch channel *coarse"], factor: int) -> State:
    """Return the field with every point repeated `factor` times along each axis.

    Example:
        >>> import torch
        >>> refine(torch.tensor([[[2.0, 7.0]]]), 2).tolist()
        [[[2.0, 2.0, 7.0, 7.0]]]
    """
    return field if factor == 1 else nn.functional.interpolate(field, scale_factor=factor)


def planes(numbers: Shaped[Tensor, "batch _"], like: State) -> Float[Tensor, "batch _ *space"]:
    """Return fields on the grid of a state that are constant, one per number.

    Example:
        >>> import torch
        >>> planes(torch.tensor([[1, 4]]), torch.zeros(1, 1, 3)).tolist()
        [[[1.0, 1.0, 1.0], [4.0, 4.0, 4.0]]]
    """
    fields = numbers.to(like.dtype).reshape(*numbers.shape, *[1] * (like.dim() - 2))
    return fields.expand(-1, -1, *like.shape[2:])
