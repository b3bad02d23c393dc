"""Random inputs have no effect before training, and forecasts do not depend on the batch."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from datamodules.rollouts import Rollouts
from emulators import (
    CRPS,
    FNO,
    Baseline,
    Context,
    DilatedResNet,
    FourierUNet,
    Hierarchical,
    ImPiNDiff,
    UNet,
)
from emulators.context import rollout_keys
from emulators.evaluation import check_ensembles, check_members_differ
from emulators.noise_input import NoiseInput
from emulators.step_in_parts import step_in_parts
from emulators.training.members import repeat_members
from tests.emulators.networks_for_tests import small_unet
from tests.emulators.test_im_pindiff import build
from tests.emulators.test_input_fields import KINDS

NETWORKS = {
    "U-Net": partial(UNet, width=4, multipliers=(1, 2), patch=2),
    "U-Net with random fields finer than its patches": partial(
        UNet, width=4, multipliers=(1, 2), patch=4
    ),
    "Fourier U-Net": partial(FourierUNet, size=32, width=4, multipliers=(1, 2, 2, 2), dropout=0.0),
    "FNO": partial(FNO, width=4, modes=4, layers=1),
    "dilated": partial(DilatedResNet, width=4, blocks=1, dilations=(1, 2)),
}
RANDOM = {"noise_fields": [2, 8], "noise_numbers": 3}


def keys(count, first=0):
    return torch.stack((torch.arange(first, first + count), torch.zeros(count)), dim=1).long()


def trained(emulator):
    """Give all weights values that training might have given them."""
    with torch.no_grad():
        for parameter in emulator.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return emulator


def make(kind, **options):
    emulator, own = KINDS[kind]
    options = {"dimensions": 1, "network": small_unet, "ema_decay": 0.0, **own, **options}
    return emulator(noise_fields=[2], noise_numbers=2, **options)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("conditioned", [0, 1])
def test_networks_begin_as_without_random_inputs_and_learn_to_use_them(name, conditioned):
    emulator = Baseline(network=NETWORKS[name], channels=2, parameters=conditioned, **RANDOM)
    state, parameters = torch.randn(2, 2, 32, 32), torch.ones(2, conditioned)
    known = {"parameters": parameters if conditioned else None}
    one, other = (
        emulator.step(state, context=Context(keys=keys(2), seed=seed, **known))[0]
        for seed in (0, 1)
    )
    assert torch.equal(one, other)
    optimizer = torch.optim.Adam(emulator.parameters(), lr=0.01)
    for seed in range(3):
        optimizer.zero_grad()
        context = Context(keys=keys(2), seed=seed, **known)
        emulator.loss(torch.randn(2, 2, 2, 32, 32), context).backward()
        optimizer.step()
    one, other = (
        emulator.step(state, context=Context(keys=keys(2), seed=seed, **known))[0]
        for seed in (0, 1)
    )
    assert (one - other).abs().amax((1, 2, 3)).min() > 1e-6


@pytest.mark.parametrize("what", ["noise_fields", "noise_numbers"])
def test_each_kind_of_random_input_reaches_a_plain_module(what):
    interface = 2 + (2 if what == "noise_fields" else 3)
    emulator = Baseline(
        network=nn.Conv2d(interface, 2, 1),
        channels=2,
        **{what: {**RANDOM, "noise_fields": [4]}[what]},
    )
    state = torch.randn(1, 2, 8, 8)
    nn.init.ones_(emulator.trained.gain)
    one, other = (
        emulator.step(state, context=Context(keys=keys(1), seed=seed))[0] for seed in (0, 1)
    )
    assert not torch.equal(one, other)


def test_same_seed_gives_the_deterministic_network_and_its_predictions():
    torch.manual_seed(3)
    plain = Baseline(network=small_unet)
    torch.manual_seed(3)
    random = Baseline(network=small_unet, **RANDOM)
    state = torch.randn(2, 1, 32, 32)
    assert_close(random.step(state)[0], plain.step(state)[0], rtol=0, atol=0)


def test_numbers_have_the_distribution_of_a_standard_normal():
    noise = NoiseInput([4], numbers=5)
    context = Context(keys=keys(2000), seed=1)
    (field,), numbers = noise.add(torch.zeros(2000, 2, 8), (), None, context, 0)
    assert field.shape == (2000, 2, 2)
    assert numbers.shape == (2000, 5)
    drawn = torch.cat((field.flatten(1), numbers), dim=1)
    assert_close(drawn.mean(0), torch.zeros(9), rtol=0, atol=0.1)
    assert_close(drawn.T.cov(), torch.eye(9), rtol=0, atol=0.12)


def test_given_latents_and_parameters_come_first():
    latents = (torch.ones(2, 1, 3),)
    found, parameters = NoiseInput([2], 2).add(
        torch.zeros(2, 1, 6), latents, torch.tensor([[5.0], [6.0]]), Context(), 0
    )
    assert found[0] is latents[0]
    assert found[1].shape == (2, 1, 3)
    assert parameters[:, 0].tolist() == [5.0, 6.0]
    assert parameters.shape == (2, 3)


def test_calls_and_steps_have_numbers_of_their_own():
    noise, state = NoiseInput([2], 0), torch.zeros(1, 1, 8)
    context = Context(keys=keys(1))
    contexts = [(context, 0), (context, 1), (context.after(None), 0)]
    drawn = [noise.add(state, (), None, each, call)[0][0] for each, call in contexts]
    assert not any(torch.equal(drawn[i], drawn[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_calls_of_a_cold_start_have_numbers_of_their_own(monkeypatch):
    emulator = Hierarchical(latents=[(1, 2), (2, 4)], network=small_unet, noise_fields=[2]).eval()
    calls = []
    add = NoiseInput.add

    def record(self, u, latents, parameters, context, call):
        calls.append((context.lead, call))
        return add(self, u, latents, parameters, context, call)

    monkeypatch.setattr(NoiseInput, "add", record)
    emulator.rollout(torch.zeros(1, 1, 16, 16), 3, seed=0)
    assert len(calls) == len(set(calls)) == 2 + 3


@pytest.mark.parametrize("kind", KINDS)
def test_members_differ_and_depend_on_their_initial_condition_and_number_alone(kind):
    torch.manual_seed(1)
    emulator = trained(make(kind)).eval().float()
    states = torch.randn(3, 1, 16, dtype=torch.float32)

    def forecast(index, members, steps=4):
        state, memory = states[index].repeat(members, 1, 1), None
        context = Context(keys=rollout_keys(index, members), seed=5)
        found = []
        for _ in range(steps):
            state, memory = emulator.step(state, memory, context)
            context = context.after(None)
            found.append(state)
        return torch.stack(found, 1).unflatten(0, (members, -1))

    with torch.no_grad():
        together = forecast([0, 1, 2], 3)
        assert torch.equal(forecast([2, 0], 2), together[:2, [2, 0]])
        apart = (together[:, None] - together).abs().amax((-3, -2, -1))
    assert (apart[~torch.eye(3, dtype=bool)] > 1e-6).all()


@pytest.mark.parametrize("kind", KINDS)
def test_every_recipe_is_trained_by_the_score_of_its_members(kind):
    torch.manual_seed(1)
    emulator = trained(make(kind, objective=CRPS(), members=3))
    window = torch.randn(2, emulator.window, 1, 16)
    rank = torch.zeros(2, dtype=torch.int64)
    context = Context(keys=torch.stack((rank, torch.arange(2)), dim=1), batch=4)
    loss = emulator.loss(*repeat_members(window, context, 3))
    loss.backward()
    gradients = [p.grad for p in emulator.trained.parameters() if p.grad is not None]
    assert loss.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.abs().max() > 0 for gradient in gradients)
    with pytest.raises(ValueError, match="compares 3 members of each window, and the 2 windows"):
        make(kind, objective=CRPS(), members=3).loss(window, context)


def test_members_of_a_window_are_trained_for_the_same_case():
    emulator = Hierarchical(
        latents=[(1, 2), (2, 4)], masking=0.7, objective=CRPS(), members=3, noise_fields=[2]
    )
    masks = emulator.draw_masks(30).unflatten(0, (3, 10))
    assert torch.equal(masks[0], masks[1])
    assert torch.equal(masks[0], masks[2])
    assert len(masks[0].unique()) == 3


def test_training_step_gives_each_window_to_all_members():
    emulator = Baseline(network=small_unet, noise_fields=[2], objective=CRPS(), members=3)
    given = []
    emulator.loss = lambda window, context=None: given.append((window, context)) or window.sum()
    emulator.log = lambda *_, **__: None
    emulator.training_step(torch.arange(4.0).reshape(2, 2, 1, 1), 0)
    ((window, context),) = given
    assert window.flatten().tolist() == [0.0, 1.0, 2.0, 3.0] * 3
    assert len(set(map(tuple, context.keys.tolist()))) == 6


def test_members_have_the_inputs_of_their_window():
    context = Context(
        parameters=torch.tensor([[1.0], [2.0]]),
        time=torch.tensor([3.0, 4.0]),
        static=torch.tensor([5.0, 6.0]).reshape(2, 1, 1),
        forcing=torch.tensor([7.0, 8.0]).reshape(2, 1, 1, 1),
    )
    _, found = repeat_members(torch.zeros(2, 1, 1, 1), context, 2)
    assert found.keys is None
    assert found.parameters.flatten().tolist() == [1.0, 2.0, 1.0, 2.0]
    assert found.time.tolist() == [3.0, 4.0, 3.0, 4.0]
    assert found.static.flatten().tolist() == [5.0, 6.0, 5.0, 6.0]
    assert found.forcing.flatten().tolist() == [7.0, 8.0, 7.0, 8.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": CRPS()}, "no random numbers by which they would differ; set model.noise"),
        ({"objective": CRPS(), "members": 1, "noise_fields": [2]}, "at least 2, got 1"),
        ({"noise_fields": [0]}, r"at least 1 and .* got \[0\] and 0"),
        ({"noise_numbers": -1}, r"at least 0, got \[\] and -1"),
    ],
)
def test_malformed_random_inputs_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Baseline(network=small_unet, **options)


def test_factor_that_does_not_divide_the_grid_is_refused():
    emulator = Baseline(network=NETWORKS["FNO"], noise_fields=[3])
    with pytest.raises(ValueError, match=r"factor 3, which does not divide the grid \(16, 16\)"):
        emulator.check((16, 16))


def test_an_equation_takes_no_random_numbers():
    with pytest.raises(ValueError, match=r"ImPiNDiff steps an equation, .* no random numbers"):
        build(noise_numbers=2)
    assert not build().stochastic
    assert issubclass(ImPiNDiff, type(build()))


def test_equal_members_are_refused():
    state = torch.ones(2, 1, 4)
    start = SimpleNamespace(
        initial=state,
        perturbed=state.expand(3, 2, 1, 4),
        index=torch.arange(2),
        steps=1,
        truth_steps=0,
        times=[0.0, 0.0],
        parameters=None,
        truth=lambda lead: state,
    )
    with pytest.raises(ValueError, match=r"The 4 members .* Baseline draws no random numbers"):
        check_members_differ(Baseline(network=small_unet), start, "test")
    check_members_differ(Baseline(network=small_unet, noise_numbers=1), start, "test")
    start.perturbed = start.perturbed + 0.1
    check_members_differ(Baseline(network=small_unet), start, "test")


def test_noise_of_training_is_the_same_for_all_members():
    emulator = Hierarchical(
        latents=[(1, 2)], network=small_unet, noise=0.3, latent_noise=0.2, members=3,
        objective=CRPS(), noise_fields=[2],
    )  # fmt: skip
    window = torch.randn(2, emulator.window, 1, 8, 8).repeat(3, 1, 1, 1, 1)
    _, (state,), (latent,) = emulator.training_start(window, torch.ones(6).long(), Context())
    for field, true in ((state, window[:, 0]), (latent, None)):
        members = field.unflatten(0, (3, 2))
        assert torch.equal(members[0], members[1])
        assert torch.equal(members[0], members[2])
        assert not torch.equal(members[0, 0], members[0, 1])
        assert true is None or not torch.equal(field, true)


def test_dropout_by_which_members_would_differ_in_training_alone_is_refused():
    network = partial(FourierUNet, size=32, width=4, multipliers=(1, 2))
    options = {"noise_fields": [2], "objective": CRPS()}
    with pytest.raises(ValueError, match=r"dropout of 0\.2, .* set it to 0 with model"):
        Baseline(network=network, **options)
    Baseline(network=partial(network, dropout=0.0), **options)
    Baseline(network=network, noise_fields=[2])


@pytest.mark.parametrize("stage", ["fit", "validate", "test", "predict"])
def test_equal_members_are_refused_before_a_run(stage):
    name = {"fit": "val", "validate": "val"}.get(stage, stage)
    source = SimpleNamespace(rollouts={**dict.fromkeys(("val", "test", "predict"), Rollouts())})
    emulator = Baseline(network=small_unet)
    check_ensembles(emulator, source, stage)
    source.rollouts[name] = Rollouts(members=3)
    with pytest.raises(ValueError, match=rf"The 3 members .* set data\.{name}_rollouts.initial_no"):
        check_ensembles(emulator, source, stage)
    source.rollouts[name] = Rollouts(members=3, initial_noise=0.1)
    check_ensembles(emulator, source, stage)


def test_random_inputs_without_an_objective_are_remarked_on():
    source = SimpleNamespace(rollouts=dict.fromkeys(("val", "test", "predict"), Rollouts()))
    with pytest.warns(UserWarning, match=r"teaches it to ignore them; set model\.objective"):
        check_ensembles(Baseline(network=small_unet, noise_fields=[2]), source, "fit")


@pytest.mark.parametrize("kind", KINDS)
def test_members_are_stepped_a_part_at_a_time_with_the_same_result(kind, monkeypatch):
    monkeypatch.setattr("emulators.step_in_parts.SMALLEST", 2)
    emulator = trained(make(kind)).eval().float()
    state = torch.randn(6, 1, 16, dtype=torch.float32)
    context = Context(keys=rollout_keys([0, 1], 3), seed=5)
    memory = parts = None
    with torch.no_grad():
        for _ in range(3):
            whole, memory = emulator.step(state, memory, context)
            found, parts = step_in_parts(emulator.step, state, parts, context, 2)
            assert torch.equal(found, whole)
            state, context = whole, context.after(None)


def test_emulator_of_ones_own_may_draw_by_itself():
    class Own(Baseline):
        stochastic = True

    assert Own(network=small_unet, objective=CRPS()).stochastic
    assert not Baseline(network=small_unet).stochastic
