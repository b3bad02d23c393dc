"""What every emulator must do; a new subclass is covered the day it is written."""

from types import SimpleNamespace

import pytest
import torch
from lightning import Callback, Trainer
from torch.testing import assert_close
from torch.utils.data import DataLoader

from emulators import L2, Distance, Emulator, ImPiNDiff, UNet, Untrained
from emulators.context import Context
from emulators.rollout import RolloutState
from tests.emulators.networks_for_tests import small_unet


def below(kind):
    """All classes under a class."""
    return [found for child in kind.__subclasses__() for found in (child, *below(child))]


WITHOUT_NETWORK = (*below(Untrained), Untrained, ImPiNDiff)  # tested in files of their own
EMULATORS = [
    kind
    for kind in below(Emulator)
    if kind.__module__.startswith("emulators.") and kind not in WITHOUT_NETWORK
]


def build(kind, **options):
    torch.manual_seed(3)
    emulator = kind(network=small_unet, **options)
    for parameter in emulator.trained.parameters():  # blocks start as the identity: leave that
        parameter.data += 0.05 * torch.randn_like(parameter)
    if emulator.averaged is not None:
        emulator.averaged.load_state_dict(emulator.trained.state_dict())
    one = torch.ones(emulator.channels)
    emulator.standardize.set_statistics(2.0 * one, 3.0 * one, 0.5 * one)
    return emulator


def states(batch=3, channels=1, size=16):
    generator = torch.Generator().manual_seed(0)
    return 2 + 3 * torch.randn(batch, channels, size, size, generator=generator)


@pytest.fixture(params=EMULATORS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture
def same_draws(kind, monkeypatch):
    """One step without gradient and the regular case, so that only the noise is random."""
    draws = {"draw_steps": lambda self: 1}
    draws["draw_masks"] = lambda self, samples: torch.full((samples,), len(self.layout.masks) - 1)
    for name in draws.keys() & set(dir(kind)):
        monkeypatch.setattr(kind, name, draws[name])


def windows(emulator, batch=16):
    return states(batch * emulator.window).reshape(batch, emulator.window, 1, 16, 16)


def test_rollout_is_repeated_step(kind):
    emulator = build(kind).eval()
    state, memory = states(), None
    rollout = emulator.rollout(state, 4)
    assert rollout.shape == (3, 4, 1, 16, 16)
    for lead in range(4):
        state, memory = emulator.step(state, memory)
        assert_close(rollout[:, lead], state)


def test_batch_members_do_not_interact(kind):
    emulator = build(kind).eval()
    whole = emulator.rollout(states(), 3)
    assert_close(emulator.rollout(states()[1:2], 3), whole[1:2])


def test_every_parameter_gets_a_finite_gradient(kind):
    emulator = build(kind)
    emulator.loss(windows(emulator)).backward()
    for name, parameter in emulator.trained.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_window_that_is_too_short_is_refused_by_name(kind):
    emulator = build(kind)
    window = states(2 * (emulator.window - 1)).reshape(2, emulator.window - 1, 1, 16, 16)
    message = rf"{kind.__name__} needs windows of at least {emulator.window} snapshots"
    with pytest.raises(ValueError, match=message):
        emulator.loss(window)


def test_step_is_in_physical_units(kind):
    # the same field in other units, with the statistics in those units, gives the same forecast
    emulator, other = build(kind).eval(), build(kind).eval()
    one = torch.ones(1)
    other.standardize.set_statistics(7.0 + 10 * 2.0 * one, 10 * 3.0 * one, 10 * 0.5 * one)
    forecast = emulator.rollout(states(), 2)
    assert_close(other.rollout(7.0 + 10 * states(), 2), 7.0 + 10 * forecast)


def test_two_channels_and_one_dimension(kind):
    torch.manual_seed(0)
    emulator = kind(network=small_unet, channels=2, dimensions=1).eval()
    assert emulator.rollout(torch.randn(3, 2, 16), 3).shape == (3, 3, 2, 16)


def test_evaluation_uses_the_averaged_weights(kind):
    emulator = build(kind)
    emulator.averaged.load_state_dict(
        {k: v + 0.1 for k, v in emulator.trained.state_dict().items()}
    )
    assert emulator.train().network is emulator.trained
    assert emulator.eval().network is emulator.averaged
    plain = build(kind, ema_decay=0.0)
    assert plain.eval().network is plain.trained


def test_average_follows_the_formula(kind):
    emulator = build(kind, ema_decay=0.9)
    start = [p.clone() for p in emulator.averaged.parameters()]
    for parameter in emulator.trained.parameters():
        parameter.data += 1
    emulator.update_average(2)  # young: decay 3/12
    for average, old in zip(emulator.averaged.parameters(), start, strict=True):
        assert_close(average, old + 0.75)
    emulator.update_average(1000)  # old: decay 0.9
    for average, old in zip(emulator.averaged.parameters(), start, strict=True):
        assert_close(average, old + 0.75 * 0.9 + 0.1)


def test_only_the_trained_weights_are_optimised(kind):
    emulator = build(kind)
    chosen = {id(p) for p in emulator.parameters() if p.requires_grad}
    assert chosen == {id(p) for p in emulator.trained.parameters()}


class Averages(Callback):
    """Follows the average by its recursion, from the weights after each step."""

    def __init__(self, decay):
        self.decay = decay
        self.steps = 0

    def on_train_start(self, trainer, pl_module):
        self.wanted = [p.detach().clone() for p in pl_module.trained.parameters()]

    def on_train_batch_end(self, trainer, pl_module, *_):
        if trainer.global_step == self.steps:
            return  # gradients are still accumulated
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))  # of the steps before
        self.steps += 1
        for average, p in zip(self.wanted, pl_module.trained.parameters(), strict=True):
            average.mul_(decay).add_((1 - decay) * p.detach())


def train(kind, tmp_path, callbacks=(), batches=1, **options):
    """Train for three steps by Lightning's loop, without a file."""
    emulator = build(kind, schedule=None, **options)
    emulator.setup = lambda stage: None  # as after it: there are statistics
    loader = DataLoader(windows(emulator, 8 * batches), batch_size=4)
    trainer = Trainer(
        max_steps=3, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=list(callbacks),
        accumulate_grad_batches=batches, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(emulator, loader)
    return emulator


@pytest.mark.parametrize("batches", [1, 2])
def test_average_follows_every_step_of_training(kind, tmp_path, batches):
    follower = Averages(decay=0.2)  # 1/10, 2/11, then 0.2 < 3/12
    emulator = train(kind, tmp_path, [follower], batches, ema_decay=0.2)
    assert follower.steps == 3
    pairs = zip(emulator.averaged.parameters(), emulator.trained.parameters(), strict=True)
    for (average, last), wanted in zip(pairs, follower.wanted, strict=True):
        assert_close(average, wanted)
        assert not torch.equal(average, last)


def test_training_perturbs_the_input_and_nothing_else(kind, same_draws):
    emulator, given = build(kind, noise=0.5), []
    emulator.trained.register_forward_pre_hook(lambda module, args: given.append(args[0]))
    window = windows(emulator)
    emulator.loss(window)
    noise = given[0] - emulator.standardize(window[:, 0])
    # 16 · 256 numbers: one standard error of the spread is 1.1 %
    assert noise.std().item() == pytest.approx(0.5, rel=0.05)
    assert abs(noise.mean().item()) < 0.03
    for parameter in emulator.trained.parameters():  # an output that does not depend on the input
        parameter.data.zero_()
    loud = emulator.loss(window)
    emulator.noise = 0.0
    assert_close(loud, emulator.loss(window))


def test_evaluation_is_not_perturbed(kind):
    noisy, quiet = (build(kind, noise=noise).eval() for noise in (0.5, 0.0))
    assert torch.equal(noisy.rollout(states(), 3), quiet.rollout(states(), 3))


def test_draws_depend_on_rank_step_seed_and_purpose(kind):
    emulator = build(kind)

    def seed(rank=0, batch=5, began=1, purpose="noise", training=True):
        loop = SimpleNamespace(total_batch_idx=batch)
        emulator._trainer = SimpleNamespace(training=training, global_rank=rank, fit_loop=loop)
        emulator.training_seed = began
        generator = emulator.random(purpose)
        return generator and generator.initial_seed()

    found = [seed(), seed(rank=1), seed(batch=6), seed(began=2), seed(purpose="cases")]
    assert len(set(found)) == 5
    assert seed() == found[0]
    assert seed(training=False) is None


class Twice(Distance):
    def forward(self, prediction, target):
        return 2 * (prediction - target).square().flatten(1).mean(1)


def test_loss_is_made_of_the_distance_chosen(kind, same_draws):
    once, twice = (build(kind, distance=distance) for distance in (L2(), Twice()))
    assert_close(2 * once.loss(windows(once)), twice.loss(windows(once)))


def test_loss_is_that_of_standardised_fields(kind, same_draws):
    # the same field in other units, with the statistics in those units
    emulator, other = build(kind), build(kind)
    one = torch.ones(1)
    other.standardize.set_statistics(7.0 + 10 * 2.0 * one, 10 * 3.0 * one, 10 * 0.5 * one)
    window = windows(emulator)
    assert_close(other.loss(7.0 + 10 * window), emulator.loss(window))


def test_parameters_reach_the_network_in_steps_and_in_training(kind, same_draws):
    emulator = build(kind, parameters=2)
    window, known = windows(emulator, 4), torch.randn(4, 2)
    found = []
    for told in (known, -known):
        context = Context(told)
        step = emulator.step(window[:, 0], None, context)[0]
        found.append((emulator.loss(window, context).item(), step))
    (loss, state), (other_loss, other_state) = found
    assert loss != other_loss
    assert (state - other_state).flatten(1).norm(dim=1).min() > 0
    emulator.loss(window, Context(known)).backward()
    for name, parameter in emulator.trained.film.named_parameters():
        assert parameter.grad.abs().max() > 0, name


def test_increment_of_zero_is_persistence(kind):
    emulator = build(kind, predict="increment").eval()
    for parameter in emulator.averaged.parameters():
        parameter.data.zero_()
    assert_close(emulator.rollout(states(), 3), states()[:, None].expand(-1, 3, -1, -1, -1))


def test_increments_are_scaled_by_their_spread(kind):
    emulator = build(kind, predict="increment")
    u, output = torch.randn(2, 1, 8, 8), torch.ones(2, 1, 8, 8)
    assert_close(emulator.next_state(u, output), u + 0.5 / 3.0)


def test_plain_module_serves_as_network(kind):
    probe = kind(network=UNet)  # how many channels a plain module must take and give
    inputs = 1 + len(probe.trained.latent_inputs)
    cases = len(probe.layout.masks) if hasattr(probe, "layout") else 0
    outputs = 1 + len(probe.trained.latent_outputs)
    module = torch.nn.Conv2d(inputs + cases, outputs, 3, padding=1, padding_mode="circular")
    emulator = kind(network=module).eval()
    assert emulator.rollout(states(), 2).shape == (3, 2, 1, 16, 16)


def test_bad_decay_is_refused(kind):
    with pytest.raises(ValueError, match=r"ema_decay must lie in \[0, 1\), got 1.0"):
        kind(network=small_unet, ema_decay=1.0)


def test_only_plain_settings_are_kept_as_hyperparameters(kind):
    emulator = build(kind)
    assert emulator.hparams["predict"] == "state"
    assert "network" not in emulator.hparams


def test_checkpoint_of_python_is_loaded_with_its_settings(kind, tmp_path):
    emulator = build(kind, predict="increment").eval()
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    trainer.strategy.connect(emulator)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    loaded = kind.load_from_checkpoint(tmp_path / "a.ckpt", network=small_unet)
    assert_close(loaded.rollout(states(), 3), emulator.rollout(states(), 3), rtol=0, atol=0)


def test_members_that_are_left_out_do_not_change_the_others(kind):
    emulator = build(kind).eval()
    keep = torch.tensor([True, False, True])
    whole = RolloutState(0, states(), None, Context(), torch.arange(3))
    for lead in range(1, 5):
        state, memory = emulator.step(whole.state, whole.memory)
        whole = RolloutState(lead, state, memory, whole.context, whole.active)
        if lead == 2:
            part = whole.choose(keep)
        elif lead > 2:
            state, memory = emulator.step(part.state, part.memory)
            part = part._replace(state=state, memory=memory)
    assert part.active.tolist() == [0, 2]
    assert_close(part.state, whole.state[keep])
