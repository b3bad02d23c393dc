import pytest
import torch
from torch.testing import assert_close

from datamodules.solvers.finite_volume import ThetaScheme
from datamodules.solvers.implicit import (
    Adjoint,
    BiCGSTAB,
    FullUnrolling,
    ImplicitLayer,
    Monitor,
    NewtonKrylov,
    NoCheckpointing,
    SegmentCheckpointing,
)
from tests.datamodules.solvers.implicit.measures import LiveBytes, saved_bytes
from tests.datamodules.solvers.implicit.steps import burgers, fields, linear, rollout, tracer

NAMES = ("u", "v", "D")


def training(checkpointing, steps, scheme, keep=None):
    state, *values = fields()
    coefficients = dict(zip(NAMES, values, strict=True))
    k = tracer()

    def step(state, number):
        return scheme.step(k, state, lambda t: coefficients, 0.05 * number, 0.05)

    states = checkpointing.rollout(step, state, steps, keep)
    return states, (state, *values)


SCHEME = linear(Adjoint(BiCGSTAB(rtol=1e-12)))


@pytest.mark.parametrize(
    "checkpointing", [SegmentCheckpointing(), SegmentCheckpointing(1), SegmentCheckpointing(4)]
)
@pytest.mark.parametrize("keep", [None, (3, 7)])
def test_checkpoints_change_no_gradient(checkpointing, keep):
    results = []
    for way in (NoCheckpointing(), checkpointing):
        states, values = training(way, 7, SCHEME, keep)
        results.append([states, *torch.autograd.grad(states.square().sum(), values)])
    for found, expected in zip(*results, strict=True):
        assert_close(found, expected, rtol=0, atol=0)


def test_checkpoints_compute_no_nonlinear_step_more_than_twice():
    # the graphs of Newton's products are the solver's own: no checkpoint may let go of them
    results = []
    for way, most in ((NoCheckpointing(), 4), (SegmentCheckpointing(), 8)):
        state, _, _, D = fields()
        layer = ImplicitLayer(NewtonKrylov(rtol=1e-10), Adjoint(BiCGSTAB(rtol=1e-12)))
        layer.monitor = Monitor()
        step = ThetaScheme(0.5, layer).prepared(burgers(), {"D": D}, 0.05)
        states = way.rollout(lambda state, number, step=step: step(state), state, 4)
        results.append([states, *torch.autograd.grad(states.square().sum(), (state, D))])
        assert len(layer.monitor.forward) <= most
    for found, expected in zip(*results, strict=True):
        assert_close(found, expected, rtol=0, atol=0)


def test_rollout_returns_the_states_asked_for_in_order_of_time():
    state, *values = fields(requires_grad=False)
    every, _ = training(NoCheckpointing(), 5, SCHEME)
    some, _ = training(SegmentCheckpointing(), 5, SCHEME, keep=(5, 2, 2))
    assert every.shape[1] == 5
    assert_close(some, every[:, [1, 4]])
    assert_close(every[:, -1], rollout(SCHEME, tracer(), state, NAMES, values, 5))


@pytest.mark.parametrize(
    ("length", "steps", "expected"),
    [(None, 16, [4] * 4), (None, 10, [4, 4, 2]), (None, 1, [1]), (3, 7, [3, 3, 1]), (1, 2, [1, 1])],
)
def test_segments(length, steps, expected):
    assert SegmentCheckpointing(length).segments(steps) == expected


def peak(checkpointing, steps, scheme):
    live = LiveBytes()
    with live:
        states, values = training(checkpointing, steps, scheme, keep=(steps,))
        torch.autograd.grad(states.square().sum(), values)
    return live.peak


def test_memory_of_segments_grows_with_the_root_of_the_steps():
    # unrolled steps keep much: 36 steps against 9 cost 4 times as much, in segments 2 times
    scheme = linear(FullUnrolling(), rtol=1e-2)
    base = peak(NoCheckpointing(), 1, scheme)
    whole = [peak(NoCheckpointing(), n, scheme) - base for n in (9, 36)]
    parts = [peak(SegmentCheckpointing(), n, scheme) - base for n in (9, 36)]
    assert 3.5 < whole[1] / whole[0] < 4.5
    assert 1.5 < parts[1] / parts[0] < 2.7
    assert parts[1] < 0.35 * whole[1]


def saved(gradient, rtol, steps=8):
    scheme = linear(gradient, rtol)
    with saved_bytes() as total:
        states, _ = training(NoCheckpointing(), steps, scheme, keep=(steps,))
        states.square().sum()
    return int(total)


def test_adjoint_saves_the_same_whatever_the_iterations():
    counts = [saved(Adjoint(), rtol) for rtol in (1e-2, 1e-6, 1e-12)]
    assert max(counts) == min(counts)
    # about one state a step: the state is 2 · 24 doubles
    grown = saved(Adjoint(), 1e-6, steps=18) - saved(Adjoint(), 1e-6, steps=8)
    assert grown < 10 * (2 * 24 * 8) * 1.1


def test_unrolled_saves_in_proportion_to_the_iterations():
    from datamodules.solvers.implicit import Monitor

    sizes, iterations = [], []
    for limit in (2, 4, 8):
        linear_solver = BiCGSTAB(rtol=1e-14, max_iterations=limit)
        scheme = linear(FullUnrolling(), on_failure="mask")
        scheme.layer.solver.linear = linear_solver
        scheme.layer.monitor = Monitor()
        with saved_bytes() as total:
            states, _ = training(NoCheckpointing(), 4, scheme, keep=(4,))
        sizes.append(int(total))
        iterations.append(scheme.layer.monitor.summary()["forward/iterations_mean"])
    slopes = [(sizes[n + 1] - sizes[n]) / (iterations[n + 1] - iterations[n]) for n in (0, 1)]
    assert slopes[0] > 0
    assert_close(slopes[1], slopes[0], rtol=0.1, atol=0)
    assert sizes[2] > 2 * sizes[0]


@pytest.mark.parametrize("keep", [(), (0,), (4,)])
def test_states_outside_the_rollout_are_refused(keep):
    with pytest.raises(ValueError, match=r"must lie in 1\.\.3, the steps of the rollout, got"):
        NoCheckpointing().rollout(lambda state, n: state, torch.zeros(1), 3, keep)


def test_bad_length_is_refused():
    with pytest.raises(
        ValueError, match=r"SegmentCheckpointing\.length must be at least 1 step, got 0"
    ):
        SegmentCheckpointing(0)
