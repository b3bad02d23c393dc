"""Static fields, forcing and masks reach the network at the right time, in every emulator."""

from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

from datamodules import DataDescription
from datamodules.point_weights import point_weights
from datamodules.solvers import Grid, Variable
from emulators import (
    Baseline,
    Bundled,
    Context,
    Hierarchical,
    HierarchicalPushforward,
    Pushforward,
    Unrolled,
)
from emulators.follow_data import follow_data
from emulators.hierarchy.coarsening import LearnedCoarsening
from emulators.input_fields import InputFields
from emulators.networks.interface import Network, coarsen
from emulators.rollout import RolloutObserver, StepInputs, run_rollout
from emulators.training.losses import L1, L1L2, L2, Distance
from emulators.training.spectral_losses import Sobolev
from tests.emulators.networks_for_tests import small_unet
from tests.emulators.test_im_pindiff import build

KINDS = {
    "baseline": (Baseline, {}),
    "pushforward": (Pushforward, {"detached_steps": 3, "draw": "fixed"}),
    "unrolled": (Unrolled, {"unrolled_steps": 3}),
    "checkpointed": (Unrolled, {"unrolled_steps": 3, "checkpointing": True}),
    "bundled": (Bundled, {"bundle": 3}),
    "bundled and called at every step": (Bundled, {"bundle": 2, "advance": 1}),
    "hierarchical": (Hierarchical, {"latents": [(1, 2), (2, 4)], "unrolled_steps": 2}),
    "with a past": (Hierarchical, {"latents": [(-2, 1), (-1, 1), (1, 2)], "unrolled_steps": 2}),
    "pushed": (HierarchicalPushforward, {"latents": [(-1, 1), (1, 2)], "detached_steps": 2}),
}


class Clock(Network):
    """û = u + 1; records the state and its input fields."""

    def __init__(self, interface):
        super().__init__()
        self.interface, self.seen = interface, []
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, state, latents=(), mask_id=None, parameters=None):
        self.seen.append(state.detach())
        own = state[:, : self.interface.channels]
        factors = self.interface.latent_outputs
        outputs = [coarsen(own, factor) + lead for lead, factor in enumerate(factors, start=2)]
        return own + self.weight, tuple(outputs)


def clock(kind, **options):
    """Return an emulator of a state that is its time, with one static field and two of forcing."""
    emulator, own = KINDS[kind]
    counts = {"channels": 1, "dimensions": 1, "static": 1, "forcing": 2}
    return emulator(network=Clock, ema_decay=0.0, **{**counts, **own, **options})


def times(first, count):
    """Return times (batch of 3, count, 1, 4) from `first`; the samples lie 100 apart."""
    start = first + 100.0 * torch.arange(3).reshape(3, 1, 1, 1)
    return (start + torch.arange(count).reshape(1, -1, 1, 1)).expand(3, count, 1, 4)


def static():
    return torch.tensor([7.0, 8.0, 9.0]).reshape(3, 1, 1).expand(3, 1, 4)


def forcing(window):
    """Return a forcing of two fields: the time, and ten times that."""
    return torch.cat((window, 10 * window), dim=2)


def check_seen(emulator):
    assert emulator.trained.seen
    for seen in emulator.trained.seen:
        now = seen[:, :1]
        sample = ((now + 50) / 100).floor()
        times = [now + n for n in range(emulator.steps_per_call + 1)]
        forced = [factor * time for time in times for factor in (1, 10)]
        assert_close(seen, torch.cat([now, 7.0 + sample, *forced], dim=1))


@pytest.mark.parametrize("kind", KINDS)
def test_training_gives_each_step_the_forcing_at_its_beginning_and_end(kind):
    emulator = clock(kind)
    emulator.interval = 1.0
    window = times(20.0, emulator.window)
    loss = emulator.loss(window, Context(static=static(), forcing=forcing(window)))
    assert loss.isfinite()
    check_seen(emulator)


@pytest.mark.parametrize("kind", KINDS)
def test_rollout_gives_each_step_the_forcing_at_its_beginning_and_end(kind):
    emulator = clock(kind).eval()
    steps, known = 6, times(20.0, 8)
    found = emulator.rollout(known[:, 0], steps, static=static(), forcing=forcing(known))
    assert_close(found, known[:, 1:7])
    check_seen(emulator)


class Keeper(RolloutObserver):
    """Keeps forecasts; gives the second of three trajectories up after step 100."""

    def begin(self, start):
        self.states = []

    def observe(self, lead, forecast, truth):
        self.states.append(forecast)

    def observe_members(self, lead, members, truth):
        self.members = members

    def find_diverged(self):
        return torch.tensor([False, len(self.states) >= 100, False])


def batch_of(known, members=1, steps=120):
    first = known[:, 0]
    return SimpleNamespace(
        initial=first, index=torch.arange(3), steps=steps, truth_steps=0, times=[0.0] * 3,
        perturbed=first.expand(members - 1, *first.shape) if members > 1 else None,
        parameters=None, static=static(), forcing=lambda lead: forcing(known)[:, lead],
        truth=lambda lead: known[:, lead],
    )  # fmt: skip


def test_test_rollouts_give_a_bundle_its_forcing_also_beyond_their_end():
    emulator, known = clock("bundled").eval(), times(0.0, 12)
    kept = Keeper()
    run_rollout(emulator, batch_of(known, steps=4), [kept])
    assert_close(torch.stack(kept.states, dim=1), known[:, 1:5])
    check_seen(emulator)
    assert len(emulator.trained.seen) == 2  # from n = 0 and 3, the second with the forcing at 6


def test_bundles_need_the_forcing_of_all_their_states():
    emulator, known = clock("bundled").eval(), times(20.0, 6)
    with pytest.raises(ValueError, match=r"ends before step 6 of the rollout, .* at the 4 times"):
        emulator.rollout(known[:, 0], 4, static=static(), forcing=forcing(known))
    emulator.check((4,))


@pytest.mark.parametrize("members", [1, 3])
def test_test_rollouts_are_given_their_own_fields_also_after_one_has_ended(members):
    emulator, known = clock("baseline").eval(), times(0.0, 122)
    known = known + 1000.0 * torch.arange(3).reshape(3, 1, 1, 1)  # samples stay apart
    kept = Keeper()
    run_rollout(emulator, batch_of(known, members), [kept])
    for seen in emulator.trained.seen:
        now = seen[:, :1]
        assert_close(seen[:, 1:2], 7 + (now / 1100).floor())
        assert_close(seen[:, 2:], torch.cat([now, 10 * now, now + 1, 10 * (now + 1)], dim=1))
    assert len(emulator.trained.seen[99]) == 3 * members
    assert len(emulator.trained.seen[100]) == 2 * members


def test_forcing_is_read_once_per_time():
    leads = []
    start = batch_of(times(0.0, 12))
    start.forcing = lambda lead: leads.append(lead) or torch.full((3, 1, 4), float(lead))
    inputs = StepInputs(start)
    for lead in range(4):
        context = inputs.at(lead, Context(), torch.tensor([0, 2]))
        assert context.forcing[:, :, 0, 0].tolist() == [[lead, lead + 1.0]] * 2
    assert leads == [0, 1, 2, 3, 4]


def test_saved_rollouts_hold_no_fields():
    saved = []
    saver = SimpleNamespace(
        open=lambda *_: None, invalidate=lambda: None, save=lambda state, _: saved.append(state)
    )
    run_rollout(clock("baseline").eval(), batch_of(times(0.0, 5), steps=3), [], saver=saver)
    assert [(state.context.static, state.context.forcing) for state in saved] == [(None, None)] * 3


def test_statistics_are_of_static_fields_and_then_of_forcing():
    fields = InputFields(static=1, forcing=2)
    fields.set_statistics(torch.tensor([1.0, 10.0, 100.0]), torch.tensor([2.0, 4.0, 5.0]))
    given = torch.tensor([[[14.0], [105.0]], [[6.0], [90.0]]])  # time, forcing, x
    context = Context(static=torch.tensor([[[5.0]]]), forcing=given[None])
    found = fields(torch.zeros(1, 1, 1), context).flatten().tolist()
    assert found == [2.0, 1.0, 1.0, -1.0, -2.0]


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (Context(), "1 static fields at every step, and they are not known here"),
        (Context(static=torch.zeros(3, 2, 4)), "made for 1 static fields, the batch has 2"),
        (Context(static=static()), "2 fields of forcing at every step, and they are not known"),
        (
            Context(static=static(), forcing=torch.zeros(3, 1, 2, 4), lead=6),
            "The forcing ends before step 7 of the rollout",
        ),
    ],
)
def test_fields_that_are_not_known_are_refused(context, message):
    with pytest.raises(ValueError, match=message):
        clock("baseline").step(times(0.0, 1)[:, 0], None, context)


# Masks -------------------------------------------------------------------------------------------

MASK = torch.ones(2, 8, 16, dtype=torch.bool)
MASK[:, 2:5, 3:9] = False
MASK[1, 6, 12:] = False


def masked(kind, **options):
    emulator, own = KINDS[kind]
    options = {"network": small_unet, "channels": 2, "masked": True, **own, **options}
    return followed(emulator(**options))


def followed(emulator):
    fields = [Variable("t", "t", "K"), Variable("h", "h", "m")]
    data = DataDescription.on_grid(fields, Grid((8, 16), (1.0, 2.0)), 1.0, mask=MASK)
    follow_data(emulator, data)
    mean, std = torch.tensor([280.0, -1.0]), torch.tensor([2.0, 0.5])
    emulator.standardize.set_statistics(mean, std, std)
    return emulator


@pytest.mark.parametrize("predict", ["state", "increment"])
@pytest.mark.parametrize("kind", KINDS)
def test_masked_points_count_in_no_loss_and_no_forecast_and_keep_their_values(kind, predict):
    emulator = masked(kind, predict=predict, noise=0.1)
    torch.manual_seed(0)
    window = torch.randn(3, emulator.window, 2, 8, 16)
    other = torch.where(MASK, window, 100 * torch.randn_like(window))
    losses = []
    for given in (window, other):
        torch.manual_seed(1)
        losses.append(emulator.loss(given))
    assert_close(*losses, rtol=0, atol=0)
    emulator.eval()
    one, two = (emulator.rollout(given[:, 0], 3) for given in (window, other))
    assert_close(torch.where(MASK, one, 0.0), torch.where(MASK, two, 0.0), rtol=0, atol=0)
    gone = ~MASK.expand_as(one)
    assert_close(two[gone], other[:, :1].expand_as(two)[gone], rtol=0, atol=0)
    assert not torch.equal(one[:, 2], one[:, 0])


def test_missing_values_at_masked_points_are_no_numbers():
    emulator = masked("hierarchical").eval()
    state = torch.randn(1, 2, 8, 16)
    gone = torch.where(MASK, state, float("nan"))
    one, two = (emulator.rollout(given, 2) for given in (state, gone))
    assert_close(torch.where(MASK, one, 0.0), torch.where(MASK, two, 0.0), rtol=0, atol=0)
    assert bool(two[..., ~MASK].isnan().all())
    distance = L2()
    distance.set_weights(point_weights(2, MASK, None))
    found = distance(torch.where(MASK, 1.0, float("inf"))[None], torch.zeros(1, 2, 8, 16))
    assert_close(found, torch.ones(1))


def test_latents_are_zero_where_a_whole_block_is_masked():
    emulator = masked("hierarchical", latents=[(1, 2)])
    _, (latents, _) = emulator.eval().step(torch.randn(1, 2, 8, 16))
    gone = coarsen(MASK.double()[None], 2)[0] == 0
    assert gone.any()
    assert bool((latents[0][0][gone] == 0).all())
    assert bool((latents[0][0][~gone] != 0).all())


def test_learned_coarsening_is_refused_with_a_mask():
    with pytest.raises(ValueError, match="LearnedCoarsening reconstructs every point"):
        masked("hierarchical", coarsening=LearnedCoarsening)


def test_masked_points_have_no_gradient():
    emulator = masked("baseline")
    window = torch.randn(1, 2, 2, 8, 16, requires_grad=True)
    emulator.loss(window).backward()
    assert bool((window.grad[:, :, ~MASK] == 0).all())
    assert bool((window.grad[:, :, MASK] != 0).any())


def test_network_is_given_the_share_of_channels_that_have_values():
    fields = InputFields(masked=True)
    fields.set_mask(torch.tensor([[True, True, False], [True, False, False]]))
    found = fields(torch.zeros(4, 2, 3), Context())
    assert found.shape == (4, 1, 3)
    assert found[2, 0].tolist() == [1.0, 0.5, 0.0]
    with pytest.raises(ValueError, match=r"no mask is known; train it on data with data.mask"):
        Baseline(channels=2, masked=True).rollout(torch.zeros(1, 2, 8, 16), 1)


def test_input_fields_are_zero_where_no_channel_has_a_value():
    fields = InputFields(static=1, forcing=1, masked=True)
    fields.set_mask(torch.tensor([[True, True, False], [True, False, False]]))
    given = Context(static=torch.full((1, 1, 3), 7.0), forcing=torch.full((1, 2, 1, 3), 9.0))
    found = fields(torch.zeros(1, 2, 3), given)
    assert found[0].T.tolist() == [[7, 9, 9, 1], [7, 9, 9, 0.5], [0, 0, 0, 0]]


WEIGHTS = point_weights(2, MASK, torch.arange(1.0, 9.0)[:, None].expand(8, 16))


@pytest.mark.parametrize(
    ("distance", "point"),
    [(L1, lambda d: d.abs()), (L2, lambda d: d**2), (L1L2, lambda d: d.abs() + d**2)],
)
@pytest.mark.parametrize("factor", [1, 2])
def test_distances_are_weighted_means(distance, point, factor):
    weighted = distance()
    weighted.set_weights(WEIGHTS)
    one, two = torch.randn(2, 3, 2, 8 // factor, 16 // factor, dtype=torch.float64)
    own = coarsen(WEIGHTS[None], factor)[0]
    by_channel = (point(one - two) * own).sum((2, 3)) / own.sum((1, 2))
    assert_close(weighted(one, two), by_channel.mean(1), rtol=1e-6, atol=0)
    weighted.set_weights(None)
    assert_close(weighted(one, two), point(one - two).mean((1, 2, 3)))


def test_weights_of_one_emulator_are_not_those_of_the_next():
    masked("baseline")
    assert Baseline(channels=2).distance.point_weights is None


class Largest(Distance):
    def forward(self, prediction, target):
        return (prediction - target).abs().flatten(1).amax(1)


@pytest.mark.parametrize("distance", [Largest(), Sobolev()])
def test_distances_without_weights_are_refused(distance):
    name = type(distance).__name__
    with pytest.raises(ValueError, match=f"{name} does not weight grid points, .*data.mask; set"):
        followed(Baseline(channels=2, masked=True, distance=distance))


@pytest.mark.parametrize("options", [{"static": 1}, {"forcing": 1}, {"masked": True}])
def test_im_pindiff_refuses_fields_beside_the_state(options):
    with pytest.raises(ValueError, match="ImPiNDiff steps an equation, which takes no static"):
        build(**options)
