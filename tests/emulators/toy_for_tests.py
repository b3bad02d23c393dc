"""The toy system u_{n+1} = a u_n, a parameter a per trajectory, and the emulators that know it."""

import torch

from emulators import Baseline, Bundled, Hierarchical, Pushforward, Unrolled
from emulators.networks.interface import Network, coarsen

MEAN, STD = 0.9, 0.2  # of the parameter, in the emulators' buffers


class Multiply(Network):
    """The exact step, and exact latents of all later ones."""

    def __init__(self, interface):
        super().__init__()
        self.factors = interface.latent_outputs
        self.physical_parameters = interface.parameters
        self.one = torch.nn.Parameter(torch.ones(()))

    def forward(self, state, latents=(), mask_id=None, parameters=None):
        a = self.one * (MEAN + STD * parameters[..., None])
        later = [coarsen(a ** (k + 2) * state, r) for k, r in enumerate(self.factors)]
        return a * state, tuple(later)


BUILD = {
    "Baseline": Baseline,
    "Pushforward": Pushforward,
    "Unrolled": Unrolled,
    "Bundled": lambda **options: Bundled(bundle=3, **options),
    "Hierarchical": lambda **options: Hierarchical(latents=[(1, 2), (2, 4)], **options),
}


def emulator(name="Baseline", network=Multiply, **options):
    torch.manual_seed(0)
    model = BUILD[name](network=network, dimensions=1, parameters=1, **options)
    model.conditioning.mean.fill_(MEAN)
    model.conditioning.std.fill_(STD)
    return model


def states(batch=4):
    return torch.randn(batch, 1, 8, generator=torch.Generator().manual_seed(0))


def factors():
    return torch.tensor([[0.5], [0.8], [1.01], [1.2]])


def powers(a, steps):
    return torch.stack([a**lead for lead in range(1, steps + 1)], dim=1)[..., None]
