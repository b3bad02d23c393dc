import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers import Grid
from datamodules.solvers.finite_volume import (
    Central,
    Convection,
    Decay,
    Diffusion,
    Dirichlet,
    DonorCell,
    Neumann,
    Periodic,
    Source,
    Upwind,
    Walls,
    arithmetic,
    harmonic,
)
from tests.datamodules.solvers.finite_volume.cells import (
    balance,
    line,
    matrix,
    rectangle,
    written_out,
)

WALLS = (Walls(Dirichlet(0.7), Neumann(-0.4)), Periodic())


def order(errors):
    """log2 of the error's fall when the cells are halved."""
    coarse, fine = errors
    return math.log2(coarse / fine)


@pytest.mark.parametrize(("scheme", "expected"), [(Upwind(), 1), (DonorCell(), 1), (Central(), 2)])
def test_convection_order_on_a_manufactured_flow(scheme, expected):
    # φ = 2 + sin x cos y, u = 1 + cos(x)/2, v = -sin y: both signs of v, in the plane (2π, 2π)
    errors = []
    for cells in (32, 64):
        grid = Grid((cells, cells), (2 * math.pi, 2 * math.pi))
        k = balance(grid, convection=Convection(("v", "u"), scheme))
        y, x = k.domain.centres()
        phi = 2 + torch.sin(x) * torch.cos(y)
        u, v = 1 + 0.5 * torch.cos(x), -torch.sin(y)
        tendency = k.bind({"u": u, "v": v})(phi[None, None])[0, 0]
        exact = -(
            u * torch.cos(x) * torch.cos(y)
            - 0.5 * torch.sin(x) * phi
            + v * -torch.sin(x) * torch.sin(y)
            - torch.cos(y) * phi
        )
        errors.append((tendency - exact).abs().mean())
    assert expected - 0.25 < order(errors) < expected + 0.5


@pytest.mark.parametrize("mean", [arithmetic, harmonic])
def test_diffusion_order_on_a_manufactured_field(mean):
    # φ = sin x cos 2y, D = 2 + cos x: ∇·(D∇φ) = -5 D φ - sin x cos x cos 2y
    errors = []
    for cells in (32, 64):
        k = balance(rectangle(cells, cells), diffusion=Diffusion("D", mean))
        y, x = k.domain.centres()
        # the rectangle is (2π, π): use 2x for a period of π
        D = 2 + torch.cos(2 * x)
        phi = torch.sin(2 * x) * torch.cos(2 * y)
        exact = -8 * D * phi - 4 * torch.sin(2 * x) * torch.cos(2 * x) * torch.cos(2 * y)
        tendency = k.bind({"D": D})(phi[None, None])[0, 0]
        errors.append((tendency - exact).abs().mean())
    assert 1.75 < order(errors) < 2.5


@pytest.mark.parametrize("boundaries", [None, WALLS], ids=["periodic", "walls"])
def test_tendency_equals_the_formulas_written_out(boundaries):
    grid = rectangle(6, 8)
    k = balance(grid, boundaries, convection=Convection(("v", "u")), diffusion=Diffusion("D"))
    phi, u, v = torch.randn(3, 6, 8)
    D = torch.rand(6, 8)
    tendency = k.bind({"u": u, "v": v, "D": D})(phi[None, None])[0, 0]
    dy, dx = 2 * math.pi / 6, math.pi / 8
    walls = {} if boundaries is None else {"inflow": 0.7, "slope": -0.4}
    expected = written_out(phi.numpy(), u.numpy(), v.numpy(), D.numpy(), dy, dx, **walls)
    assert_close(tendency, torch.from_numpy(expected))


def test_walls_along_x_are_those_along_y_turned():
    phi, u, v = torch.randn(3, 8, 8)
    D = torch.rand(8, 8)
    grid = Grid((8, 8), (1.0, 1.0))
    terms = {"convection": Convection(("v", "u")), "diffusion": Diffusion("D")}
    upright = balance(grid, WALLS, **terms).bind({"u": u, "v": v, "D": D})(phi[None, None])
    turned = balance(grid, WALLS[::-1], **terms).bind({"u": v.T, "v": u.T, "D": D.T})
    assert_close(turned(phi.T[None, None]), upright.mT)


@pytest.mark.parametrize("boundaries", [None, WALLS], ids=["periodic", "walls"])
def test_rows_and_their_transpose_are_those_of_the_dense_matrix(boundaries):
    k = balance(
        rectangle(4, 6), boundaries, c=Convection(("v", "u")), d=Diffusion("D"), r=Decay("r")
    )
    fields = {name: torch.rand(4, 6) for name in ("u", "v", "D", "r")}
    bound = k.bind(fields)
    A, _ = matrix(bound, (4, 6))
    expected = np.eye(24) + 0.3 * A
    rows = bound.lagged(torch.zeros(1, 1, 4, 6)).matrix(0.3)
    for map_, dense in ((rows, expected), (rows.transposed(), expected.T)):
        found, _ = matrix(map_, (4, 6))
        np.testing.assert_allclose(found, dense, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scheme", [Upwind(), DonorCell(), Central()])
def test_periodic_fluxes_conserve_the_total(scheme):
    k = balance(
        rectangle(6, 8), convection=Convection(("v", "u"), scheme), diffusion=Diffusion("D")
    )
    fields = {"u": torch.randn(6, 8), "v": torch.randn(6, 8), "D": torch.rand(6, 8)}
    tendency = k.bind(fields)(torch.randn(2, 1, 6, 8))
    assert_close(tendency.sum((-1, -2)), torch.zeros(2, 1), rtol=0, atol=1e-12)


def test_insulated_box_conserves_the_total():
    walls = Walls(Neumann(), Neumann())
    k = balance(rectangle(6, 8), (walls, walls), diffusion=Diffusion("D"))
    tendency = k.bind({"D": torch.rand(6, 8)})(torch.randn(2, 1, 6, 8))
    assert_close(tendency.sum((-1, -2)), torch.zeros(2, 1), rtol=0, atol=1e-12)


def test_positive_velocity_carries_upwards():
    # u = 1, h = 2π/8: upwind of a unit in cell 3 leaves it and enters cell 4
    k = balance(line(8), convection=Convection(("u",)))
    phi = torch.zeros(1, 1, 8)
    phi[..., 3] = 1
    h = 2 * math.pi / 8
    expected = torch.tensor([0, 0, 0, -1 / h, 1 / h, 0, 0, 0])[None, None]
    assert_close(k.bind({"u": torch.tensor(1.0)})(phi), expected)


def test_diffusion_damps_a_wave_at_the_discrete_rate():
    # cos 2x has eigenvalue -4 D sin²(h)/h² with k h/2 = h
    k = balance(line(16), diffusion=Diffusion("D"))
    (x,) = k.domain.centres()
    h = 2 * math.pi / 16
    wave = torch.cos(2 * x)[None, None]
    rate = -4 * 0.3 * math.sin(h) ** 2 / h**2
    assert_close(k.bind({"D": torch.tensor(0.3)})(wave), rate * wave)


def test_burgers_flux_is_half_the_square():
    k = balance(line(8), convection=Convection(("phi",), Central(), factor=0.5))
    u = torch.randn(8)
    h = 2 * math.pi / 8
    expected = -0.5 * (np.roll(u, -1) ** 2 - np.roll(u, 1) ** 2) / (2 * h)
    assert_close(k.bind({})(u[None, None])[0, 0], torch.as_tensor(expected))


def test_decay_and_source():
    k = balance(line(8), decay=Decay("r"), source=Source("s"))
    phi, s = torch.randn(8), torch.randn(8)
    tendency = k.bind({"r": torch.tensor(3.0), "s": s})(phi[None, None])
    assert_close(tendency[0, 0], -3 * phi + s)


@pytest.mark.parametrize(("scheme", "expected"), [(Upwind(), 1), (Central(), 2)])
def test_boundary_layer_between_two_walls(scheme, expected):
    # u φ' = D φ'' with φ(0) = 1, φ(1) = 3: φ = 1 + 2 (e^{Px} - 1)/(e^P - 1), P = u/D = 4
    errors = []
    for cells in (32, 64):
        walls = (Walls(Dirichlet(1.0), Dirichlet(3.0)),)
        k = balance(line(cells, 1.0), walls, c=Convection(("u",), scheme), d=Diffusion("D"))
        bound = k.bind({"u": torch.tensor(2.0), "D": torch.tensor(0.5)})
        A, constant = matrix(bound, (cells,))
        (x,) = k.domain.centres()
        exact = 1 + 2 * (torch.exp(4 * x) - 1) / (math.exp(4) - 1)
        errors.append(np.abs(np.linalg.solve(A, -constant) - exact.numpy()).mean())
    assert expected - 0.25 < order(errors) < expected + 0.5


def test_slope_at_a_wall_is_along_the_outward_normal():
    # φ'' = 0 with φ' = 2 at both ends: outward slopes -2 and +2; φ = 2x is steady
    walls = (Walls(Neumann(-2.0), Neumann(2.0)),)
    k = balance(line(8, 1.0), walls, diffusion=Diffusion("D"))
    (x,) = k.domain.centres()
    tendency = k.bind({"D": torch.tensor(0.5)})(2 * x[None, None])
    assert_close(tendency, torch.zeros(1, 1, 8), rtol=0, atol=1e-12)


def test_wall_values_may_be_coefficients_that_vary_along_the_wall():
    walls = (Walls(Dirichlet("g"), Dirichlet("g")), Periodic())
    k = balance(rectangle(6, 8), walls, diffusion=Diffusion("D"))
    g = torch.randn(8)
    # a field that equals g(x) everywhere has no flux through the walls
    inner = balance(rectangle(6, 8), (Walls(Neumann(), Neumann()), Periodic()), d=Diffusion("D"))
    D = {"D": torch.tensor(0.2)}
    phi = g.expand(1, 1, 6, 8)
    assert_close(k.bind({**D, "g": g})(phi), inner.bind(D)(phi))


def test_harmonic_mean_blocks_a_face_beside_an_insulator():
    zero, one = torch.zeros(3), torch.ones(3)
    assert_close(harmonic(zero, one), zero)
    assert_close(harmonic(zero, zero), zero)
    assert_close(harmonic(one, 3 * one), 1.5 * one)


@pytest.mark.parametrize("bad", [-0.1, float("nan")])
def test_negative_diffusivity_is_refused(bad):
    k = balance(line(8), diffusion=Diffusion("kappa"))
    with pytest.raises(ValueError, match=r"The diffusivity 'kappa' must not be negative, got"):
        k.bind({"kappa": torch.linspace(1, bad, 8)})


def test_velocity_needs_a_component_for_each_axis():
    k = balance(rectangle(6, 8), convection=Convection(("u",)))
    with pytest.raises(ValueError, match=r"one component for each axis, 2, got \('u',\)"):
        k.bind({"u": torch.tensor(1.0)})
