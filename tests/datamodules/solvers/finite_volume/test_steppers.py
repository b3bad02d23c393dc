import math

import pytest
import torch
from torch.testing import assert_close

from datamodules.files.provenance import describe
from datamodules.solvers import Variable
from datamodules.solvers.finite_volume import (
    RK4,
    Central,
    Convection,
    Decay,
    Diffusion,
    ExplicitEuler,
    FiniteVolumeSolver,
    RandomField,
    Source,
)
from tests.datamodules.solvers.finite_volume.cells import balance, line

STEPPERS = [ExplicitEuler(), RK4()]


def integrate(stepper, k, state, coefficients, dt, time):
    for n in range(round(time / dt)):
        state = stepper.step(k, state, coefficients, n * dt, dt)
    return state


@pytest.mark.parametrize("stepper", STEPPERS)
def test_measured_order_with_coefficients_in_time(stepper):
    # φ' = -t φ + sin t, and Burgers' nonlinearity; the exact solution by a step 64 times smaller
    k = balance(line(8), c=Convection(("phi",), Central(), 0.5), r=Decay("t"), s=Source("s"))
    (x,) = k.domain.centres()

    def at(t):
        return {"t": torch.tensor(t), "s": torch.tensor(math.sin(t))}

    start = torch.sin(x)[None, None]
    exact = integrate(RK4(), k, start, at, 1 / 128, 1.0)
    coarse, fine = (
        (integrate(stepper, k, start, at, dt, 1.0) - exact).norm() for dt in (0.1, 0.05)
    )
    assert stepper.order - 0.25 < math.log2(coarse / fine) < stepper.order + 0.5


@pytest.mark.parametrize("stepper", STEPPERS)
def test_one_step_is_the_taylor_polynomial_of_the_exponential(stepper):
    # φ' = -φ with dt = 0.3: 1 - z (+ z²/2 - z³/6 + z⁴/24)
    k, z = balance(line(8), r=Decay("r")), 0.3
    terms = [(-z) ** n / math.factorial(n) for n in range(stepper.order + 1)]
    state = torch.ones(1, 1, 8)
    result = stepper.step(k, state, lambda t: {"r": torch.tensor(1.0)}, 0.0, z)
    assert_close(result, sum(terms) * state)


def solver(dt=0.01, interval=0.05, **values):
    k = balance(line(16), d=Diffusion("D"))
    return FiniteVolumeSolver(k, values or {"D": 0.3}, dt, interval)


def test_solver_steps_by_one_interval():
    (x,) = solver().balance.domain.centres()
    h = 2 * math.pi / 16
    rate = 4 * 0.3 * math.sin(h / 2) ** 2 / h**2
    state = torch.cos(x)[None, None]
    expected = torch.stack([math.exp(-rate * n * 0.05) * state for n in (1, 2, 3)], 1)
    assert_close(solver().rollout(state, 3), expected, rtol=1e-9, atol=1e-9)  # order 4


def test_solver_in_single_precision():
    assert solver().float().step(torch.ones(1, 1, 16, dtype=torch.float32)).dtype == torch.float32


def test_solver_is_described_by_what_determines_its_data():
    description = describe(solver())
    assert description["balance"]["terms"] == {
        "d": {"class": "Diffusion", "diffusivity": "D", "mean": {"class": "arithmetic"}}
        | {"variable": None}
    }
    assert description["coefficients"] == {"D": 0.3}
    assert description["stepper"] == {"class": "RK4"}
    other = FiniteVolumeSolver(balance(line(16), c=Convection(("u",))), {"u": 0.3}, 0.01, 0.05)
    assert describe(other)["balance"]["terms"]["c"]["scheme"] == {"class": "Upwind"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dt": 0.0}, "needs dt and interval above 0, got dt=0.0"),
        ({"dt": 0.03}, r"whole number of dt, got interval=0.05 and dt=0.03 \(1.66667 steps\)"),
        ({"kappa": 1.0}, r"must give 'D', got \['kappa'\]"),
    ],
)
def test_bad_solver_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        solver(**options)


def test_solver_at_operating_points_steps_each_trajectory_by_its_own():
    state = torch.randn(2, 1, 16)
    together = solver().at([{"D": 0.1}, {"D": 0.4}]).step(state)
    for n, D in enumerate((0.1, 0.4)):
        assert_close(solver(D=D).step(state[n : n + 1]), together[n : n + 1])


def test_parameters_of_trajectories_are_numbers_with_units():
    k = balance(line(16), c=Convection(("u",)), d=Diffusion("D"))
    numbers = {"u": RandomField(0.0, 1.0, 2.0), "D": 0.3}
    found = FiniteVolumeSolver(k, numbers, 0.01, 0.05, units={"D": "m2 s-1"})
    assert found.parameters_of_trajectories == (Variable("D", "D", "m2 s-1"),)
    assert solver().parameters_of_trajectories == (Variable("D", "D", "1"),)
    with pytest.raises(ValueError, match=r"has no parameter 'u' that may differ .* only D"):
        found.at([{"u": 1.0}])


def test_solver_without_an_initial_state_says_so():
    with pytest.raises(ValueError, match="FiniteVolumeSolver has no initial state of its own; set"):
        solver().initial_state()


def test_coefficient_may_be_a_field():
    field = RandomField(0.1, 0.4, 1.0, seed=2)
    k = balance(line(16), d=Diffusion("D"))
    found = FiniteVolumeSolver(k, {"D": field}, 0.01, 0.05)
    plain = FiniteVolumeSolver(k, {"D": field.field(k.domain)}, 0.01, 0.05)
    state = torch.randn(2, 1, 16)
    assert_close(found.step(state), plain.step(state))
    described = {"class": "RandomField", "low": 0.1, "high": 0.4, "length": 1.0, "seed": 2}
    assert describe(found)["coefficients"] == {"D": described}
