import pytest
import torch
from torch.testing import assert_close

from emulators import L1, L1L2, L2, Hierarchical, Network
from emulators.networks.interface import coarsen
from tests.emulators.networks_for_tests import small_unet

PAPER = [(1, 2), (2, 4)]


class Recorder(Network):
    """Network that notes its inputs and returns what a function makes of the call's number."""

    def __init__(self, factors, answer=None):
        super().__init__()
        self.factors = factors
        self.calls = []
        self.answer = answer or (lambda number, like: torch.full_like(like, float(number)))
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, state, latents=(), mask_id=None):
        self.calls.append((state, latents, mask_id))
        number = len(self.calls)
        coarse = tuple(coarsen(state, factor) for factor in self.factors)
        return (
            self.answer(number, state) + 0 * self.weight,
            tuple(self.answer(10 * number + i, z) for i, z in enumerate(coarse, 1)),
        )


def emulator(latents=PAPER, predicted=None, **options):
    factors = [factor for lead, factor in latents if lead >= 0]
    network = Recorder(factors)
    return Hierarchical(network=network, latents=latents, ema_decay=0.0, **options), network


def values(tensors):
    return [tensor.unique().tolist() for tensor in tensors]


def test_cold_start_calls_nearest_first_with_zeros_and_indicators():
    model, network = emulator()
    u = torch.ones(2, 1, 8, 8)
    model.step(u)
    assert len(network.calls) == 3  # L - 1 = 2 extra calls, then the step
    states, latents, cases = zip(*network.calls, strict=True)
    assert all(torch.equal(state, u) for state in states)
    assert [case.tolist() for case in cases] == [[0, 0], [1, 1], [2, 2]]
    # call 1 answers 11 and 12 for its latents, call 2 answers 21 and 22
    assert values(latents[0]) == [[0], [0]]
    assert values(latents[1]) == [[11], [0]]
    assert values(latents[2]) == [[11], [22]]
    assert [z.shape[-1] for z in latents[2]] == [4, 2]


def test_lead_time_one_is_one_interval_and_latents_are_fed_back():
    model, network = emulator()
    state, memory = model.step(torch.ones(1, 1, 8, 8))
    assert values([state]) == [[3]]  # the answer of the third call
    state, memory = model.step(state, memory)
    assert len(network.calls) == 4
    assert values([state]) == [[4]]
    assert values(network.calls[3][1]) == [[31], [32]]  # its own latents, not pooled states
    assert network.calls[3][2].tolist() == [2]


def test_spatial_hierarchy_starts_from_the_pooled_state_and_feeds_back():
    model, network = emulator([(0, 2), (0, 4)])
    u = torch.randn(1, 1, 8, 8)
    state, memory = model.step(u)
    assert len(network.calls) == 1
    assert_close(network.calls[0][1], (coarsen(u, 2), coarsen(u, 4)))
    model.step(state, memory)
    assert values(network.calls[1][1]) == [[11], [12]]


def test_history_fills_up_step_by_step():
    model, network = emulator([(-1, 1), (-2, 2)])
    states = [torch.randn(1, 1, 8, 8) for _ in range(4)]
    memory = None
    for state in states:
        _, memory = model.step(state, memory)
    cases = [case.item() for _, _, case in network.calls]
    assert cases == [0, 1, 2, 2]
    assert values(network.calls[0][1]) == [[0], [0]]
    assert_close(network.calls[1][1][0], states[0])
    assert values(network.calls[1][1][1:]) == [[0]]
    assert_close(network.calls[3][1], (states[2], coarsen(states[1], 2)))


def windows(batch, frames, size=8):
    return torch.randn(batch, frames, 1, size, size)


def test_inputs_and_targets_have_the_indices_of_the_paper():
    model, network = emulator(distance=L2())
    window = windows(3, 4)
    case = torch.tensor([0, 1, 2])
    network.answer = lambda number, like: torch.zeros_like(like)
    loss = model.loss_of_masks(window, case)
    u, latents, given = network.calls[0]
    assert_close(u, window[:, 0])
    z1, z2 = (lambda n: coarsen(window[:, n], 2)), (lambda n: coarsen(window[:, n], 4))
    assert_close(latents[0], torch.stack([0 * z1(1)[0], z1(1)[1], z1(1)[2]]))
    assert_close(latents[1], torch.stack([0 * z2(2)[0], 0 * z2(2)[1], z2(2)[2]]))
    assert torch.equal(given, case)

    def square(field):
        return field.square().mean()

    # means over the batch of three include the zeros of samples that are not asked
    expected = 2 * square(window[2, 1]) / 3  # state: the regular case alone
    expected = expected + (square(z1(1)[0]) + square(z1(2)[2])) / 3  # cold start A; regular
    expected = expected + (square(z2(2)[1]) + square(z2(3)[2])) / 3  # cold start B; regular
    assert_close(loss, expected)


@pytest.mark.parametrize("latents", [PAPER, [(1, 2)], [(0, 2)], [(-1, 1)], [(1, 2), (-2, 1)]])
@pytest.mark.parametrize("distance", [L1(), L2(), L1L2()])
def test_perfect_predictor_has_no_loss(latents, distance):
    # on a stationary trajectory every target is the pooled state
    model, network = emulator(latents, distance=distance)
    network.answer = lambda number, like: like
    window = windows(4, 1).expand(-1, model.window, -1, -1, -1)
    for case in range(len(model.layout.masks)):
        loss = model.loss_of_masks(window, torch.full((4,), case))
        assert_close(loss, torch.zeros(()), atol=1e-12, rtol=0)


def test_state_weight_scales_the_state_alone():
    models = [emulator(state_weight=weight, distance=L2()) for weight in (1.0, 5.0)]
    light, heavy = (model for model, _ in models)
    for _, network in models:
        network.answer = lambda number, like: torch.ones_like(like)
    window, regular = windows(2, 4), torch.full((2,), 2)
    cold = torch.zeros(2, dtype=torch.int64)
    assert_close(light.loss_of_masks(window, cold), heavy.loss_of_masks(window, cold))
    state = (window[:, 1] - 1).square().mean()
    difference = heavy.loss_of_masks(window, regular) - light.loss_of_masks(window, regular)
    assert_close(difference, 4 * state)


def test_cases_come_with_the_frequencies_of_the_paper():
    model, _ = emulator(masking=0.15)
    counts = torch.bincount(model.draw_masks(200_000)) / 200_000
    # standard error of a frequency near 0.1 is below 0.001
    assert_close(counts, torch.tensor([0.075, 0.075, 0.85]), atol=4e-3, rtol=0)


def test_baseline_layout_draws_no_mask():
    model, _ = emulator([])
    assert model.draw_masks(5).tolist() == [0] * 5


def test_factor_that_does_not_divide_the_grid_is_refused():
    model, _ = emulator([(1, 3)])
    with pytest.raises(ValueError, match=r"model.latents has the factor 3, .* grid \(8, 8\)"):
        model.check((8, 8))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"masking": 1.0}, r"masking must lie in \[0, 1\), got 1.0"),
        ({"masking": -0.1}, r"masking must lie in \[0, 1\), got -0.1"),
        ({"state_weight": 0.0}, "state_weight must be positive, got 0.0"),
    ],
)
def test_malformed_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        emulator(**options)


@pytest.mark.parametrize(
    "latents", [[(1, 2), (2, 4)], [(1, 2), (-1, 1)], [(0, 2), (-2, 1), (-1, 2)]]
)
def test_unrolled_training_takes_the_steps_of_a_rollout(latents):
    torch.manual_seed(0)
    model = Hierarchical(
        network=small_unet,
        latents=latents,
        unrolled_steps=3,
        distance=L2(),
        masking=0.0,
        ema_decay=0.0,
    )
    for parameter in model.trained.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    window = torch.randn(2, model.window, 1, 16, 16)
    now, regular = model.layout.history, len(model.layout.masks) - 1
    # the state and the latents that a rollout would have at `now`, had it been right so far
    predicted = tuple(coarsen(window[:, now + lead], r) for lead, r in latents if lead >= 0)
    past = tuple(window[:, now - n] for n in range(1, now + 1))
    state, memory, expected = window[:, now], (predicted, past), 0.0
    for step in range(3):
        state, memory = model.step(state, memory)
        expected += 2 * (state - window[:, now + step + 1]).square().mean()
        ahead = iter(memory[0])
        for lead, r in latents:
            if lead >= 0:
                target = coarsen(window[:, now + step + lead + 1], r)
                expected += (next(ahead) - target).square().mean()
    loss = model.loss_of_masks(window, torch.tensor([regular, regular]))
    assert_close(loss, expected / 3)


def test_cold_starts_are_not_unrolled():
    model = Hierarchical(network=small_unet, unrolled_steps=2, distance=L2(), ema_decay=0.0)
    one = Hierarchical(network=small_unet, distance=L2(), ema_decay=0.0)
    one.load_state_dict(model.state_dict())
    window = torch.randn(2, model.window, 1, 16, 16)
    cold = torch.tensor([0, 1])
    assert_close(2 * model.loss_of_masks(window, cold), one.loss_of_masks(window[:, :4], cold))


def test_unrolled_must_be_positive():
    with pytest.raises(ValueError, match="unrolled_steps must be at least 1, got 0"):
        Hierarchical(unrolled_steps=0)


def test_outputs_are_those_of_the_latents_that_are_predicted():
    # a history comes first: the factors of the outputs are not the first ones of the inputs
    model = Hierarchical(network=small_unet, latents=[(-1, 2), (1, 4)], dimensions=1)
    assert model.trained.latent_inputs == (2, 4)
    assert model.trained.latent_outputs == (4,)
    _, (predicted, past) = model.eval().step(torch.randn(3, 1, 16))
    assert [z.shape for z in predicted] == [(3, 1, 4)]
    assert [z.shape for z in past] == [(3, 1, 16)]
    model.train().loss(torch.randn(4, model.window, 1, 16)).backward()
