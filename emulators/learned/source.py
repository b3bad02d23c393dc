"""Learned source term: a network of the state that is added to a balance."""

from collections.abc import Sequence

import torch
from torch import nn

from datamodules.solvers.finite import check_finite
from datamodules.solvers.finite_volume import Domain, Stencil, Term
from datamodules.solvers.finite_volume.terms import Fields
from emulators.networks.from_module import as_network
from emulators.networks.interface import NetworkFactory, NetworkInterface


class NetworkSource(Term):
    """Source term s N(q/scales), the output of a network of the given fields.

    The network may use neighbouring cells. In an implicit step the source is implicit, too.

    Args:
        reads: Names of the fields that the network reads, such as variables.
        network: Any `Network`, or a module from (batch, len(reads), *space) to the same shape.
        scale: Typical size s of the source [φ/T].
        scales: Typical size of each field that it reads; 1 by default.
        dimensions: Number of spatial dimensions.
        variable: Variable whose balance has the source; the first by default.

    Raises:
        ValueError: A scale is not positive, or scales and reads differ in length.

    Example:
        A network that returns its input, as a source in units of 0.5 per unit of time:

        >>> from datamodules.solvers import Grid
        >>> same = nn.Conv1d(1, 1, 1, bias=False)
        >>> _ = nn.init.ones_(same.weight)
        >>> source = NetworkSource(["u"], same, scale=0.5, scales=[10.0], dimensions=1)
        >>> u = torch.full((1, 4), 20.0)  # two of its typical sizes
        >>> source.assemble({"u": u}, Domain(Grid((4,), (4.0,))))(u).tolist()
        [[1.0, 1.0, 1.0, 1.0]]
    """

    def __init__(
        self,
        reads: Sequence[str],
        network: NetworkFactory | nn.Module,
        scale: float = 1.0,
        scales: Sequence[float] | None = None,
        dimensions: int = 2,
        variable: str | None = None,
    ) -> None:
        check_finite("NetworkSource", scale=scale, scales=scales)
        super().__init__(reads, variable)
        scales = [1.0] * len(reads) if scales is None else list(scales)
        if len(scales) != len(reads) or not all(value > 0 for value in (scale, *scales)):
            raise ValueError(
                f"NetworkSource needs a positive scale and one positive entry of scales for each "
                f"of {list(reads)}, got scale={scale}, scales={scales}."
            )
        self.scale, self.scales = scale, scales
        self.network = as_network(network, NetworkInterface(len(reads), dimensions))

    def assemble(self, fields: Fields, domain: Domain) -> Stencil:
        given = [
            domain.whole(fields[name]) / scale
            for name, scale in zip(self.names, self.scales, strict=True)
        ]
        batched = torch.broadcast_shapes(*(field.shape for field in given))
        single = len(batched) == domain.grid.dimensions
        state = torch.stack([field.expand(batched) for field in given], -1 - len(domain.grid.shape))
        output, _ = self.network(state.unsqueeze(0) if single else state)
        source = self.scale * output[:, 0]
        return Stencil(constant=(source[0] if single else source).to(state.dtype))
