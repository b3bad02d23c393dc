"""Losses and gradients on the scalar map û' = a u, whose derivatives are known."""

import types

import pytest
import torch

from emulators import L2, Pushforward, Unrolled

A, TRUTH = 0.9, 0.7  # the emulator's factor and the truth's
LENGTH = {Pushforward: "detached_steps", Unrolled: "unrolled_steps"}


class Scalar(torch.nn.Module):
    """u -> a u."""

    def __init__(self):
        super().__init__()
        self.a = torch.nn.Parameter(torch.tensor(A, dtype=torch.float64))

    def forward(self, u):
        return self.a * u


def made(kind, **options):
    return kind(network=Scalar(), distance=L2(), ema_decay=0.0, **options).double()


def window(steps):
    """Return one trajectory u_k = TRUTH^k of one point per snapshot."""
    return (TRUTH ** torch.arange(steps, dtype=torch.float64)).reshape(1, steps, 1, 1, 1)


def gradient(emulator):
    loss = emulator.loss(window(emulator.window))
    loss.backward()
    return loss.item(), emulator.trained.module.a.grad.item()


@pytest.mark.parametrize("steps", [1, 3])
def test_pushforward_takes_the_gradient_of_the_last_step_alone(steps):
    # loss (a v - t)² with v = a^R held fixed: gradient 2 v (a v - t)
    loss, slope = gradient(made(Pushforward, detached_steps=steps, draw="fixed"))
    own, target = A**steps, TRUTH ** (steps + 1)
    assert loss == pytest.approx((A * own - target) ** 2)
    assert slope == pytest.approx(2 * own * (A * own - target))


def test_unrolled_takes_the_gradient_through_all_steps():
    # mean of (a^k - t^k)²: gradient mean of 2 k a^(k-1) (a^k - t^k)
    loss, slope = gradient(made(Unrolled, unrolled_steps=3))
    errors = [A**k - TRUTH**k for k in (1, 2, 3)]
    assert loss == pytest.approx(sum(e**2 for e in errors) / 3)
    expected = sum(2 * k * A ** (k - 1) * e for k, e in zip((1, 2, 3), errors, strict=True)) / 3
    assert slope == pytest.approx(expected)


def test_detached_takes_the_gradient_of_each_step():
    # inputs a^(k-1) are held fixed: gradient mean of 2 a^(k-1) (a^k - t^k)
    loss, slope = gradient(made(Unrolled, unrolled_steps=3, gradient="detached"))
    errors = [A**k - TRUTH**k for k in (1, 2, 3)]
    assert loss == pytest.approx(sum(e**2 for e in errors) / 3)
    expected = sum(2 * A ** (k - 1) * e for k, e in zip((1, 2, 3), errors, strict=True)) / 3
    assert slope == pytest.approx(expected)


def test_checkpointing_changes_memory_and_nothing_else():
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.SiLU(), torch.nn.Conv2d(8, 1, 3, padding=1)
    )
    states, results = torch.randn(2, 6, 1, 8, 8), []
    for checkpointing in (False, True):
        emulator = Unrolled(
            network=network, unrolled_steps=5, checkpointing=checkpointing, ema_decay=0.0
        )
        emulator.zero_grad()
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, kept=kept: kept.append(x.numel()) or x, lambda x: x
        ):
            loss = emulator.loss(states)
        loss.backward()
        results.append((loss.item(), network[0].weight.grad.clone(), sum(kept)))
    (one, slope, bytes_one), (two, again, bytes_two) = results
    assert one == two
    assert torch.equal(slope, again)
    assert bytes_two < bytes_one / 2


def attach(emulator, step):
    """Let an emulator believe that a trainer has done so many optimiser steps."""
    loop = types.SimpleNamespace(total_batch_idx=step)
    trainer = types.SimpleNamespace(
        global_step=step, training=True, global_rank=0, fit_loop=loop, world_size=1
    )
    emulator._trainer = trainer
    return emulator


@pytest.mark.parametrize(("kind", "first"), [(Pushforward, 0), (Unrolled, 1)])
def test_curriculum_grows_with_the_optimiser_steps(kind, first, monkeypatch):
    emulator = made(kind, **{LENGTH[kind]: first + 2}, curriculum=10)
    monkeypatch.setattr(kind, "trainer", property(lambda self: self._trainer), raising=False)
    options = {"draw": "fixed"} if kind is Pushforward else {}
    for step, steps in ((0, 0), (9, 0), (10, 1), (19, 1), (20, 2), (500, 2)):
        attach(emulator, step)
        emulator.draw = options.get("draw")
        taken = first + steps
        states = window(emulator.window)
        expected = made(kind, **{LENGTH[kind]: max(1, taken)}, **options)
        if kind is Pushforward and taken == 0:  # the one-step loss
            wanted = (A - TRUTH) ** 2
        else:
            wanted = expected.loss(window(expected.window)).item()
        assert emulator.loss(states).item() == pytest.approx(wanted)


def test_steps_are_drawn_evenly_and_again_by_a_resumed_run(monkeypatch):
    emulator = made(Pushforward, detached_steps=3)
    monkeypatch.setattr(Pushforward, "trainer", property(lambda self: self._trainer), raising=False)
    drawn = [attach(emulator, step).draw_steps() for step in range(2000)]
    counts = torch.bincount(torch.tensor(drawn))
    assert len(counts) == 4
    assert (counts / 2000 - 0.25).abs().max() < 0.04
    assert [attach(emulator, step).draw_steps() for step in range(50)] == drawn[:50]


@pytest.mark.parametrize("kind", [Pushforward, Unrolled])
def test_malformed_options_are_refused(kind):
    with pytest.raises(ValueError, match="steps of at least 1 and curriculum of at least 0, got"):
        made(kind, **{LENGTH[kind]: 0})
    with pytest.raises(ValueError, match="curriculum=-1"):
        made(kind, curriculum=-1)


def test_windows_that_are_too_short_are_refused():
    with pytest.raises(ValueError, match=r"Pushforward needs windows of at least 5 .* got 4"):
        made(Pushforward, detached_steps=3).loss(window(4))
