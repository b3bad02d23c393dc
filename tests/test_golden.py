"""Numbers that must not change unless a commit says why: they guard everything."""

import math

import pytest
import torch

from datamodules.solvers import BetaPlane, GaussianField, Grid, SpectralSolver, Wave
from datamodules.solvers.pseudo_spectral.vorticity import energy
from emulators import Baseline, Hierarchical, UNet

GRID = Grid((32, 32), (2 * math.pi, 2 * math.pi))


def initial_state():
    generator = torch.Generator().manual_seed(0)
    return GaussianField(5.0, wavenumber=6.0, width=3.0).sample(GRID, 1, generator)[None]


def network(interface):
    unet = UNet(interface, width=4, multipliers=(1, 2))
    generator = torch.Generator().manual_seed(1)
    for parameter in unet.parameters():  # whatever the library draws at the start
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator).double()
    return unet


def test_energy_of_the_flow_after_a_hundred_steps():
    forcing = (Wave(4.0, mode_x=4), Wave(4.0, mode_y=4))
    solver = SpectralSolver(BetaPlane(GRID, 20.0, 0.1, 1 / 600, forcing), 0.01, 1.0)
    state = next(solver.unroll(initial_state()))
    assert energy(state, GRID).item() == pytest.approx(0.590195596, rel=1e-6)


@pytest.mark.parametrize(
    ("emulator", "wanted"),
    [
        (lambda: Baseline(network=network), 6.86266622),
        (lambda: Hierarchical(network=network, latents=[(1, 4), (2, 8)]), 2.51490975),
    ],
    ids=["baseline", "hierarchical"],
)
def test_last_state_of_a_rollout(emulator, wanted):
    rollout = emulator().eval().rollout(initial_state(), 10)
    assert rollout[0, -1].std().item() == pytest.approx(wanted, rel=1e-6)
