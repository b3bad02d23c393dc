import types

import numpy as np
import pytest
import torch

from callbacks import EnergyStability
from datamodules.solvers.pseudo_spectral.vorticity import energy
from tests.callbacks.conftest import Data, Exact, RolloutBatch, Scripted


def data(plane):
    torch.manual_seed(0)
    return Data(plane, torch.randn(9, 1, 8, 8))


def start(size, steps=40, count=1, index=0):
    torch.manual_seed(0)
    initial = size * torch.randn(1, 1, 8, 8).expand(count, -1, -1, -1)
    return RolloutBatch(initial, torch.arange(index, index + count), steps, 0)


def test_reference_is_the_energy_of_the_split(evaluate, plane):
    reference = data(plane)
    scores = evaluate(EnergyStability(), Exact(), reference, [start(1.0)])
    values = energy(reference.states[:, 0], plane)
    np.testing.assert_allclose(scores["reference_energy_mean"], values.mean())
    np.testing.assert_allclose(scores["reference_energy_std"], values.std(correction=0))


def test_steady_flow_inside_the_band_is_stable(evaluate, plane):
    scores = evaluate(EnergyStability(width=50.0), Exact(), data(plane), [start(1.0, count=3)])
    assert scores["stable"].all()
    assert (scores["stability_rate"] == 1).all()
    assert (scores["survival_time"] == 40 * 0.5).all()


def test_growing_energy_leaves_the_band_when_the_formula_says(evaluate, plane):
    # E_n = E_0 growth^(2n) leaves |E - m| <= w s first when E_0 growth^(2n) > m + w s
    growth, width = 1.05, 5.0
    reference = data(plane)
    values = energy(reference.states[:, 0], plane)
    limit = values.mean() + width * values.std(correction=0)
    first = energy(start(1.0).initial[:, 0], plane)
    survived = int(torch.floor(torch.log(limit / first) / (2 * np.log(growth))))
    assert 0 < survived < 40
    scores = evaluate(EnergyStability(width=width), Exact(growth), reference, [start(1.0)])
    assert scores["survival_time"].item() == survived * 0.5
    assert not scores["stable"].item()
    expected = (np.arange(1, 41) <= survived).astype(float)
    np.testing.assert_array_equal(scores["stability_rate"], expected)


class Recovering(Scripted):
    def at(self, lead, first):
        return first * (100.0 if lead == 3 else 1.0)


def test_recovery_does_not_count(evaluate, plane):
    scores = evaluate(EnergyStability(width=50.0), Recovering(), data(plane), [start(1.0)])
    assert scores["survival_time"].item() == 2 * 0.5
    assert scores["stability_rate"].values[-1] == 0


def test_what_is_not_finite_is_unstable_from_the_first_step(evaluate, plane):
    diagnostic = EnergyStability(width=50.0)
    scores = evaluate(diagnostic, Exact(float("nan")), data(plane), [start(1.0)])
    assert scores["survival_time"].item() == 0
    assert diagnostic.summary(scores)["stability_rate"] == 0
    assert diagnostic.figures(scores)["energy"]


def test_checks_every_so_many_steps(evaluate, plane):
    # unstable at step 3 alone: a check every 2 steps does not see it
    scores = evaluate(EnergyStability(50.0, every=2), Recovering(), data(plane), [start(1.0)])
    assert scores["stable"].item()
    np.testing.assert_allclose(scores["long_lead_time"], np.arange(1, 21) * 2 * 0.5)


def test_long_series_are_thinned_but_checked_everywhere(evaluate, plane):
    diagnostic = EnergyStability(width=50.0, points=7, stop_at=1e12)
    scores = evaluate(diagnostic, Recovering(), data(plane), [start(1.0)])
    # 40 checks in at most 7 points: every sixth, at steps 6, 12, ... 36
    np.testing.assert_allclose(scores["long_lead_time"], np.arange(1, 7) * 6 * 0.5)
    assert scores["energy"].shape == (1, 6)
    assert np.isfinite(scores["energy"]).all()
    assert not scores["stable"].item()


def test_scores_do_not_depend_on_the_batches(evaluate, plane):
    whole = evaluate(EnergyStability(), Exact(1.01), data(plane), [start(1.0, count=4)])
    parts = evaluate(
        EnergyStability(),
        Exact(1.01),
        data(plane),
        [start(1.0, count=1, index=3), start(1.0, count=3, index=0)],
    )
    assert whole.identical(parts)


def test_channels_of_different_units_are_added_in_units_of_their_deviation(evaluate):
    state = torch.stack([3 * torch.ones(16), 4 * torch.ones(16)])[None]
    data = Data(None, torch.randn(9, 2, 16), variables=("p", "t"))
    scores = evaluate(
        EnergyStability(1e6),
        Exact(std=2.0, channels=2),
        data,
        [RolloutBatch(state, torch.arange(1), 5, 0)],
    )
    departure = (state[0] - data.states.mean(0)) / 2
    np.testing.assert_allclose(scores["energy"], 0.5 * (departure**2).mean())
    assert scores["energy"].attrs["units"] == "training variance"


def test_other_systems_use_half_the_mean_square_departure_from_the_time_mean(evaluate):
    states = [[1.0, 5.0, -2.0, 7.0], [3.0, 5.0, 0.0, 1.0], [5.0, 5.0, -4.0, 4.0]]
    line = Data(None, torch.tensor(states)[:, None], ("u",))
    start = RolloutBatch(torch.tensor([[[4.0, 5.0, -1.0, 2.0]]]), torch.arange(1), 5, 0)
    # time mean 3, 5, -2, 4: departures of the data -2, 0, 0, 3; 0, 0, 2, -3; 2, 0, -2, 0
    scores = evaluate(EnergyStability(), Exact(), line, [start])
    np.testing.assert_allclose(scores["energy"], 0.5 * (1 + 1 + 4) / 4)
    np.testing.assert_allclose(scores["reference_energy_mean"], 0.5 * (13 + 13 + 8) / 12)
    assert "departure from the time mean" in scores["energy"].attrs["long_name"]


class Several(Data):
    """Data whose training split has trajectories of unequal lengths."""

    def __init__(self, *parts):
        super().__init__(None, torch.cat(parts), ("u", "v"))
        self.parts = parts

    def trajectories(self, split):
        return types.SimpleNamespace(
            chunks=lambda label, snapshots=3: (c for p in self.parts for c in p.split(snapshots)),
            pieces_of=lambda k, snapshots=2: self.parts[k].split(snapshots),
            lengths=[len(part) for part in self.parts],
        )


def test_a_trajectory_is_measured_from_the_mean_of_the_others(evaluate):
    parts = [5 * k + torch.randn(n, 2, 6) for k, n in enumerate((4, 7, 5))]
    emulator, start = Exact(channels=2), RolloutBatch(parts[0][:1], torch.arange(1), 5, 0)
    emulator.standardize.std = torch.tensor([2.0, 0.5])
    scores = evaluate(EnergyStability(), emulator, Several(*parts), [start])
    parts = [part.numpy() / [[2.0], [0.5]] for part in parts]  # channels in units of their spread
    energies = []
    for k, part in enumerate(parts):
        others = np.concatenate([other for n, other in enumerate(parts) if n != k])
        energies.append(0.5 * ((part - others.mean(0)) ** 2).mean((1, 2)))
    energies = np.concatenate(energies)
    np.testing.assert_allclose(scores["reference_energy_mean"], energies.mean(), rtol=1e-12)
    np.testing.assert_allclose(scores["reference_energy_std"], energies.std(), rtol=1e-12)
    departure = parts[0][0] - np.concatenate(parts).mean(0)  # of a forecast: from the mean of all
    np.testing.assert_allclose(scores["energy"], 0.5 * (departure**2).mean(), rtol=1e-12)


class Dead(Scripted):
    """Decays to the time mean of the data within a step; another share of it is kept."""

    def __init__(self, mean, kept, **options):
        super().__init__(**options)
        self.mean, self.kept = mean, kept

    def at(self, lead, first):
        return self.mean + self.kept * (first - self.mean)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kept", [0.0, 1.0])
def test_energy_of_a_field_far_from_zero_shows_whether_it_is_dead(channels, kept, evaluate):
    # temperature 285 ± 3 K around a map of its own, and humidity 0.01 ± 0.001
    mean = torch.tensor([285.0, 0.01])[:channels, None] * (1 + 0.1 * torch.randn(2, 16)[:channels])
    spread = torch.tensor([3.0, 0.001])[:channels, None]
    states = mean + spread * torch.randn(400, channels, 16)
    data = Data(None, states, variables=("t", "q")[:channels])
    emulator = Dead(states.mean(0), kept, channels=channels)
    emulator.standardize.std = spread[:, 0]
    diagnostic = EnergyStability()
    starts = [RolloutBatch(states[:40], torch.arange(40), 5, 0)]
    scores = evaluate(diagnostic, emulator, data, starts)
    ratio = diagnostic.summary(scores)["mean_energy_ratio"]
    assert ratio == pytest.approx(kept, abs=0.1)  # 640 or 1280 numbers: ± 6 %
    said = [text for text in diagnostic.remarks(scores) if "variability" in text]
    assert len(said) == (not kept)
    assert all("keep 0%" in text for text in said)


@pytest.mark.parametrize("options", [{"width": 0.0}, {"every": 0}, {"points": 1}])
def test_malformed_options_are_refused(options):
    with pytest.raises(ValueError, match="EnergyStability needs width above 0"):
        EnergyStability(**options)


def test_options_that_contradict_are_refused():
    with pytest.raises(
        ValueError, match="stop_at of at least 1 and at least one of bands, got stop_at"
    ):
        EnergyStability(stop_at=0.5)


def test_enstrophy_has_its_own_band_and_reason(evaluate, plane):
    # the pattern moves to smaller scales at constant energy: only the enstrophy leaves its band
    y, x = plane.points()
    unit = 2 * np.pi / 2.0
    initial = 3 * torch.cos(unit * x)[None, None]

    class Refining(Scripted):
        def at(self, lead, first):
            return 3 * 3 * torch.cos(3 * unit * y)[None, None]

    reference = Data(plane, initial * (1 + 0.1 * torch.randn(9, 1, 1, 1)))
    starts = [RolloutBatch(initial, torch.arange(1), 10, 0)]
    one = evaluate(EnergyStability(), Refining(), reference, starts)
    assert one["stable"].item()
    assert one["failure"].item() == ""
    both = EnergyStability(bands=("energy", "enstrophy"))
    scores = evaluate(both, Refining(), reference, starts)
    assert scores["failure"].item() == "enstrophy"
    np.testing.assert_allclose(scores["enstrophy"], 81 / 4)
    np.testing.assert_allclose(scores["reference_enstrophy_mean"], float(
        (reference.states**2).mean() / 2))  # fmt: skip
    assert set(both.figures(scores)) == {"energy", "enstrophy"}


def test_enstrophy_is_refused_where_it_is_not_defined(evaluate):
    line = Data(None, torch.randn(9, 1, 16), variables=("u",))
    with pytest.raises(ValueError, match="bands asks for 'enstrophy', which is defined for the"):
        evaluate(EnergyStability(bands=("enstrophy",)), Exact(), line, [])


def test_reason_and_last_good_state_of_each_failure(evaluate, plane):
    class Failing(Scripted):
        def at(self, lead, first):
            state = (1 + 0.01 * lead) * first
            if lead > 5:
                state[0] = float("nan")
            if lead > 7:
                state[1] = 1000 * first[1]
            return state

    starts = [start(1.0, steps=20, count=3)]
    scores = evaluate(EnergyStability(width=50.0), Failing(), data(plane), starts)
    assert scores["failure"].values.tolist() == ["not finite", "energy", ""]
    assert scores["failed"].values.tolist() == [0, 1]
    first = starts[0].initial[0]
    np.testing.assert_allclose(scores["last_good_state"][0], 1.05 * first)
    np.testing.assert_allclose(scores["last_good_state"][1], 1.07 * first)


class Counting(Exact):
    """Doubles the first trajectory at each step, and notes how many it was asked for."""

    def step(self, state, growth=None):
        if growth is None:
            self.sizes = []
            growth = torch.ones(len(state), 1, 1, 1)
            growth[0] = 2.0
        self.sizes.append(len(state))
        return growth * state, growth


def test_what_is_lost_is_no_longer_computed_past_the_truth(evaluate, plane):
    emulator, starts = Counting(), [start(1.0, steps=250, count=3)]
    starts[0].truth_steps = 150
    diagnostic = EnergyStability(width=50.0)
    scores = evaluate(diagnostic, emulator, data(plane), starts)
    assert emulator.sizes == 200 * [3] + 50 * [2]
    assert scores["stable"].values.tolist() == [False, True, True]
    assert np.isfinite(scores["energy"].values[1:]).all()
    energy, mean = scores["energy"].values[0], float(scores["reference_energy_mean"])
    last = np.flatnonzero(np.isfinite(energy))[-1]  # the first beyond four bands ends the series
    assert np.isfinite(energy[: last + 1]).all()
    assert np.isnan(energy[last + 1 :]).all()
    far = 4 * 50 * float(scores["reference_energy_std"])
    assert abs(energy[last] - mean) > far >= abs(energy[last - 1] - mean)
    reasons = diagnostic.remarks(scores)[:1]
    assert reasons == [
        "2 of 3 rollouts stay within the band to the end; 1 outside the band of the energy."
    ]


def test_rollout_ends_when_all_are_lost(evaluate, plane):
    emulator = Counting()
    scores = evaluate(EnergyStability(), emulator, data(plane), [start(1.0, steps=500)])
    assert emulator.sizes == 100 * [1]
    assert scores["survival_time"].item() < 50
    assert scores["stability_rate"][-1] == 0


def test_a_band_that_reaches_zero_is_named(evaluate, plane):
    diagnostic = EnergyStability(width=1e4)
    scores = evaluate(diagnostic, Exact(), data(plane), [start(1.0)])
    assert "the band of the energy reaches down to zero" in diagnostic.remarks(scores)[1]
    narrow = EnergyStability(width=1e-3)
    assert len(narrow.remarks(evaluate(narrow, Exact(), data(plane), [start(1.0)]))) == 1
