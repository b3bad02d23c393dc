"""Scores of ensembles in training, against a few lines of NumPy."""

import inspect
from itertools import product

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from torch.testing import assert_close

from emulators import (
    CRPS,
    L2,
    Baseline,
    EnergyScore,
    Hierarchical,
    KernelScore,
    Objective,
    SpectralCRPS,
    WeightedSum,
)
from emulators.training.objective_checks import check_objective
from tests.emulators.networks_for_tests import small_unet

M, BATCH = 3, 2


@pytest.fixture
def ensemble():
    torch.manual_seed(0)
    scale = torch.tensor([1.0, 5.0]).reshape(2, 1, 1)
    members = scale * torch.randn(M, BATCH, 2, 4, 8)
    return members, scale * torch.randn(BATCH, 2, 4, 8)


def score(distance, members, truth, alpha):
    """Return the score by its definition, with a sum over all pairs."""
    x, y, count = members.numpy(), truth.numpy(), len(members)
    error = sum(distance(x[m], y) for m in range(count)) / count
    pairs = sum(distance(x[m], x[k]) for m, k in product(range(count), repeat=2))
    fair = error - pairs / (2 * count * (count - 1))
    biased = error - pairs / (2 * count**2)
    return alpha * fair + (1 - alpha) * biased


def absolute(a, b):
    return np.abs(a - b).mean((1, 2, 3))


def root(a, b):
    return np.sqrt(np.square(a - b).mean((1, 2, 3)))


def coarse(a, factor):
    b, c, n, m = a.shape
    return a.reshape(b, c, n // factor, factor, m // factor, factor).mean((3, 5))


def multiscale(a, b):
    return sum(absolute(coarse(a, r), coarse(b, r)) for r in (1, 2, 4)) / 3


def spectral(a, b):
    def energy(f):
        power = np.abs(np.fft.fft2(f, norm="forward")) ** 2
        size = np.hypot(*np.meshgrid(4 * np.fft.fftfreq(4), 8 * np.fft.fftfreq(8), indexing="ij"))
        rings = [power[..., (size > k - 0.5) & (size <= k + 0.5)].sum(-1) for k in (1, 2)]
        return np.log(np.stack(rings, -1) + 0.01)

    return np.abs(energy(a) - energy(b)).mean((1, 2))


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.95, 1.0])
@pytest.mark.parametrize(
    ("kind", "options", "distance"),
    [
        (CRPS, {}, absolute),
        (CRPS, {"factors": [1, 2, 4]}, multiscale),
        (EnergyScore, {}, root),
        (SpectralCRPS, {"floor": 0.01}, spectral),
    ],
)
def test_scores_are_those_of_their_definition(ensemble, kind, options, distance, alpha):
    members, truth = ensemble
    objective = kind(alpha=alpha, **options).of(M)
    found = objective(members.flatten(0, 1), truth.repeat(M, 1, 1, 1))
    wanted = torch.from_numpy(score(distance, members, truth, alpha))
    assert_close(found, wanted.repeat(M), rtol=1e-9, atol=1e-9)


def test_points_count_by_their_weights(ensemble):
    members, truth = ensemble
    weights = torch.rand(2, 4, 8)
    weights[0, 0, :3] = 0.0
    weights /= weights.mean()
    members[:, :, 0, 0, :3] = torch.randn(M, BATCH, 3)
    w = weights.float().numpy()

    def weighted(a, b):
        return (w * np.abs(a - b)).mean((1, 2, 3))

    def weighted_root(a, b):
        return np.sqrt((w * np.square(a - b)).mean((1, 2, 3)))

    for kind, distance in ((CRPS, weighted), (EnergyScore, weighted_root)):
        objective = kind().of(M)
        objective.set_weights(weights)
        found = objective(members.flatten(0, 1), truth.repeat(M, 1, 1, 1))
        wanted = torch.from_numpy(score(distance, members, truth, 0.95))
        assert_close(found[:BATCH], wanted, rtol=1e-6, atol=1e-6)


def test_least_expected_fair_score_is_that_of_the_distribution_of_the_truth():
    """For normal truth and members, E d = √(2/π) √(1 + s²) - s/√π, least at s = 1."""
    torch.manual_seed(0)
    truth, members = torch.randn(1, 1, 200_000), torch.randn(2, 1, 200_000)
    scores = []
    for spread in (0.5, 1.0, 2.0):
        x = spread * members
        found = CRPS(alpha=1.0).of(2)(x, truth.repeat(2, 1, 1))[0].item()
        exact = np.sqrt(2 / np.pi) * np.sqrt(1 + spread**2) - spread / np.sqrt(np.pi)
        assert found == pytest.approx(exact, abs=0.01)
        scores.append(found)
    assert scores[1] == min(scores)


def test_equal_members_have_finite_gradients():
    for kind in (CRPS, EnergyScore, SpectralCRPS):
        prediction = torch.randn(1, 1, 8, 8).repeat(2, 1, 1, 1).requires_grad_()
        kind().of(2)(prediction, torch.randn(1, 1, 8, 8).repeat(2, 1, 1, 1)).mean().backward()
        assert prediction.grad.isfinite().all()
        assert prediction.grad.abs().max() > 0


def test_sum_of_objectives_counts_each_by_its_weight(ensemble):
    members, truth = ensemble
    given = members.flatten(0, 1), truth.repeat(M, 1, 1, 1)
    parts = [kind().of(M)(*given) for kind in (CRPS, SpectralCRPS)]
    found = WeightedSum([CRPS(), SpectralCRPS()], [2.0, 0.1]).of(M)(*given)
    assert_close(found, 2.0 * parts[0] + 0.1 * parts[1])
    assert WeightedSum([CRPS(), EnergyScore()], [1.0, 1.0]).weighted
    assert not WeightedSum([CRPS(), SpectralCRPS()], [1.0, 1.0]).weighted


def test_latents_too_small_for_a_factor_are_scored_by_the_others():
    x = torch.randn(2, 1, 2, 2)
    objective, plain = CRPS(factors=(1, 16)).of(2), CRPS().of(2)
    truth = torch.zeros(2, 1, 2, 2)
    assert_close(objective(x, truth), plain(x, truth))


def test_an_option_is_not_changed_by_the_emulators_made_with_it():
    option = CRPS()
    assert option.of(2).members == 2
    assert option.of(3).members == 3
    assert option.members == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CRPS(alpha=1.5), r"CRPS needs alpha between 0 and 1, got alpha=1\.5"),
        (lambda: CRPS(factors=[2]), r"include 1, the grid itself, got \[2\]"),
        (lambda: CRPS(factors=[]), r"got \[\]"),
        (lambda: SpectralCRPS(floor=0.0), r"floor must be above 0, got 0\.0"),
        (lambda: WeightedSum([], []), "0 objectives"),
        (lambda: WeightedSum([CRPS()], [0.0]), r"weights \[0\.0\]"),
        (lambda: WeightedSum([CRPS()], [1.0, 1.0]), "1 objectives"),
    ],
)
def test_malformed_objectives_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_targets_that_differ_between_members_are_refused():
    with pytest.raises(ValueError, match="CRPS compares 2 members of each window, and the 4"):
        CRPS().of(2)(torch.zeros(4, 1, 4), torch.randn(4, 1, 4))
    with pytest.raises(ValueError, match="the 3 windows given"):
        CRPS().of(2)(torch.zeros(3, 1, 4), torch.zeros(3, 1, 4))


@pytest.mark.parametrize("factors", [[1, 3], [1, 16]])
def test_factors_are_checked_against_the_grid_before_training(factors):
    options = {"dimensions": 1, "network": small_unet, "noise_fields": [2]}
    for objective in (CRPS(factors=factors), WeightedSum([CRPS(), CRPS(factors=factors)], [1, 1])):
        emulator = Baseline(objective=objective, **options)
        with pytest.raises(ValueError, match=rf"the factor {factors[1]}, .* the grid \(8,\) of"):
            emulator.check((8,))
    Baseline(objective=CRPS(factors=[1, 2]), **options).check((8,))


def test_factors_are_checked_against_the_grids_of_latents():
    options = {"dimensions": 1, "network": small_unet, "noise_fields": [2], "latents": [(1, 4)]}
    Hierarchical(objective=CRPS(factors=[1, 4]), **options).check((8,))  # the latent has 2 points
    with pytest.raises(ValueError, match=r"the factor 4, .* the grid \(6,\) of .* a latent"):
        Hierarchical(objective=CRPS(factors=[1, 4]), **options).check((24,))


def test_members_without_an_objective_are_refused():
    with pytest.raises(ValueError, match=r"model.members is 3, and model.distance scores single"):
        Baseline(network=small_unet, members=3)
    assert Baseline(network=small_unet).members == 1


def test_factor_that_does_not_divide_the_grid_is_refused():
    with pytest.raises(ValueError, match=r"CRPS.factors has the factor 3, .* the grid \(8,\)"):
        CRPS(factors=[1, 3]).of(2)(torch.zeros(2, 1, 8), torch.zeros(2, 1, 8))


def test_every_call_is_checked_and_missing_values_are_equal():
    objective, x = CRPS().of(2), torch.zeros(4, 1, 4)
    objective(x, x)
    with pytest.raises(ValueError, match="and the 4 windows given"):
        objective(x, torch.randn(4, 1, 4))
    assert objective(x, torch.full((4, 1, 4), torch.nan)).isnan().all()


def test_an_objective_is_no_distance_and_has_one_number_per_sample():
    for options, message in (
        ({"distance": CRPS()}, "model.distance is CRPS, which scores an ensemble; set model.obj"),
        ({"objective": L2(), "noise_fields": [2]}, "model.objective is L2, expected an object"),
        ({"objective": CRPS, "noise_fields": [2]}, "model.objective is CRPS, expected an object"),
        ({"objective": SpectralCRPS()}, "model.objective=SpectralCRPS compares the energy of wave"),
        ({"objective": WeightedSum([SpectralCRPS()], [1.0])}, "does not say where waves are; give"),
    ):
        check = {"objective": None, "distance": L2(), **options}
        with pytest.raises(ValueError, match=message):
            inspect.unwrap(check_objective)(check["objective"], check["distance"], 2, True)

    check_objective(WeightedSum([SpectralCRPS(), CRPS()], [1.0, 1.0]), L2(), 2, True)

    class Scalar(KernelScore):
        def between(self, one, other):
            return (one - other).abs().mean()

    class Whole(Objective):
        def score(self, members, truth):
            return (members - truth).abs().mean()

    for kind in (Scalar, Whole):
        with pytest.raises((ValueError, TypeCheckError), match=r"one number|type"):
            kind().of(2)(torch.zeros(4, 1, 4), torch.zeros(4, 1, 4))


def test_an_objective_of_ones_own_is_its_distance():
    class Mean(KernelScore):
        def between(self, one, other):
            return (one - other).flatten(1).mean(1).abs()

    x = torch.tensor([0.0, 4.0]).reshape(2, 1, 1)
    assert Mean(alpha=1.0).of(2)(x, torch.ones(2, 1, 1)).tolist() == [0.0, 0.0]

    class OfTheMean(Objective):
        def score(self, members, truth):
            return (members.mean(0) - truth).abs().flatten(1).mean(1)

    x = torch.tensor([0.0, 1.0, 4.0, 3.0]).reshape(4, 1, 1)  # two members of two windows
    truth = torch.tensor([1.0, 5.0, 1.0, 5.0]).reshape(4, 1, 1)
    assert OfTheMean().of(2)(x, truth).tolist() == [1.0, 3.0, 1.0, 3.0]
    total = WeightedSum([OfTheMean(), CRPS(alpha=1.0)], [2.0, 1.0]).of(2)(x, truth)
    assert total.tolist() == [2 + 2 - 2, 6 + 3 - 1] * 2
