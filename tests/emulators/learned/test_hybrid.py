import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from datamodules.solvers import Grid
from datamodules.solvers.finite_volume import (
    Balance,
    Closure,
    Convection,
    Decay,
    Diffusion,
    Domain,
    Source,
    Waves,
)
from emulators.learned import Curve, Hybrid, LearnedField, NetworkSource, NeuralField
from tests.datamodules.solvers.finite_volume.cells import TRACER, balance

GRID = Grid((4, 6), (1.0, 2.0))


class Ramp(LearnedField):
    """c = slope · t."""

    def __init__(self, names=("D",), steady=False):
        super().__init__(names, steady)
        self.slope = nn.Parameter(torch.tensor(2.0))

    def forward(self, points, times):
        field = (self.slope * times).view(-1, 1, 1).expand(-1, *points.shape[:-1])
        return dict.fromkeys(self.names, field)


def tracer():
    return balance(GRID, c=Convection(("v", "u")), d=Diffusion("D"))


def state(batch=3):
    return 1 + torch.rand(batch, 1, 4, 6)


def tendency(hybrid, state):
    times = torch.zeros(len(state))
    given = {**hybrid.steady(state), **hybrid.moving(state, times)}
    return hybrid.balance.bind(given)(state)


def test_learned_field_takes_the_place_of_a_coefficient_at_the_time_of_each_sample():
    hybrid = Hybrid(tracer(), {"diffusion": Ramp()}, {"u": 0.5, "v": 0.0})
    times = torch.tensor([0.1, 0.2, 0.1])
    u = state()
    given = {**hybrid.steady(u), **hybrid.moving(u, times)}
    assert given["D"].shape == (3, 4, 6)
    assert_close(given["D"][:, 0, 0], torch.tensor([0.2, 0.4, 0.2]))
    for k, D in enumerate((0.2, 0.4, 0.2)):
        known = {"u": torch.tensor(0.5), "v": torch.tensor(0.0), "D": torch.tensor(D)}
        alone = tracer().bind(known)(u[k : k + 1])
        assert_close(hybrid.balance.bind(given)(u)[k : k + 1], alone)


def test_known_profiles_and_told_parameters_are_coefficients():
    waves = Waves(3, 2, seed=0)
    hybrid = Hybrid(tracer(), {"w": Ramp(("v",))}, {"u": waves}, conditioned_on=["D"])
    given = hybrid.steady(state(), torch.tensor([[0.1], [0.2], [0.3]]))
    assert_close(given["u"], waves.field(hybrid.balance.domain, 0.0))
    assert_close(given["D"].flatten(), torch.tensor([0.1, 0.2, 0.3]))
    assert hybrid.physical_parameters == 1


def test_learned_closure_takes_the_place_of_a_coefficient():
    # -r φ with r = exp(φ): a curve of the state where a number was
    physics = balance(GRID, decay=Decay("r"))
    hybrid = Hybrid(physics, {"r": Closure(("phi",), torch.exp)})
    u = state()
    assert_close(tendency(hybrid, u), -torch.exp(u) * u)


def test_learned_closure_feeds_a_known_one():
    # D = 3 r, r known by its number or learned as a function of the state: φ' = -∇·(u φ) + ∇·(D ∇φ)
    terms = {"c": Convection(("v", "u")), "d": Diffusion("D")}
    known = Balance(Domain(GRID), TRACER, terms, {"D": Closure(("r",), lambda r: 3 * r)})
    flow = {"u": 0.5, "v": 0.0}
    hybrid = Hybrid(known, {"r": Closure(("phi",), lambda phi: phi**2)}, flow)
    u = state()
    tendency = hybrid.balance.bind(hybrid.steady(u))
    assert tendency.nonlinear
    given = {"u": torch.tensor(0.5), "v": torch.tensor(0.0), "D": 3 * u[:, 0] ** 2}
    assert_close(tendency(u), tracer().bind(given)(u))
    steady = Hybrid(known, {"r": Closure(("s",), torch.exp)}, {**flow, "s": 0.2})
    given["D"] = 3 * torch.full_like(u[:, 0], math.exp(0.2))
    assert_close(steady.balance.bind(steady.steady(u))(u), tracer().bind(given)(u))


def test_learned_term_takes_the_place_of_a_term_or_is_added():
    physics = balance(GRID, decay=Decay("r"))
    identity = NetworkSource(["phi"], nn.Identity(), scale=3.0, scales=[2.0])
    u = state()
    added = Hybrid(physics, {"missing": identity}, {"r": 0.5})
    assert_close(tendency(added, u), -0.5 * u + 1.5 * u)
    assert_close(tendency(Hybrid(physics, {"decay": identity}), u), 1.5 * u)


def test_source_of_several_fields():
    class Product(nn.Module):
        def forward(self, x):
            return x[:, :1] * x[:, 1:] * torch.ones(1, 2, 1, 1)

    source = NetworkSource(["phi", "c"], Product())
    hybrid = Hybrid(balance(GRID, s=source, w=Source("c")), {}, {"c": 0.25})
    u = state()
    assert_close(tendency(hybrid, u), 0.25 * u + 0.25)


def test_curve_is_a_perceptron_of_standardised_quantities():
    curve = Curve([1.0, 0.0], [2.0, 4.0], scale=3.0, width=5, depth=1)
    a, b = torch.rand(2, 6), torch.rand(2, 6)
    first, last = curve.layers
    hidden = torch.tanh(first(torch.stack(((a - 1) / 2, b / 4), -1)))
    expected = 3 * torch.log1p(torch.exp(last(hidden))).squeeze(-1)
    assert_close(curve(a, b), expected)


def test_origin_moves_the_points_of_the_field():
    field = NeuralField(["D"], width=4)
    points = Hybrid(tracer(), {"D": field}, {"u": 1.0, "v": 0.0}, origin=(0.0, -1.0)).points
    y, x = points.unbind(-1)
    assert_close(y[0, 0], torch.tensor(0.125))  # half of 1/4
    assert_close(x[0, 0], torch.tensor(-1 + 1 / 6))


KNOWN = {"u": 1.0, "v": 0.0}


@pytest.mark.parametrize(
    ("learned", "known", "message"),
    [
        ({}, KNOWN, "needs the coefficient 'D', which is neither known nor learned"),
        ({"f": Ramp()}, {**KNOWN, "D": 1.0}, "'D' is given twice"),
        ({"f": Ramp(("D", "E"))}, KNOWN, r"'E' is given, but the physics needs \['D', 'u', 'v'\]"),
        ({"k": Closure(("phi",), torch.exp)}, KNOWN, "Nothing reads the learned closure 'k'"),
    ],
)
def test_names_that_do_not_fit_are_refused(learned, known, message):
    with pytest.raises(ValueError, match=message):
        Hybrid(tracer(), learned, known)


def test_another_grid_is_refused():
    hybrid = Hybrid(tracer(), {"D": Ramp()}, KNOWN)
    with pytest.raises(ValueError, match=r"on a grid of \(4, 6\), the data on \(8, 6\)"):
        hybrid.check((8, 6))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Curve([1.0], [1.0, 2.0]), "one entry for each quantity"),
        (lambda: Curve([1.0], [0.0]), "must be positive"),
        (lambda: Curve(width=0), "at least 1, got width=0"),
        (lambda: Curve()(torch.ones(2), torch.ones(2)), "made for 1 quantities, its closure reads"),
        (lambda: NetworkSource(["phi"], nn.Identity(), scales=[]), "one positive entry of scales"),
        (lambda: NetworkSource(["phi"], nn.Identity(), scale=-math.pi), "positive scale"),
    ],
)
def test_bad_parts_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
