"""Im-PiNDiff: what it must do as an emulator, and that its physics and gradients are right."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from datamodules.solvers.finite_volume import RK4, ExplicitEuler, ThetaScheme
from datamodules.solvers.implicit import (
    Adjoint,
    Affine,
    BiCGSTAB,
    FullUnrolling,
    ImplicitLayer,
    SegmentCheckpointing,
)
from emulators import L1, L2, ImPiNDiff
from emulators.context import Context
from emulators.learned import LearnedField, NeuralField
from emulators.rollout import RolloutState
from tests.datamodules.solvers.implicit.steps import GRID, fields, rollout, tracer


class Free(LearnedField):
    """A free number in each cell: c = c_0 (1 + rate t)."""

    def __init__(self, rate=0.0, **values):
        super().__init__(list(values), steady=rate == 0)
        self.rate = rate
        self.values = nn.ParameterDict({k: nn.Parameter(v.clone()) for k, v in values.items()})

    def forward(self, points, times):
        growth = (1 + self.rate * times).view(-1, 1, 1)
        return {name: growth * value for name, value in self.values.items()}


def tight(gradient=None):
    return ThetaScheme(0.5, ImplicitLayer(Affine(BiCGSTAB(rtol=1e-13)), gradient))


def build(stepper=None, rate=0.0, **options):
    torch.manual_seed(0)
    _, u, v, D = (value.detach() for value in fields())
    options = {"dt": 0.05, "interval": 0.1, "unrolled_steps": 2, "ema_decay": 0.0, **options}
    velocity = Free(rate, u=u, v=v)
    learned = {"velocity": velocity, "D": Free(D=D)}
    return ImPiNDiff(tracer(), learned, stepper=stepper or tight(), **options)


def window(batch=2, snapshots=3):
    return 1 + torch.rand(batch, snapshots, 1, *GRID.shape)


def test_step_is_the_solver_where_the_learned_fields_are_the_true_ones():
    state, u, v, D = (value.detach() for value in fields())
    for stepper in (tight(), RK4(), ExplicitEuler()):
        expected = rollout(stepper, tracer(), state, ("u", "v", "D"), (u, v, D), steps=2)
        assert_close(build(stepper).step(state)[0], expected)


def test_rollout_is_repeated_step():
    emulator, state, memory = build(rate=3.0).eval(), fields()[0].detach(), None
    forecast, context = emulator.rollout(state, 3), Context(time=torch.zeros(2))
    for lead in range(3):
        state, memory = emulator.step(state, memory, context)
        context = context.after(emulator.interval)
        assert_close(forecast[:, lead], state)


def test_coefficients_are_those_of_the_time_of_each_rollout():
    # φ_t = -∇·(v φ) + ..., v ∝ 1 + 3 t: a rollout that starts later is in a faster flow
    emulator, state = build(ExplicitEuler(), rate=3.0).eval(), fields()[0].detach()
    _, u, v, D = (value.detach() for value in fields())
    times = torch.tensor([0.0, 0.7])
    forecast = emulator.rollout(state, 2, times=times)
    for k, start in enumerate(times.tolist()):
        one = state[k : k + 1]
        for n in range(4):
            growth = 1 + 3 * (start + 0.05 * n)
            given = {"u": growth * u, "v": growth * v, "D": D}
            one = ExplicitEuler().step(tracer(), one, lambda t, given=given: given, 0.0, 0.05)
            if n == 1:
                assert_close(forecast[k : k + 1, 0], one)
        assert_close(forecast[k : k + 1, 1], one)


def test_a_window_knows_its_start():
    emulator, states = build(rate=3.0), window()
    late = emulator.loss(states, Context(time=torch.tensor([0.7, 0.7])))
    assert (late - emulator.loss(states)).abs() > 1e-6
    emulator.eval()
    forecast = emulator.rollout(states[:, 0], 2, times=torch.tensor([0.7, 0.7]))
    assert_close(late, (forecast - states[:, 1:]).square().mean())


def test_time_goes_with_its_trajectory_when_others_are_left_out():
    emulator, state = build(rate=3.0).eval(), fields()[0].detach()
    context = Context(time=torch.tensor([0.0, 0.7]))
    state, memory = emulator.step(state, None, context)
    whole = RolloutState(1, state, memory, context.after(0.1), torch.arange(2))
    part = whole.choose(torch.tensor([False, True]))
    steps = [emulator.step(one.state, one.memory, one.context)[0] for one in (part, whole)]
    assert_close(steps[0], steps[1][1:])


def test_loss_is_the_standardised_mean_square_at_every_snapshot():
    emulator, states = build(), window()
    one = torch.ones(1)
    emulator.standardize.set_statistics(3 * one, 2 * one, one)
    forecast = emulator.rollout(states[:, 0], 2)
    assert_close(emulator.loss(states), ((forecast - states[:, 1:]) / 2).square().mean())


@pytest.mark.parametrize("distance", [None, L1()])
def test_values_that_were_not_observed_do_not_enter(distance):
    emulator = build(**({} if distance is None else {"distance": distance}))
    states = window()
    seen = torch.rand(2, 2, 1, *GRID.shape) < 0.3
    seen[:, 0] = seen[0, 0]
    states[:, 1:][~seen] = math.nan
    forecast = emulator.rollout(states[:, 0], 2)
    error = (forecast - states[:, 1:])[seen]
    expected = error.square().mean() if distance is None else error.abs().mean()
    loss = emulator.loss(states)
    assert_close(loss, expected)
    parameters = list(emulator.trained.parameters())
    for found, wanted in zip(
        torch.autograd.grad(loss, parameters),
        torch.autograd.grad(expected, parameters),
        strict=True,
    ):
        assert_close(found, wanted)
        assert torch.isfinite(found).all()


@pytest.mark.parametrize("distance", [L1, L2])
def test_loss_is_a_weighted_mean_over_what_was_observed(distance):
    emulator, states = build(distance=distance()), window()
    weights = 1 + torch.arange(GRID.shape[0]).double()[:, None].expand(1, *GRID.shape)
    emulator.distance.set_weights(weights / weights.mean())
    states[0, 1, 0, : GRID.shape[0] // 2] = math.nan  # rows of small weight
    states[:, 2, 0, 0] = math.nan
    forecast = emulator.rollout(states[:, 0], 2)
    seen = states[:, 1:].isfinite()
    error = (forecast - states[:, 1:])[seen]
    point = error.abs() if distance is L1 else error.square()
    own = weights.expand_as(seen)[seen]
    assert_close(emulator.loss(states), (point * own).sum() / own.sum(), rtol=1e-6, atol=0)


def test_rollout_of_training_ends_at_the_last_observation():
    emulator, states = build(), window()
    states[:, 2:] = math.nan
    emulator.loss(states)
    assert len(emulator.monitor.forward) == 2  # one interval of two steps


def test_adjoint_gradient_is_that_of_the_unrolled_iteration():
    states, found = window(), []
    for gradient in (Adjoint(BiCGSTAB(rtol=1e-13)), FullUnrolling()):
        emulator = build(tight(gradient), rate=1.0)
        emulator.loss(states).backward()
        found.append([p.grad for p in emulator.trained.parameters()])
    for adjoint, unrolled in zip(*found, strict=True):
        assert_close(adjoint, unrolled, rtol=1e-10, atol=1e-14)


def test_checkpoints_do_not_change_the_gradient():
    states, found = window(), []
    for checkpointing in (None, SegmentCheckpointing(1), SegmentCheckpointing()):
        emulator = build(checkpointing=checkpointing, rate=1.0)
        emulator.loss(states).backward()
        found.append([p.grad for p in emulator.trained.parameters()])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert_close(a, b)


def test_gradient_is_that_of_finite_differences():
    emulator, states = build(rate=1.0), window()
    loss = emulator.loss(states)
    velocity = emulator.hybrid.fields["velocity"].values["u"]
    (gradient,) = torch.autograd.grad(loss, velocity)
    direction, eps = torch.randn(*velocity.shape), 1e-6
    with torch.no_grad():
        velocity += eps * direction
        up = emulator.loss(states)
        velocity -= 2 * eps * direction
        down = emulator.loss(states)
    assert_close((gradient * direction).sum(), (up - down) / (2 * eps), rtol=1e-6, atol=1e-9)


def test_regularisation_is_the_mean_square_of_the_trained_numbers():
    states = window()
    numbers = torch.cat([p.detach().flatten() for p in build().trained.parameters()])
    difference = build(regularization=0.5).loss(states) - build().loss(states)
    assert_close(difference, 0.5 * numbers.square().mean())


def test_evaluation_uses_the_averaged_parts():
    emulator = build(ema_decay=0.9)
    for parameter in emulator.averaged.parameters():
        parameter.data += 0.1
    state = fields()[0].detach()
    moved = emulator.eval().step(state)[0]
    assert (moved - emulator.train().step(state)[0]).abs().max() > 1e-4
    chosen = {id(p) for p in emulator.parameters() if p.requires_grad}
    assert chosen == {id(p) for p in emulator.trained.parameters()}


def test_told_parameters_are_coefficients_in_their_units():
    _, u, v, _ = (value.detach() for value in fields())
    learned = {"velocity": Free(u=u, v=v)}
    emulator = ImPiNDiff(
        tracer(), learned, conditioned_on=["D"], parameters=1, stepper=tight(), dt=0.01
    )
    emulator.conditioning.mean.fill_(0.3)
    emulator.conditioning.std.fill_(0.1)
    state, D = fields()[0].detach(), torch.tensor([[0.02], [0.4]])
    forecast = emulator.eval().rollout(state, 1, D)
    for k in range(2):
        expected = rollout(
            tight(), tracer(), state[k : k + 1], ("u", "v", "D"), (u, v, D[k, 0]), 1, 0.01
        )
        assert_close(forecast[k : k + 1, 0], expected)


@pytest.mark.slow
def test_neural_field_learns_a_uniform_velocity():
    truth = build(RK4(), ema_decay=0.0)
    states = torch.cat((fields()[0].detach()[:, None],) * 3, 1)
    with torch.no_grad():
        for values in truth.hybrid.fields["velocity"].values.values():
            values.fill_(0.5)
        states[:, 1:] = truth.rollout(states[:, 0], 2)
    known = Free(D=fields()[3].detach())
    learned = {"velocity": NeuralField(["u", "v"], width=8), "D": known}
    emulator = ImPiNDiff(tracer(), learned, stepper=RK4(), dt=0.05, interval=0.1, unrolled_steps=2)
    known.requires_grad_(False)
    optimizer = torch.optim.Adam(emulator.trained.parameters(), 3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        loss = emulator.loss(states)
        loss.backward()
        optimizer.step()
    found = emulator.hybrid.latent(torch.zeros(1))
    assert loss < 1e-6
    assert (found["u"] - 0.5).abs().mean() < 0.05


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dt": 0.0}, "dt and interval above 0, got dt=0.0"),
        ({"dt": 0.03}, r"no step would hit the snapshots; change model.dt"),
        ({"unrolled_steps": 0}, "steps of at least 1"),
        ({"channels": 2}, r"The physics has 1 variables \(phi\), the data 2"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_windows_without_start_or_observation_are_refused():
    emulator, states = build(), window()
    with pytest.raises(ValueError, match="needs windows of at least 3 snapshots"):
        emulator.loss(states[:, :2])
    states[:, 1:] = math.nan
    with pytest.raises(ValueError, match="whole initial state and a value of the 2"):
        emulator.loss(states)
    states = window()
    states[0, 0, 0, 0, 0] = math.nan
    with pytest.raises(ValueError, match="hold its whole initial state"):
        emulator.loss(states)
