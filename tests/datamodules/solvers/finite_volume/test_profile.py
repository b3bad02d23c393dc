import math

import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers import Grid
from datamodules.solvers.finite_volume import (
    Diffusion,
    Domain,
    FiniteVolumeSolver,
    InterpolatedNoise,
    Source,
    Waves,
)
from tests.datamodules.solvers.finite_volume.cells import balance

DOMAIN = Domain(Grid((8, 16), (1.0, 2.0)))


def test_waves_are_the_formula():
    waves = Waves(4, 3, seed=1, speed=0.5, low=2.0, high=5.0)
    (k, p, w), (l, q, w2), (a, _, _) = waves.draws(2)
    assert k.max() <= 2
    assert l.max() <= 2
    y, x = DOMAIN.centres()
    t, g = 0.3, torch.zeros(8, 16)
    for i in range(4):
        along = 2 * math.pi * (k[i] * x + w[i] * 0.5 * t) + p[i]
        across = 2 * math.pi * (l[i] * y + w2[i] * 0.5 * t) + q[i]
        g = g + a[i] * torch.sin(along + across)
    expected = 2 + 3 * (g - g.min()) / (g.max() - g.min())
    assert_close(waves.field(DOMAIN, t), expected)


def test_draws_have_their_ranges():
    (k, p, w), (_, _, _), (a, _, _) = Waves(2000, 4, seed=0).draws(2)
    assert set(k.tolist()) == {0, 1, 2, 3}
    for values, low, high in ((p, 0, 4), (w, -1, 1), (a, -2, 2)):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high


def test_steady_waves_do_not_move_and_a_floor_holds():
    steady = Waves(4, 3, seed=1)
    assert steady.steady
    assert not Waves(4, 3, seed=1, speed=0.1).steady
    assert_close(steady.field(DOMAIN, 0.7), steady.field(DOMAIN, 0.0))
    raised = Waves(4, 3, seed=1, high=1e-2, floor=1e-3).field(DOMAIN, 0.0)
    assert_close(raised, (1e-2 * steady.field(DOMAIN, 0.0)).clamp(min=1e-3))


class Clock(Waves):
    """c(x, t) = t."""

    def field(self, domain, time):
        return torch.full(domain.grid.shape, float(time))


def test_solver_knows_the_time():
    # φ_t = t from 0.2 to 0.7: ½ (0.49 - 0.04), exact for RK4
    source = balance(DOMAIN.grid, s=Source("s"), d=Diffusion("D"))
    clock = Clock(1, 2, 0, speed=1.0)
    solver = FiniteVolumeSolver(source, {"s": clock, "D": 1.0}, 0.1, 0.5)
    state = torch.zeros(1, 1, 8, 16)
    assert_close(solver.step_at(state, 0.2), state + 0.225)
    assert_close(solver.rollout(state, 2)[:, 1], state + 0.5)  # ½ 1²


def test_interpolated_noise_is_the_gaussian_process_mean():
    noise = InterpolatedNoise((3, 5), 0.4, 0.4)
    field = noise.sample(DOMAIN.grid, 1, torch.Generator().manual_seed(0))[0]
    draws = torch.Generator().manual_seed(0)
    torch.rand((), generator=draws)
    values = torch.rand((1, 3, 5), generator=draws)[0].flatten()
    nodes = torch.cartesian_prod(torch.linspace(0, 1, 3), torch.linspace(0, 2, 5))
    cells = torch.stack(DOMAIN.centres(), -1).view(-1, 2)

    def kernel(a, b):
        return torch.exp(-(torch.cdist(a, b) ** 2) / (2 * 0.4**2))

    weights = torch.linalg.solve(kernel(nodes, nodes) + 1e-10 * torch.eye(15), values)
    mean = (kernel(cells, nodes) @ weights).view(8, 16)
    assert_close(field, (mean - mean.min()) / (mean.max() - mean.min()), rtol=1e-6, atol=1e-8)


def test_each_state_draws_its_length():
    draws = torch.Generator().manual_seed(0)
    noise = InterpolatedNoise((10, 30), 0.1, 1.0)
    states = [noise.sample(Grid((32, 64), (1.0, 2.0)), 1, draws) for _ in range(6)]
    steepness = [state.diff(dim=-1).abs().mean().item() for state in states]
    assert max(steepness) > 1.5 * min(steepness)
    assert all((state.min(), state.max()) == (0, 1) for state in states)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Waves(0, 2, 0), "waves of at least 1"),
        (lambda: Waves(1, 1, 0), "modes of at least 2"),
        (lambda: Waves(1, 2, 0, low=1.0), "low < high"),
        (lambda: Waves(1, 2, 0, floor=2.0), "a floor between them"),
        (lambda: InterpolatedNoise((1, 3)), "lattices of at least 2"),
        (lambda: InterpolatedNoise(shortest=0.5), "0 < shortest <= longest"),
        (
            lambda: InterpolatedNoise((3,)).sample(DOMAIN.grid, 1, torch.Generator()),
            "one entry for each axis, 2",
        ),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
