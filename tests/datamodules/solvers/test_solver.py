import math

import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers import BetaPlane, GaussianField, Grid, SpectralSolver, Wave
from datamodules.solvers.pseudo_spectral.vorticity import energy

GRID = Grid((16, 16), (2 * math.pi, 2 * math.pi))


def solver(dt=0.02, interval=0.1, grid=GRID):
    equation = BetaPlane(grid, beta=5.0, drag=0.1, viscosity=0.01, forcing=(Wave(4.0, 4),))
    return SpectralSolver(equation, dt, interval)


def states(batch, grid=GRID):
    field, generator = GaussianField(3.0), torch.Generator().manual_seed(5)
    return torch.stack([field.sample(grid, 1, generator) for _ in range(batch)])


def test_rollout_is_repeated_step():
    state = states(2)
    rollout = solver().rollout(state, 3)
    for lead in range(3):
        state = solver().step(state)
        assert_close(rollout[:, lead], state)


def test_trajectories_do_not_interact():
    state = states(3)
    assert_close(solver().step(state)[1:2], solver().step(state[1:2]))


def test_parts_that_fit_the_cache_give_what_the_whole_batch_gives(monkeypatch):
    state = states(5)
    whole = solver().step(state)
    monkeypatch.setattr("datamodules.solvers.cpu.CACHE_NUMBERS", 2 * 16 * 9)
    assert_close(solver().step(state), whole)


def test_unresolved_modes_are_projected_out():
    y, x = GRID.points()
    # 2/3 rule on 16 points keeps modes up to 5
    noise = torch.cos(6 * x) + torch.cos(7 * y)
    assert_close(solver().step(states(1) + noise), solver().step(states(1)))


def test_single_precision_follows_float_and_double_restores_the_dtype():
    single, double = solver().float(), solver()
    result = single.step(states(1).float())
    assert result.dtype == torch.float32
    assert_close(result.double(), double.step(states(1)), rtol=1e-4, atol=1e-4)
    assert single.double().step(states(1)).dtype == torch.float64


def test_to_dtype_keeps_the_imaginary_parts():
    cast = solver().to(torch.float32)
    assert cast.equation.velocity_symbol.dtype == torch.complex64
    assert cast.equation.velocity_symbol.imag.abs().max() > 0


def test_golden_energy_after_100_steps():
    # Guards against unintended change of the numbers; says nothing about their truth.
    state = solver().rollout(states(1), 20)[:, -1]
    assert_close(energy(state, GRID).item(), GOLDEN, rtol=1e-6, atol=0)


GOLDEN = 0.42881029694540257


@pytest.mark.parametrize(
    ("dt", "interval", "message"),
    [
        (0.03, 0.1, "must be a whole number of dt, got interval=0.1 and dt=0.03"),
        (0.0, 0.1, "dt and interval above 0, got dt=0.0"),
        (0.2, 0.1, "must be a whole number of dt"),
    ],
)
def test_interval_that_is_no_multiple_of_dt_is_refused(dt, interval, message):
    with pytest.raises(ValueError, match=message):
        solver(dt, interval)
