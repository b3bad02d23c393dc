"""A deep equilibrium network learns a field that reaches further than its kernel.

The target is the steady state of diffusion with decay on a ring, y - κ (y_left - 2 y + y_right)/2 =
x, in which every cell feels every other. One convolution over three cells sees its neighbours only;
its equilibrium z = f(z, x) sees the whole ring, at the memory of one convolution.

    python examples/deep_equilibrium.py [--epochs 200]
"""

import argparse

import torch
from torch import Tensor, nn

from datamodules.solvers.implicit import ImplicitLayer, Monitor, NewtonKrylov

CELLS, KAPPA = 64, 10.0


class Cell(nn.Module):
    """F(z, x) = z - f(z, x), with f(z, x) = w * z + a x and a kernel w of three cells."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular", bias=False)
        self.gain = nn.Parameter(torch.tensor(0.5))
        nn.init.constant_(self.conv.weight, 0.1)

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        # the sum of the weights' sizes stays below 1: the iteration contracts, a root exists
        kernel = self.conv.weight / self.conv.weight.abs().sum().clamp(min=1.001)
        sum_ = nn.functional.conv1d(nn.functional.pad(z, (1, 1), "circular"), kernel)
        return z - sum_ - self.gain * x


class DeepEquilibrium(nn.Module):
    """z with z = f(z, x) (Bai, Kolter and Koltun, NeurIPS 2019), at the memory of one layer.

    Args:
        cell: Module that returns z - f(z, x); without dropout or other noise.
        layer: Solver and gradient.
    """

    def __init__(self, cell: nn.Module, layer: ImplicitLayer) -> None:
        super().__init__()
        self.cell = cell
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        z, _ = self.layer(self.cell, torch.zeros_like(x), x)
        return z


def steady_state(x: Tensor) -> Tensor:
    """Return y of the equation above, by Fourier transform."""
    k = 2 * torch.pi * torch.fft.rfftfreq(CELLS, dtype=x.dtype)
    return torch.fft.irfft(torch.fft.rfft(x) / (1 + KAPPA * (1 - torch.cos(k))), n=CELLS)


def main(epochs: int = 200) -> float:
    """Train, and return the relative error on new fields."""
    torch.manual_seed(0)
    model = DeepEquilibrium(Cell(), ImplicitLayer(NewtonKrylov(rtol=1e-5)))
    model.layer.monitor = monitor = Monitor()
    optimizer = torch.optim.Adam(model.parameters(), 3e-2)
    for epoch in range(epochs):
        x = torch.randn(16, 1, CELLS)
        loss = (model(x) - steady_state(x)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if epoch % 50 == 0 or epoch == epochs - 1:
            iterations = monitor.summary()["forward/iterations_mean"]
            print(f"epoch {epoch:4d}  loss {loss.item():.2e}  iterations {iterations:.1f}")
        monitor.clear()
    with torch.no_grad():
        x = torch.randn(16, 1, CELLS)
        y = steady_state(x)
        error = ((model(x) - y).norm() / y.norm()).item()
    print(f"relative error on new fields: {100 * error:.2f} %")
    return error


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=200)
    main(parser.parse_args().epochs)
