"""Programs of all families of emulators agree with them, for any number of states."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from datamodules import DataDescription
from datamodules.solvers import Grid, Variable
from datamodules.solvers.finite_volume import RK4, Balance, Diffusion, Domain, ThetaScheme
from emulators import (
    FNO,
    Baseline,
    Bundled,
    ConservedMean,
    Context,
    DataModes,
    DilatedResNet,
    DivergenceFree,
    FixedBoundary,
    FourierUNet,
    FromModule,
    Hierarchical,
    HierarchicalPushforward,
    ImPiNDiff,
    Pushforward,
    UNet,
)
from emulators.exporting.given_inputs import Draws
from emulators.exporting.program import StepProgram, graph_modules
from emulators.learned import NeuralField

TINY = partial(DilatedResNet, width=4, blocks=1, dilations=(1,))
OPTIONS = {"network": TINY, "dimensions": 1}
SMALL = {"network": partial(UNet, width=4, multipliers=(1, 2)), "dimensions": 1}
LATENTS = {"latents": [(1, 2), (2, 4)]}
LINE = (16,)


def trained(emulator):
    """Return an emulator whose weights and statistics are those that training might have given."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in emulator.trained.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    if emulator.averaged is not None:
        emulator.averaged.load_state_dict(emulator.trained.state_dict())
    one = torch.ones(emulator.channels)
    emulator.standardize.set_statistics(2.0 * one, 3.0 * one, 0.5 * one)
    return emulator.eval()


def diffusion(stepper):
    tracer, domain = Variable("u", "tracer", "1"), Domain(Grid(LINE, (1.0,)))
    physics = Balance(domain, (tracer,), {"diffusion": Diffusion("D")})
    learned = {"D": NeuralField(["D"], dimensions=1, scale=1e-3)}
    return ImPiNDiff(physics, learned, stepper=stepper, dt=0.05, interval=0.1, dimensions=1)


FAMILIES = {
    "baseline": lambda: Baseline(**SMALL),
    "pushforward": lambda: Pushforward(predict="increment", **OPTIONS),
    "part of a bundle": lambda: Bundled(bundle=3, advance=2, **OPTIONS),
    "hierarchical pushforward": lambda: HierarchicalPushforward(**LATENTS, **OPTIONS),
    "stochastic, conditioned, with a history": lambda: Hierarchical(
        latents=[(-1, 1), (1, 4)], noise_fields=[2], noise_numbers=1, parameters=2, **OPTIONS
    ),
    "input fields": lambda: Bundled(bundle=2, static=1, forcing=2, **OPTIONS),
}
LARGER = {
    "bundled": lambda: Bundled(bundle=3, **OPTIONS),
    "history": lambda: Hierarchical(latents=[(-2, 1), (-1, 1), (1, 4)], **OPTIONS),
    "hierarchical": lambda: Hierarchical(**LATENTS, **SMALL),
    "stochastic U-Net": lambda: Baseline(noise_fields=[2], noise_numbers=3, **SMALL),
    "conditioned U-Net": lambda: Hierarchical(latents=[(1, 2)], parameters=2, **SMALL),
    "two dimensions": lambda: Hierarchical(latents=[(1, 2)], network=SMALL["network"]),
    "FNO": lambda: Hierarchical(
        network=partial(FNO, width=4, modes=4, layers=1), dimensions=1, **LATENTS
    ),
    "Fourier U-Net": lambda: Hierarchical(
        network=partial(FourierUNet, size=16, width=4, multipliers=(1, 2)), latents=[(1, 2)]
    ),
}
INPUTS = {
    # of a cold start, of a step without its history, and of a regular one
    "stochastic, conditioned, with a history": {"parameters": (2,), "noise": (3 * (8 + 1),)},
    "input fields": {"static": (1, 16), "forcing": (3, 2, 16)},
    "stochastic U-Net": {"noise": (8 + 3,)},
    "conditioned U-Net": {"parameters": (2,)},
}
FORMS = {"bundled": 4, "part of a bundle": 3, "history": 3, "input fields": 3}


@pytest.mark.parametrize(
    "name", [*FAMILIES, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGER)]
)
def test_program_agrees_with_its_emulator(name, single_precision):
    emulator = trained((FAMILIES | LARGER)[name]())
    shape = LINE * emulator.dimensions
    step = StepProgram(emulator, shape)
    assert step.largest_difference(12) < 1e-5
    assert {n: one.shape[1:] for n, one in step.inputs.items()} == INPUTS.get(name, {})
    hierarchical = 2 if isinstance(emulator, Hierarchical) else 1
    assert len(step.forms.forms) == FORMS.get(name, hierarchical)
    run = step.loaded
    for batch in (1, 5):
        inputs = {n: one[:1].expand(batch, *one.shape[1:]) for n, one in step.inputs.items()}
        state, memory = run(
            step.state[:1].repeat(batch, *[1] * (1 + len(shape))), step.forms.start(batch), **inputs
        )
        assert state.shape == (batch, 1, *shape)
        state, _ = run(state, memory, **inputs)
        assert_close(state, state[:1].expand_as(state))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["baseline", "bundled", "hierarchical"])
def test_thousand_steps_of_a_unet_agree(name, single_precision):
    step = StepProgram(trained((FAMILIES | LARGER)[name]()), LINE)
    assert step.largest_difference(1000) < 1e-5


@pytest.mark.parametrize("name", ["pushforward", pytest.param("history", marks=pytest.mark.slow)])
def test_free_forecast_of_a_thousand_steps_agrees(name):
    # the difference of a free forecast grows with the instabilities of the emulator: in 64 bits
    # enough digits are left
    emulator = trained((FAMILIES | LARGER)[name]())
    step = StepProgram(emulator, LINE)
    state, memory, unrolled = step.state, step.forms.start(3), emulator.unroll(step.state)
    assert state.dtype == torch.float64
    with torch.no_grad():
        for _ in range(1000):
            wanted = next(unrolled)
            state, memory = step.loaded(state, memory)
    assert torch.isfinite(wanted).all()
    assert float((state - wanted).abs().max() / wanted.abs().max()) < 1e-5


def test_averaged_weights_are_exported_and_the_emulator_stays_as_it_is():
    emulator = trained(Baseline(**OPTIONS)).train()
    for parameter in emulator.trained.parameters():
        parameter.data.fill_(7.0)
    step = StepProgram(emulator, LINE)
    assert emulator.training
    assert emulator.averaged is not None
    state, _ = step.loaded(step.state, ())
    assert_close(state, emulator.eval().step(step.state)[0])


def test_constraints_are_inside_the_program():
    emulator = trained(Baseline(project=[DataModes()], **OPTIONS))
    emulator.projection[0].occupied = torch.arange(9)[None] < 4
    step = StepProgram(emulator, LINE)
    state, _ = step.loaded(torch.randn(2, 1, *LINE), ())
    assert_close(torch.fft.rfft(state)[..., 4:], torch.zeros(2, 1, 5, dtype=torch.complex128))
    assert step.largest_difference(3) < 1e-12


def square_flow():
    """Return velocities on 8 x 8 points, u = sin(y) and v = cos(2x), and what they lie on."""
    grid = Grid((8, 8), (2 * torch.pi,) * 2)
    y, x = grid.points()
    fields = [Variable(name, "velocity", "m s-1") for name in ("u", "v")]
    data = DataDescription.on_grid(fields, grid, interval=1.0)
    return torch.stack([y.sin() + 0 * x, (2 * x).cos() + 0 * y])[None], data


def divergence_of(u):
    k = torch.fft.fftfreq(8, 1 / 8)
    k[4] = 0  # counts as constant
    spectrum = torch.fft.fft2(u.double())
    return float((k * spectrum[:, 0] + k[:, None] * spectrum[:, 1]).abs().max() / 64)


def change_of_mean(u, before):
    return float((u - before).double().mean((2, 3)).abs().max())


def change_at_edge(u, before):
    return float((u - before)[..., 0, :].abs().max())


@pytest.mark.parametrize(
    ("constraint", "deviation"),
    [
        (DivergenceFree(), lambda u, before: divergence_of(u)),
        (ConservedMean(), change_of_mean),
        (FixedBoundary(), change_at_edge),
    ],
)
def test_each_learned_constraint_is_inside_the_program(constraint, deviation):
    emulators = [
        trained(Baseline(channels=2, network=TINY, project=project))
        for project in (None, [constraint])
    ]
    flow, data = square_flow()
    (learned,) = emulators[1].projection
    if isinstance(learned, FixedBoundary):
        data = DataDescription.on_grid(data.fields, data.grid, 1.0, periodic=(False, True))
    learned.learn([flow.float()], data, emulators[1].standardize)
    states = torch.randn(2, 2, 8, 8)
    bound = deviation(StepProgram(emulators[1], (8, 8)).loaded(states, ())[0], states)
    free = deviation(emulators[0].step(states)[0], states)
    assert free > 1e-2
    assert bound < 1e-5


def test_masked_points_keep_their_values():
    emulator = trained(Baseline(masked=True, **OPTIONS))
    mask = torch.ones(1, *LINE, dtype=torch.bool)
    mask[0, 3] = False
    emulator.standardize.set_mask(mask)
    emulator.input_fields.set_mask(mask)
    step = StepProgram(emulator, LINE)
    state = step.random_states(2, LINE)
    state[..., 3] = torch.nan
    found, _ = step.loaded(state, ())
    assert torch.isnan(found[..., 3]).all()
    assert_close(found[mask.expand_as(found)], emulator.step(state)[0][mask.expand_as(found)])


class Own(Baseline):
    """Step whose memory is a mapping, which needs the time and draws uniform numbers."""

    timed = True

    def step(self, state, memory=None, context=Context()):  # noqa: B008
        count = torch.zeros(state.shape[0]) if memory is None else memory["count"]
        shift = context.uniform(state[:, 0, :2], "shift") + context.time[:, None].to(state)
        state, _ = super().step(state + shift[:, None, :1], None, context)
        return state, {"count": count + 1, "last": [state]}


def test_emulator_of_the_user_with_a_memory_of_its_own(single_precision):
    step = StepProgram(trained(Own(**OPTIONS)), LINE)
    assert step.draws.count == 2
    assert step.largest_difference(5) < 1e-5
    inputs = {"noise": step.noise(3), "time": torch.zeros(3, dtype=torch.float64)}
    state, (number, count, _) = step.loaded(step.state, step.forms.start(3), **inputs)
    assert (number.item(), count.tolist()) == (1, [1.0, 1.0, 1.0])
    later, _ = step.loaded(
        step.state, step.forms.start(3), **inputs | {"time": torch.ones(3).double()}
    )
    assert not torch.isclose(later, state).all()


def test_numbers_of_a_uniform_draw_have_that_distribution():
    draws = Draws()
    like = torch.zeros(10_000, 1)
    draws.measure(torch.rand, like, "shift")
    found = draws.of(torch.randn(10_000, 1))(torch.rand, like, "shift")
    assert 0 <= found.min() < 1e-3
    assert 0.999 < found.max() < 1
    assert abs(found.mean() - 0.5) < 0.01
    assert draws.of(torch.full((1, 1), 20.0))(torch.rand, like[:1], "shift") < 1


class CountsSamples(nn.Module):
    def forward(self, x):
        return x + torch.zeros(len(x), 1, 1)


class Branches(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Formats(nn.Module):
    def forward(self, x):
        return x + float(f"{x.shape[-1]}") + x.numpy().sum()


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (CountsSamples, "number of states as a constant"),
        (Branches, "values of the state by loops or branches"),
        (Formats, "PyTorch says"),
    ],
)
def test_network_that_cannot_be_exported_is_refused_with_the_reason(network, words):
    emulator = Baseline(network=lambda interface: FromModule(interface, network()), dimensions=1)
    with pytest.raises(ValueError, match=f"Baseline cannot be exported.*{words}"):
        StepProgram(emulator, LINE)


@pytest.mark.parametrize("stepper", [ThetaScheme, RK4])
def test_steps_of_known_physics_are_refused_with_the_reason(stepper):
    with pytest.raises(ValueError, match=r"ImPiNDiff cannot be exported.*of a solver"):
        StepProgram(diffusion(stepper()), LINE)


def test_program_has_no_lines_of_source_code():
    step = StepProgram(trained(Baseline(**OPTIONS)), LINE)
    graphs = graph_modules(step.program.graph_module)
    assert not [n for g in graphs for n in g.graph.nodes if "stack_trace" in n.meta]
