"""Plumes of a principal component, against a singular value decomposition in NumPy."""

import numpy as np
import pytest
import torch
import xarray

from callbacks import ComponentPlume, EnergyPlume, PCAAutocorrelation
from tests.callbacks.conftest import Data, Exact, RolloutBatch
from tests.callbacks.test_calibration import members_and_truth
from tests.callbacks.test_masked_points import mask, pair, scored, sphere, weights

STD = np.array([2.0, 0.3])


def decomposed(states):
    """Return mean, components and shares of states (time, ...), signs by the largest entry."""
    flat = states.reshape(len(states), -1)
    _, singular, rows = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    largest = rows[np.arange(len(rows)), np.abs(rows).argmax(1)]
    share = singular**2 / (singular**2).sum()
    return flat.mean(0), rows * np.sign(largest)[:, None], share


@pytest.fixture
def case(plane):
    """Three members and a truth of two channels, unequal in every sample, channel and lead."""
    scale = torch.from_numpy(STD).reshape(2, 1, 1)
    shape = 1 + torch.arange(8.0)
    offset = torch.tensor([-1.0, 0.2]).reshape(2, 1, 1)
    known = Data(plane, offset + scale * shape * torch.randn(60, 2, 8, 8), variables=("p", "t"))
    known.rollouts["test"].members, known.rollouts["test"].initial_conditions = 3, 4
    initial = offset + scale * torch.randn(4, 2, 8, 8) * torch.arange(1.0, 5).reshape(4, 1, 1, 1)
    start = RolloutBatch(initial, torch.arange(4), 6, 5, growth=0.9)
    start.perturbed = initial + 0.3 * scale * torch.randn(2, 4, 2, 8, 8)
    emulator = Exact(1.1, channels=2)
    emulator.standardize.std = torch.from_numpy(STD)
    return known, emulator, start


@pytest.mark.parametrize("component", [1, 3])
def test_plume_is_the_projection_of_each_member(component, case, evaluate):
    known, emulator, start = case
    diagnostic = ComponentPlume(component, initial_conditions=2)
    scores = evaluate(diagnostic, emulator, known, [start])
    std = STD[:, None, None]
    mean, rows, share = decomposed(known.states.numpy() / std)

    def project(state):  # (..., channel, y, x)
        return ((state / std).reshape(*state.shape[:-3], -1) - mean) @ rows[component - 1]

    initial = torch.cat((start.initial[None], start.perturbed)).numpy()[:, [0, 3]]
    leads = np.arange(1, 6)
    members = project(initial[:, :, None] * 1.1 ** leads[:, None, None, None])
    truth = project(initial[0, :, None] * 0.9 ** leads[:, None, None, None])
    assert list(scores["plume_start"].values) == [0, 3]
    assert scores["component_plume"].dims == ("plume_start", "lead_time", "member")
    assert scores["component_plume_truth"].dims == ("plume_start", "lead_time")
    np.testing.assert_allclose(scores["component_plume"], np.moveaxis(members, 0, -1), rtol=1e-8)
    np.testing.assert_allclose(scores["component_plume_truth"], truth, rtol=1e-8)
    of_mean = project(initial.mean(0)[:, None] * 1.1 ** leads[:, None, None, None])
    np.testing.assert_allclose(scores["component_plume"].mean("member"), of_mean, rtol=1e-8)
    np.testing.assert_allclose(scores["lead_time"], 0.5 * leads)
    number = f"principal component {component} ({100 * share[component - 1]:.0f} % of the variance)"
    label = scores["component_plume"].attrs
    assert label == {"long_name": f"{number} of each member", "units": "training std"}
    assert scores["component_plume_truth"].attrs["long_name"] == f"{number} of the truth"


def test_points_count_by_their_weights():
    scores = scored(ComponentPlume(2), *pair(), sphere())
    x, y = members_and_truth()
    root = np.sqrt(weights())
    states = pair()[1][0].double().numpy()  # the first trajectory is the training split
    mean, rows, _ = decomposed(states / 2 * root)  # its std is 2

    def project(state):
        return ((state / 2 * root).reshape(*state.shape[:-3], -1) - mean) @ rows[1]

    np.testing.assert_allclose(rows[1][~mask().numpy().ravel()], 0, atol=1e-12)
    np.testing.assert_allclose(scores["component_plume"], np.moveaxis(project(x), 0, -1), rtol=1e-5)
    np.testing.assert_allclose(scores["component_plume_truth"], project(y), rtol=1e-5)


def test_component_of_one_channel_has_its_units(evaluate, plane):
    # e = (1, ..., 1) / 8 of 64 points: a state of 3 s-1 more than the mean has 3 · 64 / 8
    states = 5 + torch.tensor([-1.0, 1.0, -2.0, 2.0]).reshape(4, 1, 1, 1).expand(4, 1, 8, 8)
    known = Data(plane, states)
    known.rollouts["test"].members, known.rollouts["test"].initial_conditions = 2, 1
    start = RolloutBatch(torch.full((1, 1, 8, 8), 8.0), torch.arange(1), 1, 1)
    start.perturbed = torch.full((1, 1, 1, 8, 8), 4.5)
    scores = evaluate(ComponentPlume(), Exact(), known, [start])
    np.testing.assert_allclose(scores["component_plume"], [[[24.0, -4.0]]])
    assert scores["component_plume"].units == "s-1"


def test_component_is_as_in_the_autocorrelation():
    # the sign as well
    plume, other = ComponentPlume(2), PCAAutocorrelation(components=2, length=9, lags=3)
    truth = pair()[1]
    scored(plume, *pair(), sphere())
    other.attach(plume.source, plume.emulator)
    other.start(torch.device("cpu"))
    wanted = other.departure(truth[0]) @ other.basis[1][1]
    torch.testing.assert_close(plume.value(truth[0]), wanted)
    np.testing.assert_array_equal(plume.reference["share"], other.reference["share"])


def test_figure_has_units_and_the_share_of_the_variance(case, evaluate):
    known, emulator, start = case
    diagnostic = ComponentPlume(2, initial_conditions=2)
    scores = evaluate(diagnostic, emulator, known, [start])
    (name, figure), *_ = diagnostic.figures(scores).items()
    assert name == "component_plume"
    first, second = figure.axes
    share = 100 * decomposed(known.states.numpy() / STD[:, None, None])[2][1]
    label = " ".join(first.get_ylabel().split())
    assert label == f"principal component 2 ({share:.0f} % of the variance) [training std]"
    assert first.get_xlabel() == "lead time [s]"
    assert [axes.get_title() for axes in (first, second)] == [
        "initial condition 0",
        "initial condition 3",
    ]
    drawn = {line.get_label(): line.get_ydata() for line in second.lines}
    assert set(drawn) - {"_"} == {"each member", "mean over members", "truth", "mean of the data"}
    one = scores["component_plume"][1]
    np.testing.assert_allclose(drawn["each member"], one[:, 0])
    np.testing.assert_allclose(drawn["mean over members"], one.mean("member"))
    np.testing.assert_allclose(drawn["truth"], scores["component_plume_truth"][1])
    assert set(drawn["mean of the data"]) == {0.0}
    assert len(second.lines) == 3 + 3


def test_plumes_of_other_initial_conditions_have_panels_of_their_own(case, evaluate):
    known, emulator, start = case
    component, energy = ComponentPlume(initial_conditions=2), EnergyPlume(initial_conditions=3)
    both = [evaluate(one, emulator, known, [start]) for one in (component, energy)]
    merged = xarray.merge(both, compat="override", join="outer")
    assert merged.sizes["plume_start"] == 3
    assert len(component.figures(merged)["component_plume"].axes) == 2
    assert len(energy.figures(merged)["energy_plume"].axes) == 3
    assert component.figures(merged.isel(plume_start=[])) == {}


@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_component_that_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match=rf"ComponentPlume\.component .* got {value}"):
        ComponentPlume.__init__.__wrapped__(object.__new__(ComponentPlume), value)


@pytest.mark.parametrize(
    ("kind", "option"), [(ComponentPlume, "component"), (PCAAutocorrelation, "components")]
)
@pytest.mark.parametrize(
    ("states", "points", "wanted"),
    [
        (9, 4, "must be at most 4, the number of values of a state, got 6"),
        (5, 8, "must be at most 5, the number of states of the train split, got 6"),
    ],
)
def test_component_that_the_data_do_not_have_is_refused(
    kind, option, states, points, wanted, evaluate
):
    known = Data(None, torch.randn(states, 1, points), variables=("u",))
    known.rollouts["test"].members = 2
    with pytest.raises(ValueError, match=rf"{kind.__name__}\.{option} {wanted}"):
        evaluate(kind(**{option: 6}), Exact(), known, [])
