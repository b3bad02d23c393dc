import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers import Grid
from datamodules.solvers.finite_volume import Dirichlet, Neumann, ThetaScheme, Walls
from datamodules.solvers.implicit import (
    Adjoint,
    BiCGSTAB,
    BlockTridiagonal,
    FullUnrolling,
    ImplicitLayer,
    Monitor,
    NewtonKrylov,
    OuterUnrolling,
    Preconditioned,
)
from datamodules.solvers.implicit.residual import derivative, products, transpose
from tests.datamodules.solvers.implicit.steps import fields, rollout, tracer
from tests.datamodules.solvers.infiltration.preforms import SCALES, at_rest, given


def stencil(shape, channels, batch=2):
    """A dense matrix for each sample that couples all channels of nearest cells, as a map."""
    places = torch.cartesian_prod(*(torch.arange(n) for n in shape)).view(-1, len(shape))
    near = (places[:, None] - places).abs().sum(-1) <= 1
    size = channels * len(places)
    A = torch.randn(batch, size, size) * near.repeat(channels, channels)
    A = A + 5 * channels * torch.eye(size)
    return A, lambda v: (A @ v.flatten(1).unsqueeze(-1)).view_as(v)


@pytest.mark.parametrize("shape", [(7,), (5, 9), (9, 5), (4, 4), (1, 6), (6, 1)], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_inverse_of_a_stencil_is_exact(shape, channels):
    A, product = stencil(shape, channels)
    b = torch.randn(2, channels, *shape)
    x = BlockTridiagonal().build(product, b)(b)
    exact = torch.linalg.solve(A, b.flatten(1).unsqueeze(-1)).view_as(b)
    assert_close(x, exact, rtol=1e-9, atol=1e-9)


def test_vector_without_channels_is_one_channel():
    A, product = stencil((6,), 1)
    b = torch.randn(2, 6)
    exact = torch.linalg.solve(A, b.unsqueeze(-1)).squeeze(-1)
    assert_close(BlockTridiagonal().build(product, b)(b), exact)


def test_singular_block_leaves_numbers():
    b = torch.randn(2, 1, 6)
    found = BlockTridiagonal().build(lambda v: 0 * v, b)(b)
    assert_close(found, b)


def test_krylov_needs_one_iteration():
    _, product = stencil((5, 9), 3)
    b = torch.randn(2, 3, 5, 9)
    solver = BiCGSTAB(rtol=1e-10, preconditioner=BlockTridiagonal())
    x, info = solver.solve(product, b)
    assert_close(product(x), b, rtol=1e-8, atol=1e-8)
    assert info.iterations.max() <= 1


def test_periodic_ends_cost_iterations_and_not_accuracy():
    state, *values = fields(Grid((6, 8), (1.0, 2.0)), requires_grad=False)
    layer = ImplicitLayer(NewtonKrylov(BiCGSTAB(1e-10, preconditioner=BlockTridiagonal()), 1e-10))
    plain = ImplicitLayer(NewtonKrylov(BiCGSTAB(1e-10), 1e-10))
    k = tracer(Grid((6, 8), (1.0, 2.0)))
    found, exact = (
        rollout(ThetaScheme(0.5, solver), k, state, ("u", "v", "D"), values)
        for solver in (layer, plain)
    )
    assert_close(found, exact, rtol=1e-8, atol=1e-8)


def stiff(z, x):
    """Two equations of rates 10⁸ and 1, the fast one curved: its root follows the slow one."""
    fast, slow = z.unbind(1)
    return torch.stack((1e8 * (fast - slow**2), slow - x[:, 1] - 0.1 * fast), 1)


def test_equations_of_different_stiffness_are_solved_to_digits_of_z():
    x = torch.rand(3, 2, 4)
    layer = ImplicitLayer(Preconditioned(NewtonKrylov(rtol=1e-10), BlockTridiagonal()))
    layer.monitor = Monitor()
    z, info = layer(stiff, torch.zeros_like(x), x)
    fast, slow = z.unbind(1)
    assert_close(fast, slow**2, rtol=1e-9, atol=1e-9)
    assert_close(slow, x[:, 1] + 0.1 * fast, rtol=1e-9, atol=1e-9)
    assert info.iterations.max() <= 5


def test_preconditioned_equations_have_the_gradient_of_the_plain_ones():
    found = []
    newton = NewtonKrylov(BiCGSTAB(rtol=1e-13), rtol=1e-13)
    exact = Preconditioned(newton, BlockTridiagonal())
    for solver, gradient in (
        (newton, Adjoint(BiCGSTAB(rtol=1e-13))),
        (exact, Adjoint(BiCGSTAB(rtol=1e-13))),
        (exact, FullUnrolling()),
        (exact, OuterUnrolling()),
    ):
        x = torch.linspace(0.1, 0.9, 16).view(2, 2, 4).requires_grad_()
        layer = ImplicitLayer(solver, gradient)
        z, _ = layer(lambda z, x: z - 0.3 * torch.cos(z) - x, x, x)
        found.append(torch.autograd.grad(z.square().sum(), x)[0])
    for other in found[1:]:
        assert_close(other, found[0], rtol=1e-9, atol=1e-11)


def test_walls_are_no_neighbours_of_each_other():
    from datamodules.solvers.finite_volume import Diffusion
    from tests.datamodules.solvers.finite_volume.cells import balance, line

    k = balance(line(6), (Walls(Dirichlet(1.0), Neumann(0.5)),), d=Diffusion("D"))
    K = k.bind({"D": torch.tensor(2.0)}).lagged(torch.zeros(1, 1, 6))
    b, A = torch.randn(1, 1, 6), K.matrix(-1.0)
    assert_close(A(BlockTridiagonal().build(A, b)(b)), b)


def infiltrated(k, state, values, steps, names):
    exact = BlockTridiagonal()
    layer = ImplicitLayer(
        Preconditioned(NewtonKrylov(BiCGSTAB(1e-6), rtol=1e-13), exact),
        Adjoint(BiCGSTAB(rtol=1e-12, preconditioner=exact)),
    )
    scheme = ThetaScheme(1.0, layer, scales=SCALES)
    return rollout(scheme, k, state, names, values, steps, dt=1800.0)


def test_gradcheck_of_three_steps_of_infiltration():
    """By state, pressure, wall temperature and map of fibre radii, each in its own unit."""
    from datamodules.solvers.infiltration import Infiltration

    k = Infiltration(Grid((4, 4), (0.02, 0.04)))
    c = given(temperature_left=1323.0, temperature_right=1223.0, reaction_enthalpy=-1e5)
    start = at_rest(k, c, 0.5) / torch.tensor(SCALES).view(3, 1, 1)

    def final(start, pressure, left, radius):
        own = {"pressure": 1e4 * pressure, "temperature_left": 1000 * left}
        values = {**c, **own, "fibre_radius": 7e-6 * radius}
        scale = torch.tensor(SCALES).view(3, 1, 1)
        return infiltrated(k, start * scale, values.values(), 3, values) / scale

    inputs = (start, torch.tensor(1.0), torch.tensor(1.3), 1 + 0.1 * torch.rand(4, 4))
    inputs = tuple(t.clone().requires_grad_() for t in inputs)
    assert torch.autograd.gradcheck(final, inputs, eps=1e-6, atol=1e-6, rtol=1e-4, fast_mode=True)


def test_several_products_with_a_jacobian_are_those_one_by_one():
    z, vectors = torch.rand(2, 3), torch.randn(4, 2, 3)
    _, product = derivative(lambda z: z**3 + z.roll(1, -1), z)
    expected = 3 * z**2 * vectors + vectors.roll(1, -1)
    assert_close(products(product, vectors), expected)
    assert_close(products(transpose(lambda z: z**3, z), vectors), 3 * z**2 * vectors)
    assert_close(products(lambda v: 2 * v, vectors), 2 * vectors)
