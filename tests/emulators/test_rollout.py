import pytest
import torch

from emulators.rollout import RolloutObserver, run_rollout


class Doubling:
    def step(self, state, memory=None):
        return 2 * state, None


class RolloutBatch:
    initial = torch.ones(3, 1, 4)
    index = torch.arange(3)
    steps = 5
    truth_steps = 2
    times = (0.0, 0.0, 0.0)
    perturbed = None
    parameters = None

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
        run_rollout(Doubling(), RolloutBatch(), watchers)
    expected = [(1, 2, 10), (2, 4, 20), (3, 8, None), (4, 16, None), (5, 32, None)]
    for watcher in watchers:
        assert watcher.seen == ["begin", *expected, "end"]


class Judge(Watcher):
    """Gives up the second trajectory at the third step."""

    def begin(self, start):
        self.gone = torch.zeros(3, dtype=torch.bool)

    def observe(self, lead, forecast, truth):
        self.seen.append(lead)
        self.gone = self.gone | torch.tensor([False, lead == 3, False])

    def find_diverged(self):
        return self.gone


class Told(Watcher):
    def observe(self, lead, forecast, truth):
        self.seen.append((lead, self.diverged.tolist()))


@pytest.mark.parametrize("first", [True, False])
def test_state_in_which_a_trajectory_is_lost_is_shown_as_lost_in_any_order(first):
    told, judge = Told(), Judge()
    run_rollout(Doubling(), RolloutBatch(), [told, judge] if first else [judge, told])
    assert told.seen[1:-1] == [
        (1, [False, False, False]),
        (2, [False, False, False]),
        (3, [False, True, False]),
        (4, [False, True, False]),
        (5, [False, True, False]),
    ]
    assert judge.seen[:-1] == [1, 2, 3, 4, 5]
