"""Im-PiNDiff for chemical vapour infiltration: hybrid, gradients, and why steps are implicit."""

import torch
from torch.testing import assert_close

from datamodules.solvers import ChemicalVapourInfiltration, Grid
from datamodules.solvers.finite_volume import SDIRK2, Closure, ExplicitEuler, ThetaScheme
from datamodules.solvers.implicit import (
    Adjoint,
    BiCGSTAB,
    BlockTridiagonal,
    ImplicitLayer,
    Picard,
    Preconditioned,
)
from datamodules.solvers.infiltration import Infiltration, overlapping_fibres
from emulators import ImPiNDiff
from emulators.context import Context
from emulators.learned import Curve
from tests.datamodules.solvers.infiltration.preforms import HOUR, SCALES

GRID = Grid((4,), (0.04,))
POINTS = torch.tensor([[1273.0, 1273.0, 1e4], [1373.0, 1323.0, 5e3]])
TOLD = ["temperature_left", "temperature_right", "pressure"]
KNOWN = {"mole_fraction": 0.15, "molar_volume": 0.0401 / 3210, "reaction_enthalpy": 0.0}


def stepper():
    exact = BlockTridiagonal()
    adjoint = Adjoint(BiCGSTAB(rtol=1e-13, preconditioner=exact))
    layer = ImplicitLayer(Preconditioned(Picard(rtol=1e-12), exact), adjoint)
    return SDIRK2(ThetaScheme(1.0, layer, scales=SCALES))


def furnace(scheme, dt=2 * HOUR):
    solver = ChemicalVapourInfiltration(GRID, scheme, dt, dt)
    return solver.at([dict(zip(TOLD, point, strict=True)) for point in POINTS.tolist()])


def emulator(learned, scheme=None):
    sizes = {"channels": 3, "dimensions": 1, "parameters": 3, "ema_decay": 0.0}
    times = {"dt": 2 * HOUR, "interval": 2 * HOUR, "unrolled_steps": 3}
    scheme = scheme or stepper()
    physics = Infiltration(GRID)
    made = ImPiNDiff(physics, learned, KNOWN, TOLD, scheme, **times, **sizes)
    mean, std = torch.tensor([0.1, 0.4, 1300.0]), torch.tensor([0.05, 0.1, 50.0])
    made.standardize.set_statistics(mean, std, torch.ones(3))
    return made


def surface(porosity):
    return overlapping_fibres(porosity, torch.tensor(0.6), torch.tensor(7e-6))


def test_hybrid_with_the_true_curve_is_the_solver():
    solver = furnace(stepper())
    learned = emulator({"surface": Closure(("open_porosity",), surface)})
    start = solver.initial_state()
    expected = solver.rollout(start, 3)
    found = learned.rollout(start, 3, POINTS)
    assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert expected[1, 2, 0, 2] < 0.9 * expected[1, 2, 0, 0]  # gas that the walls feed is used up


def test_gradcheck_of_a_rollout_of_three_steps():
    curve = Curve([0.4], [0.2], 6e4, width=3, depth=1)
    made = emulator({"surface": Closure(("open_porosity",), curve)})
    scales = torch.tensor(SCALES).view(3, 1)
    start = (furnace(stepper()).initial_state() / scales).requires_grad_()

    def end(start, *parameters):
        state, memory = start * scales, None
        for _ in range(3):
            state, memory = made.step(state, memory, Context(POINTS))
        return state / scales

    inputs = (start, *made.trained.parameters())
    assert torch.autograd.gradcheck(end, inputs, eps=1e-5, atol=1e-6, rtol=1e-5, fast_mode=True)


def test_explicit_steps_diverge_where_implicit_ones_hold():
    start = furnace(stepper()).initial_state()
    learned = {"surface": Closure(("open_porosity",), surface)}
    found = emulator(learned).rollout(start, 2, POINTS)
    assert ((found[:, :, 1] > 0) & (found[:, :, 1] < 0.6)).all()
    assert (found[:, :, 0] <= 1.001 * start[:, None, 0].amax()).all()
    explicit = emulator(learned, ExplicitEuler()).rollout(start, 2, POINTS)
    assert not (explicit[:, 1].abs() < 1e9).all()
