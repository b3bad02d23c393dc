"""Feature-wise linear modulation (FiLM) by the physical parameters of a trajectory.

A small perceptron of the standardised parameters p gives each modulated layer a scale and a shift
per channel,

    h ← (1 + γ(p)) h + β(p).

Its last layer starts at zero, so that training starts from the network without conditioning.

Reference: Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI 2018,
https://arxiv.org/abs/1709.07871.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from emulators.networks.batches import sequential
from emulators.networks.layers import SiLU

HIDDEN = 64


class Perceptron(nn.Module):
    """Perceptron of two hidden layers of 64 features, whose output starts at zero.

    It works in the precision of its weights: bfloat16 does not resolve differences below 0.4 %.

    Args:
        parameters: Number of physical parameters.
        outputs: Number of outputs.
    """

    def __init__(self, parameters: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(parameters, HIDDEN),
            SiLU(),
            nn.Linear(HIDDEN, HIDDEN),
            SiLU(),
            nn.Linear(HIDDEN, outputs),
        )
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(
        self, parameters: Float[Tensor, "batch parameter"]
    ) -> Float[Tensor, "batch output"]:
        with torch.autocast(parameters.device.type, enabled=False):
            return sequential(self.layers, parameters.to(self.layers[0].weight.dtype))


class FiLM(nn.Module):
    """Scales and shifts of the features of several layers, from physical parameters (FiLM).

    Args:
        parameters: Number of physical parameters.
        widths: Number of channels of each modulated layer.
    """

    def __init__(self, parameters: int, widths: list[int]) -> None:
        super().__init__()
        self.sizes = [2 * width for width in widths]
        self.perceptron = Perceptron(parameters, sum(self.sizes))

    def forward(
        self, parameters: Float[Tensor, "batch parameter"]
    ) -> tuple[Float[Tensor, "batch _"], ...]:
        """Return, per layer, its scales γ followed by its shifts β."""
        return self.perceptron(parameters).split(self.sizes, dim=1)
