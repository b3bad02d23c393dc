import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers import Grid, Variable
from datamodules.solvers.finite_volume import (
    Balance,
    Central,
    Closure,
    Convection,
    Decay,
    Diffusion,
    Dirichlet,
    Domain,
    Neumann,
    Periodic,
    Source,
    Stencil,
    Term,
    Walls,
)
from tests.datamodules.solvers.finite_volume.cells import TRACER, balance, line

PAIR = (Variable("gas", "gas", "mol m-3"), Variable("solid", "solid", "1"))


def reaction():
    """gas' = -k s(solid) gas, solid' = gas · r: a curve of the state, and a coupling."""
    return Balance(
        Domain(line(8)),
        PAIR,
        {
            "loss": Decay("rate", "gas"),
            "spread": Diffusion("D", variable="gas"),
            "gain": Source("growth", "solid"),
        },
        {
            "surface": Closure(("solid",), torch.sqrt),
            "rate": Closure(("k", "surface"), torch.mul),
            "growth": Closure(("gas", "rate"), torch.mul),
        },
    )


def test_only_what_is_not_computed_must_be_given():
    assert reaction().coefficients == ("D", "k")


def test_closures_couple_the_variables():
    gas, solid = torch.rand(2, 3, 8)
    state = torch.stack((gas, solid), 1)
    tendency = reaction().bind({"k": torch.tensor(2.0), "D": torch.tensor(0.0)})(state)
    rate = 2 * torch.sqrt(solid)
    assert_close(tendency, torch.stack((-rate * gas, rate * gas), 1))


def test_lagged_tendency_is_affine_and_agrees_where_it_was_lagged():
    bound = reaction().bind({"k": torch.tensor(2.0), "D": torch.tensor(0.3)})
    u, a, b = torch.rand(3, 2, 2, 8)
    frozen = bound.lagged(u)
    assert_close(frozen(u), bound(u))
    assert_close(frozen(0.25 * a + 0.75 * b), 0.25 * frozen(a) + 0.75 * frozen(b))


def test_terms_add_up():
    velocity, D, phi = torch.randn(8), torch.rand(8), torch.randn(2, 1, 8)
    both = balance(line(8), c=Convection(("u",)), d=Diffusion("D"), s=Decay("r"))
    fields = {"u": velocity, "D": D, "r": torch.tensor(0.5)}
    parts = [
        balance(line(8), one=term).bind(fields)(phi)
        for term in (Convection(("u",)), Diffusion("D"), Decay("r"))
    ]
    assert_close(both.bind(fields)(phi), sum(parts))


def test_nonlinear_and_linear_terms_share_a_sweep():
    k = balance(line(8), c=Convection(("phi",), Central(), 0.5), d=Diffusion("D"))
    phi, D = torch.randn(2, 1, 8), torch.rand(8)
    parts = balance(line(8), c=Convection(("phi",), Central(), 0.5)).bind({})(phi)
    parts = parts + balance(line(8), d=Diffusion("D")).bind({"D": D})(phi)
    assert_close(k.bind({"D": D})(phi), parts)


def test_coefficients_may_differ_between_samples():
    k = balance(line(8), d=Diffusion("D"))
    D, phi = torch.rand(3, 8), torch.randn(3, 1, 8)
    alone = torch.cat([k.bind({"D": D[n]})(phi[n : n + 1]) for n in range(3)])
    assert_close(k.bind({"D": D})(phi), alone)


def test_own_term_replaces_one_by_name():
    class Relaxation(Term):
        def assemble(self, fields, domain):
            return Stencil(diagonal=torch.tensor(-2.0))

    k = balance(line(8), d=Relaxation(()))
    phi = torch.randn(2, 1, 8)
    assert_close(k.bind({})(phi), -2 * phi)


def test_variable_without_terms_stays():
    k = Balance(Domain(line(8)), PAIR, {"d": Decay("r", "solid")})
    tendency = k.bind({"r": torch.tensor(1.0)})(torch.ones(1, 2, 8))
    assert_close(tendency, torch.tensor([[[0.0] * 8, [-1.0] * 8]]))


def test_missing_coefficient_is_named():
    with pytest.raises(ValueError, match=r"needs the coefficient 'D', got \['kappa'\]"):
        balance(line(8), d=Diffusion("D")).bind({"kappa": torch.tensor(1.0)})


def test_term_of_an_unknown_variable_is_refused():
    with pytest.raises(ValueError, match="Term 'd' belongs to variable 'psi'"):
        Balance(Domain(line(8)), TRACER, {"d": Decay("r", "psi")})


def test_closure_with_the_name_of_a_variable_is_refused():
    with pytest.raises(ValueError, match="A closure has the name 'phi' of a variable"):
        Balance(Domain(line(8)), TRACER, {}, {"phi": Closure(("r",), torch.sqrt)})


def test_boundaries_must_be_one_for_each_axis():
    with pytest.raises(ValueError, match=r"one entry for each axis, 1, got 0"):
        Domain(line(8), ())


def test_centres_lie_half_a_cell_inside():
    (x,) = Domain(Grid((4,), (2.0,))).centres((-1.0,))
    assert_close(x, torch.tensor([-0.75, -0.25, 0.25, 0.75]))


def stored(**options):
    """m gas' = ∇·(D ∇gas), m = m(solid), solid' = -r solid."""
    terms = {"spread": Diffusion("D", variable="gas"), "loss": Decay("r", "solid")}
    closures = {"m": Closure(("solid",), torch.exp)}
    return Balance(Domain(line(8)), PAIR, terms, closures, {"gas": "m"}, **options)


def test_capacity_divides_the_tendency_of_its_variable():
    given = {"D": torch.rand(8), "r": torch.tensor(0.5)}
    state = torch.rand(3, 2, 8)
    found = stored().bind(given)(state)
    plain = balance(line(8), d=Diffusion("D")).bind(given)(state[:, :1])
    assert_close(found[:, :1], plain / torch.exp(state[:, 1:]))
    assert_close(found[:, 1], -0.5 * state[:, 1])


def test_capacity_alone_makes_a_balance_nonlinear_and_is_lagged():
    bound = stored().bind({"D": torch.rand(8), "r": torch.tensor(0.5)})
    u, a = torch.rand(2, 3, 2, 8)
    assert bound.nonlinear
    frozen = bound.lagged(u)
    assert_close(frozen(u), bound(u))
    assert_close(frozen(2 * a), 2 * frozen(a))
    assert_close(frozen.matrix(0.5)(a), a + 0.5 * frozen(a))


def test_transpose_with_capacities():
    frozen = stored().bind({"D": torch.rand(8), "r": torch.tensor(0.5)}).lagged(torch.rand(1, 2, 8))
    v, w = torch.randn(2, 5, 2, 8)
    A = frozen.matrix(0.3)
    assert_close((w * A(v)).sum(), (v * A.transposed()(w)).sum())


def test_capacity_may_be_a_coefficient():
    k = Balance(Domain(line(8)), TRACER, {"s": Source("s")}, None, {"phi": "c"})
    assert k.coefficients == ("c", "s")
    found = k.bind({"c": torch.tensor(4.0), "s": torch.tensor(2.0)})(torch.rand(1, 1, 8))
    assert_close(found, torch.full((1, 1, 8), 0.5))


def test_variables_have_boundaries_of_their_own():
    walls = {"gas": (Walls(Dirichlet("outside"), Neumann()),)}
    terms = {"a": Diffusion("D", variable="gas"), "b": Diffusion("D", variable="solid")}
    k = Balance(Domain(line(8)), PAIR, terms, boundaries=walls)
    assert k.coefficients == ("D", "outside")
    given = {"D": torch.rand(8), "outside": torch.tensor(3.0)}
    state = torch.rand(2, 2, 8)
    found = k.bind(given)(state)
    for channel, ends in enumerate((walls["gas"], (Periodic(),))):
        alone = balance(line(8), ends, d=Diffusion("D")).bind(given)(state[:, channel, None])
        assert_close(found[:, channel, None], alone)


def last_cell(field):
    return field[..., -1]


def test_what_walls_read_must_be_given_and_may_move():
    walls = (Walls(Dirichlet(2.0), Neumann("slope")),)
    fixed = balance(line(8), walls, d=Diffusion("D"))
    with pytest.raises(ValueError, match="needs the coefficient 'slope', got"):
        fixed.bind({"D": torch.tensor(1.0)})
    closures = {"slope": Closure(("phi",), last_cell)}
    k = Balance(Domain(line(8), walls), TRACER, {"d": Diffusion("D")}, closures)
    bound, state = k.bind({"D": torch.tensor(1.0)}), torch.rand(1, 1, 8)
    assert bound.nonlinear
    given = {"D": torch.tensor(1.0), "slope": state[:, 0, -1]}
    assert_close(bound(state), fixed.bind(given)(state))


def test_all_fields_at_a_state_are_known_by_name():
    gas, solid = torch.rand(2, 3, 8)
    given = {"k": torch.tensor(2.0), "D": torch.tensor(0.0)}
    fields = reaction().bind(given).fields_at(torch.stack((gas, solid), 1))
    assert set(fields) == {"gas", "solid", "k", "D", "surface", "rate", "growth"}
    assert_close(fields["growth"], 2 * torch.sqrt(solid) * gas)


def test_capacity_and_boundaries_of_an_unknown_variable_are_refused():
    with pytest.raises(ValueError, match="Capacity 'm' belongs to variable 'psi'"):
        Balance(Domain(line(8)), TRACER, {}, None, {"psi": "m"})
    with pytest.raises(ValueError, match="The boundaries of 'psi' belong to variable 'psi'"):
        Balance(Domain(line(8)), TRACER, {}, boundaries={"psi": (Periodic(),)})


def test_closures_that_read_each_other_are_refused():
    closures = {"a": Closure(("b",), torch.exp), "b": Closure(("a",), torch.exp)}
    with pytest.raises(ValueError, match=r"closures \['a', 'b'\] read each other"):
        Balance(Domain(line(8)), TRACER, {"d": Diffusion("a")}, closures)


def test_order_of_closures_does_not_matter():
    parts = {"D": Closure(("r",), torch.exp), "r": Closure(("phi",), torch.sin)}
    state = torch.rand(2, 1, 8)
    found = [
        Balance(Domain(line(8)), TRACER, {"d": Diffusion("D")}, {n: parts[n] for n in names})
        .bind({})(state)
        for names in (("D", "r"), ("r", "D"))
    ]  # fmt: skip
    assert_close(found[0], found[1])
    given = {"D": state[:, 0].sin().exp()}
    assert_close(found[0], balance(line(8), d=Diffusion("D")).bind(given)(state))
