"""Constraints are learned from data, kept in checkpoints, and obeyed by predictions."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from datamodules import DataDescription
from datamodules.solvers import Grid, Variable
from emulators import Baseline, ConservedMean, DataModes, DivergenceFree, FixedBoundary
from emulators.constraints.projection import Projection, sample
from emulators.standardize import Standardize
from tests.emulators.networks_for_tests import small_unet
from tests.emulators.test_input_fields import KINDS

SHAPE = (12, 8)
FIELDS = (Variable("u", "wind along x", "m s-1"), Variable("v", "wind along y", "m s-1"))


def description(shape=SHAPE, fields=FIELDS, **entries):
    return DataDescription.on_grid(fields, Grid(shape, (3.0, 2.0)[: len(shape)]), 1.0, **entries)


def standardized(mean=(4.0, -2.0), std=(3.0, 0.5)):
    standardize = Standardize(len(mean))
    ones = torch.ones(len(mean))
    standardize.set_statistics(torch.tensor(mean), torch.tensor(std), ones)
    return standardize


def kept_modes(shape, highest):
    """Return which of the modes of `fftn` are at most `highest` along each axis."""
    keep = np.ones(shape, bool)
    for axis, (size, most) in enumerate(zip(shape, highest, strict=True)):
        number = np.abs(np.fft.fftfreq(size, 1 / size)) <= most
        keep &= number.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return keep


def truncated(values, highest):
    """Return fields without the modes above `highest`, by another library."""
    shape = values.shape[-len(highest) :]
    axes = tuple(range(values.ndim - len(shape), values.ndim))
    spectrum = np.fft.fftn(values, axes=axes) * kept_modes(shape, highest)
    return np.fft.ifftn(spectrum, axes=axes).real


def snapshots(highest=((3, 2), (4, 1)), count=3, seed=0):
    """Return physical snapshots of two channels that hold different modes, with a large mean."""
    white = np.random.default_rng(seed).normal(size=(count, 2, *SHAPE))
    fields = [truncated(white[:, c], highest[c]) for c in range(2)]
    states = np.stack(fields, 1) * np.array([3.0, 0.5])[:, None, None]
    return torch.from_numpy(states + np.array([4.0, -2.0])[:, None, None]).float()


@pytest.mark.parametrize("shape", [(12, 8), (9, 7), (16,), (15,)])
def test_empty_modes_are_found_and_removed_per_channel(shape):
    highest = ((3, 2), (4, 1)) if len(shape) == 2 else ((3,), (5,))
    white = np.random.default_rng(0).normal(size=(3, 2, *shape))
    states = np.stack([truncated(white[:, c], highest[c]) for c in range(2)], 1)
    even = description(tuple(2 * (size // 2) for size in shape))
    axes = [replace(axis, size=size) for axis, size in zip(even.axes, shape, strict=True)]
    data = replace(even, axes=tuple(axes))
    modes, standardize = DataModes(), Standardize(2)
    modes.learn([torch.from_numpy(states).float()], data, standardize)
    prediction = np.random.default_rng(1).normal(size=(2, 2, *shape))
    expected = np.stack([truncated(prediction[:, c], highest[c]) for c in range(2)], 1)
    found = modes(torch.from_numpy(prediction).float(), torch.zeros(2, 2, *shape))
    assert_close(found, torch.from_numpy(expected).float(), atol=1e-6, rtol=1e-5)
    assert_close(modes(found, found), found, atol=1e-6, rtol=1e-5)
    kept = torch.from_numpy(states).float()
    assert_close(modes(kept, kept), kept, atol=1e-6, rtol=1e-5)


def test_a_mode_of_one_snapshot_counts_and_rounding_does_not():
    data, standardize = description(), standardized()
    first, last = snapshots(), snapshots(seed=1)
    y = 2 * torch.pi * torch.arange(12.0) / 12
    last[-1, 1] += 1e-4 * (5 * y).cos()[:, None]
    last[-1, 0] += 2e-7 * torch.randn(SHAPE)  # rounding of values near 4
    modes = DataModes()
    modes.learn([first, last], data, standardize)
    expected = np.stack([kept_modes(SHAPE, (3, 2)), kept_modes(SHAPE, (4, 1))])[..., :5]
    expected[1, [5, 7], 0] = True
    assert_close(modes.occupied, torch.from_numpy(expected))


def test_a_mean_that_wanders_by_the_rounding_of_a_solver_is_empty():
    generator = np.random.default_rng(2)
    waves = truncated(generator.normal(size=(400, 1, *SHAPE))[:, 0], (3, 2))[:, None]
    waves -= waves.mean((2, 3), keepdims=True)
    rms = np.sqrt((waves**2).mean())
    # 20,000 steps, 50 between snapshots; each adds a unit of rounding of either sign to the norm
    walk = np.sqrt(50) * generator.normal(size=400).cumsum() * 2.0**-24 * rms
    drifted = waves + walk[:, None, None, None] / np.sqrt(np.prod(SHAPE))
    modes = DataModes()
    modes.learn([torch.from_numpy(drifted)], description(fields=FIELDS[:1]), Standardize(1))
    expected = kept_modes(SHAPE, (3, 2))[None, :, :5]
    expected[0, 0, 0] = False
    assert_close(modes.occupied, torch.from_numpy(expected))


def test_no_modes_are_removed_where_there_is_no_spectrum():
    standardize, states = standardized(), [snapshots()]
    mask = torch.ones(2, *SHAPE, dtype=torch.bool)
    mask[:, 0, 0] = False
    white = [torch.randn(3, 2, *SHAPE)]
    for data, known in (
        (description(periodic=(True, False)), states),
        (description(mask=mask), states),
        (description(), white),
    ):
        modes = DataModes()
        modes.learn(states, description(), standardize)
        assert modes.occupied is not None
        modes.learn(known, data, standardize)
        assert modes.occupied is None
        prediction = torch.randn(1, 2, *SHAPE)
        assert modes(prediction, prediction) is prediction


def test_states_of_another_size_are_refused():
    modes = DataModes()
    modes.learn([snapshots()], description(), standardized())
    with pytest.raises(ValueError, match=r"other sizes than \(6, 8\); set model.project to null"):
        modes(torch.zeros(1, 2, 6, 8), torch.zeros(1, 2, 6, 8))


def test_projection_is_exact_under_autocast():
    modes = DataModes()
    modes.learn([snapshots()], description(), standardized())
    prediction = torch.randn(1, 2, *SHAPE)
    with torch.autocast("cpu", torch.bfloat16):
        found = modes(prediction, prediction)
    assert_close(found, modes(prediction, prediction), atol=0, rtol=0)


class Data:
    """Trajectories in memory."""

    def __init__(self, states):
        self.states = states
        self.lengths = [len(trajectory) for trajectory in states]

    def read(self, k, start, stop):
        return self.states[k][start:stop]


def source(states):
    return SimpleNamespace(trajectories=lambda split: Data(states) if split == "train" else None)


def constrained(kind, **options):
    """Return an emulator that has learned the modes of the snapshots above."""
    emulator, own = KINDS[kind]
    counts = {"channels": 2, "dimensions": 2, "network": small_unet}
    torch.manual_seed(1)
    made = emulator(**{**counts, **own, **options})
    statistics = (torch.tensor(v) for v in ((4.0, -2.0), (3.0, 0.5), (0.3, 0.05)))
    made.standardize.set_statistics(*statistics)
    made.projection.learn(source([snapshots()]), description(), made.standardize)
    return made


def outside(states):
    """Return the largest departure of physical states from the space of the snapshots."""
    values = states.detach().double().reshape(-1, 2, *SHAPE).numpy()
    inside = [truncated(values[:, c], ((3, 2), (4, 1))[c]) for c in range(2)]
    return float(np.abs(np.stack(inside, 1) - values).max())


@pytest.mark.parametrize("predict", ["state", "increment"])
@pytest.mark.parametrize("kind", KINDS)
def test_rollouts_of_every_emulator_stay_in_the_space_of_the_data(kind, predict):
    start = snapshots(seed=2).double()
    emulator = constrained(kind, predict=predict).eval()
    assert outside(emulator.rollout(start, 3)) < 1e-5
    free = constrained(kind, predict=predict, project=None).eval()
    assert outside(free.rollout(start, 3)) > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_losses_compare_projected_states_and_noise_is_projected(kind):
    emulator = constrained(kind, noise=0.3)
    seen = []
    forward = emulator.next_state
    emulator.next_state = lambda state, output: seen.append(forward(state, output)) or seen[-1]
    perturbed, perturb = [], emulator.perturb
    emulator.perturb = lambda u: perturbed.append((u, perturb(u))) or perturbed[-1][1]
    window = torch.stack([snapshots(count=emulator.window, seed=n) for n in range(2)]).double()
    emulator.loss(window).backward()
    for state in [*seen, *(noisy for _, noisy in perturbed)]:
        assert outside(emulator.standardize.inverse(state)) < 1e-5
    assert all((clean - noisy).abs().max() > 0.1 for clean, noisy in perturbed)
    assert seen


def test_checkpoints_keep_what_was_learned_and_earlier_ones_have_no_constraint():
    emulator = constrained("baseline")
    weights = emulator.state_dict()
    again = Baseline(channels=2, network=small_unet)
    again.load_state_dict(weights)
    assert_close(again.projection[0].occupied, emulator.projection[0].occupied)
    earlier = {name: value for name, value in weights.items() if "projection" not in name}
    emulator.load_state_dict(earlier)  # as when a training of an earlier version is resumed
    assert emulator.projection[0].occupied is None


def test_emulators_made_with_the_same_option_learn_separately():
    option = [DataModes()]
    one, two = Projection(option), Projection(option)
    one.learn(source([snapshots()]), description(), standardized())
    assert one[0].occupied is not None
    assert two[0].occupied is None
    assert option[0].occupied is None


def test_what_is_learned_is_whole_in_memory():
    projection = Projection([DataModes(), FixedBoundary()])
    states = [snapshots()]
    states[0][:, :, 0] = states[0][:, :, -1] = 1.0
    data = description(periodic=(False, True))
    projection[0].learn([snapshots()], description(), standardized())
    projection[0].learn = lambda *given: None  # the domain of the second has walls
    projection.learn(source(states), data, standardized())
    for buffer in projection.buffers():
        assert buffer.untyped_storage().nbytes() == buffer.numel() * buffer.element_size()
        assert buffer.stride() == torch.empty(buffer.shape).stride()


def test_sample_is_spread_over_trajectories_and_times():
    states = [
        (100.0 * k + torch.arange(length)).reshape(-1, 1, 1).expand(-1, 1, 4)
        for k, length in enumerate((50, 3, 1))
    ]
    found = [trajectory[:, 0, 0].tolist() for trajectory in sample(Data(states), values=64)]
    assert found == [[0, 12, 24, 37, 49], [100, 101, 102], [200]]
    few = sample(Data(states[:1] * 40), values=2**25)
    assert [len(trajectory) for trajectory in few] == [16] * 32


def test_conserved_mean_is_that_of_the_state_before():
    mean, states = ConservedMean(["v"]), snapshots(((3, 2), (4, 1)))
    states[:, 1] += (1.5 - states[:, 1].mean((1, 2)))[:, None, None]
    mean.learn([states], description(), standardized())
    prediction, state = torch.randn(2, 2, *SHAPE), torch.randn(2, 2, *SHAPE)
    found = mean(prediction, state)
    assert_close(found[:, 0], prediction[:, 0])
    shift = (found - prediction)[:, 1]
    assert_close(found[:, 1].mean((1, 2)), state[:, 1].mean((1, 2)))
    assert_close(shift, shift[:, :1, :1].expand_as(shift))


def test_conserved_mean_weights_points_as_the_data_do():
    mask = torch.ones(2, *SHAPE, dtype=torch.bool)
    mask[1, :4] = False
    data, mean = description(mask=mask), ConservedMean()
    states = snapshots()
    states[:, 1, :4] = float("nan")
    for channel in range(2):
        there = states[:, channel][:, mask[channel]].mean(1)
        states[:, channel] -= there[:, None, None]
    mean.learn([states], data, standardized())
    prediction, state = torch.randn(2, 2, *SHAPE), torch.randn(2, 2, *SHAPE)
    found = mean(prediction, state)
    assert_close(found[:, 1, 4:].mean((1, 2)), state[:, 1, 4:].mean((1, 2)))
    assert_close(found[:, 0].mean((1, 2)), state[:, 0].mean((1, 2)))


def test_a_mean_that_changes_is_refused():
    states = snapshots()
    states[-1, 1] += 0.1
    states[:, 0] -= states[:, 0].mean((1, 2))[:, None, None]
    with pytest.raises(ValueError, match=r"mean of v changes by 0.0. of its root mean square"):
        ConservedMean().learn([states], description(), standardized())


def test_boundary_keeps_the_values_of_the_state_along_walls_alone():
    boundary, states = FixedBoundary(["v"]), snapshots()
    states[:, 1, 0], states[:, 1, -1] = 2.0, -1.0
    boundary.learn([states], description(periodic=(False, True)), standardized())
    prediction, state = torch.randn(2, 2, *SHAPE), torch.randn(2, 2, *SHAPE)
    expected = prediction.clone()
    expected[:, 1, [0, -1]] = state[:, 1, [0, -1]]
    assert_close(boundary(prediction, state), expected)


def test_boundaries_that_change_or_do_not_exist_are_refused():
    states = snapshots()
    with pytest.raises(ValueError, match=r"u changes by .* m s-1 at a point of the boundary"):
        FixedBoundary().learn([states], description(periodic=(True, False)), standardized())
    with pytest.raises(ValueError, match="periodic along all axes and has no boundary"):
        FixedBoundary().learn([states], description(), standardized())


def flow():
    """Return velocities of the stream function ψ(y, x) on lengths 3 and 2: u = -ψ_y, v = ψ_x."""
    y, x = np.meshgrid(np.arange(12) * 3 / 12, np.arange(8) * 2 / 8, indexing="ij")
    l, k = 2 * np.pi * 2 / 3, 2 * np.pi / 2
    phase = l * y + k * x + np.array([0.0, 1.0, 2.5]).reshape(3, 1, 1)
    return torch.from_numpy(np.stack([l * np.sin(phase), -k * np.sin(phase)], 1)).float()


def test_divergence_is_removed_and_rotation_kept():
    standardize, constraint = standardized(), DivergenceFree()
    constraint.learn([flow()], description(), standardize)
    y, x = np.meshgrid(np.arange(12) * 3 / 12, np.arange(8) * 2 / 8, indexing="ij")
    l, k = 2 * np.pi / 3, 2 * np.pi * 2 / 2
    wave = np.cos(l * y + k * x)  # of a potential: u = φ_x, v = φ_y
    gradient = torch.from_numpy(np.stack([k * wave, l * wave])[None]).float()
    prediction = standardize(flow() + 0.7 * gradient + torch.tensor([2.0, 5.0])[:, None, None])
    expected = standardize(flow() + torch.tensor([2.0, 5.0])[:, None, None])
    assert_close(constraint(prediction, prediction), expected, atol=1e-5, rtol=1e-5)
    again = DivergenceFree()
    again.load_state_dict(constraint.state_dict())
    assert_close(again(prediction, prediction), expected, atol=1e-5, rtol=1e-5)


def test_flows_with_divergence_and_other_domains_are_refused():
    with pytest.raises(ValueError, match=r"divergence of u and v is 0.* of their gradient"):
        DivergenceFree().learn([snapshots()], description(), standardized())
    with pytest.raises(ValueError, match="needs a periodic grid in two dimensions"):
        DivergenceFree().learn([flow()], description(periodic=(False, True)), standardized())
    with pytest.raises(ValueError, match=r"DivergenceFree.fields names 'w'"):
        DivergenceFree(("u", "w")).learn([flow()], description(), standardized())


def test_named_constraints_need_trajectories():
    nothing, data = SimpleNamespace(), description()
    Projection("data").learn(nothing, data, standardized())
    with pytest.raises(ValueError, match="learned from trajectories, and SimpleNamespace has none"):
        Projection([ConservedMean()]).learn(nothing, data, standardized())


def test_states_of_other_shapes_are_not_projected():
    with pytest.raises(ValueError, match=r"\(2, 1, 4\) cannot be projected with a state of"):
        Projection(None)(torch.zeros(2, 1, 4), torch.zeros(2, 3, 1, 4))


@pytest.mark.parametrize("kind", [DataModes, DivergenceFree, ConservedMean])
@pytest.mark.parametrize("size", [16, 64, 256])
def test_a_state_has_the_same_bits_in_any_batch_on_any_number_of_threads(kind, size, threads):
    constraint, channels = kind(), 2 if kind is DivergenceFree else 1
    if kind is DataModes:
        constraint.occupied = torch.rand(1, size, size // 2 + 1) < 0.5
    if kind is DivergenceFree:
        constraint.directions = torch.randn(2, size, size // 2 + 1).float()
        constraint.channels, constraint.scale = torch.arange(2), torch.tensor([3.0, 0.5]).float()
    if kind is ConservedMean:
        constraint.weights = torch.rand(1, size, size).float()
    prediction = torch.randn(5, channels, size, size, dtype=torch.float32)
    state, results = torch.randn_like(prediction), []
    for number, part in ((1, 5), (1, 1), (2, 5), (2, 1), (3, 2)):
        threads(number)
        parts = zip(prediction.split(part), state.split(part), strict=True)
        with torch.no_grad():
            results.append(torch.cat([constraint(*one) for one in parts]))
    assert results[0].std() > 0.1
    assert all(torch.equal(result, results[0]) for result in results)
