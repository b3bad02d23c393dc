import torch
from torch.testing import assert_close

from emulators.rollout import RolloutObserver, watch


class Doubling:
    def unroll(self, state):
        while True:
            state = 2 * state
            yield state


class Start:
    initial = torch.ones(3, 1, 4)
    index = torch.arange(3)
    steps = 5
    truth_steps = 2
    perturbed = None

    def truth(self, lead):
        return torch.full((3, 1, 4), 10.0 * lead)


class Watcher(RolloutObserver):
    def __init__(self):
        self.seen = []

    def begin(self, start):
        self.seen.append("begin")

    def observe(self, lead, forecast, truth):
        self.seen.append((lead, forecast.unique().item(), truth if truth is None else truth.max()))
        assert not torch.is_autocast_enabled("cpu")

    def end(self):
        self.seen.append("end")


def test_every_observer_sees_every_state_once_and_truth_until_its_end():
    watchers = [Watcher(), Watcher()]
    with torch.autocast("cpu", torch.bfloat16):
        watch(Doubling(), Start(), watchers)
    expected = [(1, 2, 10), (2, 4, 20), (3, 8, None), (4, 16, None), (5, 32, None)]
    for watcher in watchers:
        assert watcher.seen == ["begin", *expected, "end"]


def test_solver_can_be_watched_like_an_emulator():
    from datamodules.solvers import Grid, KuramotoSivashinsky, SpectralSolver

    solver = SpectralSolver(KuramotoSivashinsky(Grid((16,), (22.0,))), 0.1, 0.5)
    start, states = Start(), []
    start.initial = torch.randn(3, 1, 16)
    start.truth = lambda lead: start.initial

    class Keeper(Watcher):
        def observe(self, lead, forecast, truth):
            states.append(forecast)

    watch(solver, start, [Keeper()])
    assert_close(torch.stack(states, 1), solver.rollout(start.initial, 5))
