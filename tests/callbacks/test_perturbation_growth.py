import types

import numpy as np
import pytest
import torch

from callbacks import PerturbationGrowth
from callbacks.diagnostics.perturbation_growth import band_numbers
from datamodules.solvers import Grid
from tests.callbacks.conftest import Data, Exact, RolloutBatch
from tests.callbacks.test_predictability import Growing

PLANE = Grid((16, 16), (2.0, 2.0))


class Filter(Exact):
    """Emulator that multiplies the waves of each ring |m| by a factor, and adds a constant."""

    def __init__(self, factors, shape=(16, 16), channels=2):
        super().__init__(channels=channels)
        modes = [np.fft.fftfreq(size, 1 / size) for size in shape]
        squares = np.meshgrid(*(mode**2 for mode in modes), indexing="ij")
        ring = np.ceil(np.sqrt(sum(squares)) - 0.5).astype(int)
        self.factor = np.asarray(factors)[np.minimum(ring, len(factors) - 1)]
        self.standardize.set_statistics(
            torch.zeros(channels), torch.tensor([2.0, 0.1])[:channels], torch.ones(channels)
        )

    def step(self, state, memory=None):
        axes = tuple(range(2, state.dim()))
        spectrum = np.fft.fftn(state.double().numpy(), axes=axes) * self.factor
        return torch.from_numpy(np.fft.ifftn(spectrum, axes=axes).real) + 3.0, None


def batch(count=3, channels=2, shape=(16, 16)):
    torch.manual_seed(2)
    return RolloutBatch(torch.randn(count, channels, *shape), torch.arange(count), 20, 0)


def data(grid, channels=2, solver=None):
    found = Data(grid, torch.randn(3, channels, *grid.shape), ("a", "b")[:channels])
    if solver is not None:
        found.generator = types.SimpleNamespace(solver=solver, operating_points_differ=False)
    found.rollouts["test"].initial_conditions = 3
    return found


def test_growth_is_the_factor_of_each_band(evaluate):
    # rings 1 .. 8 in four bands of two rings; the factors of the two are alike
    factors = [7.0, 0.5, 0.5, 0.9, 0.9, 1.3, 1.3, 1.1, 1.1, 9.0]
    diagnostic = PerturbationGrowth(initial_conditions=2, steps=5, bands=4, amplitude=1e-2)
    emulator = Filter(factors)
    scores = evaluate(diagnostic, emulator, data(PLANE), [batch()])
    expected = np.tile([0.5, 0.9, 1.3, 1.1], (2, 1))
    np.testing.assert_allclose(scores["perturbation_growth_emulator"], expected, rtol=1e-4)
    assert np.isnan(scores["perturbation_growth_solver"]).all()
    assert scores["twin"].values.tolist() == [0, 2]
    np.testing.assert_allclose(scores["band"], np.pi * np.array([1.5, 3.5, 5.5, 7.5]))
    assert emulator.summary == {"perturbation_growth/largest": pytest.approx(1.3, rel=1e-4)}
    (figure,) = diagnostic.figures(scores).values()
    (axes,) = figure.axes
    np.testing.assert_allclose(axes.lines[-2].get_ydata(), expected[0], rtol=1e-4)


def test_perturbations_have_their_amplitude_in_each_channel_and_one_band(evaluate):
    seen = []

    class Watched(Filter):
        def step(self, state, memory=None):
            seen.append(state)
            return super().step(state, memory)

    diagnostic = PerturbationGrowth(initial_conditions=1, steps=1, bands=4, amplitude=0.05)
    evaluate(diagnostic, Watched([1.0] * 10), data(PLANE), [batch()])
    states = seen[0].unflatten(0, (5, 1))
    noise = (states[1:] - states[:1])[:, 0].double()
    size = noise.square().mean((2, 3)).sqrt()
    np.testing.assert_allclose(size, np.tile([0.1, 0.005], (4, 1)), rtol=1e-4)
    number = band_numbers(PLANE, 4)
    power = torch.fft.rfft2(noise).abs().square().sum(1)
    for band in range(4):
        assert power[band][number == band].sum() > (1 - 1e-6) * power[band].sum()


@pytest.mark.parametrize("size", [16, 32])
def test_growth_in_the_solver_is_measured_on_its_own_grid(evaluate, size):
    solver = Growing(Grid((size, size), (2.0, 2.0)))
    solver.float = lambda: solver
    diagnostic = PerturbationGrowth(steps=3, bands=4)
    scores = evaluate(diagnostic, Filter([1.0] * 10), data(PLANE, solver=solver), [batch()])
    assert solver.shape[2:] == (size, size)
    # the mode of two points, in the last band, is lost on the coarser grid
    found = scores["perturbation_growth_solver"].values[:, :3]
    np.testing.assert_allclose(found, 2.0, rtol=1e-3)


def test_one_dimension_and_fewer_rings_than_bands(evaluate):
    grid = Grid((8,), (2.0,))
    emulator = Filter([1.0, 0.5, 0.6, 0.7, 0.8], (8,), 1)
    diagnostic = PerturbationGrowth(steps=2, bands=30)
    scores = evaluate(diagnostic, emulator, data(grid, 1), [batch(channels=1, shape=(8,))])
    found = scores["perturbation_growth_emulator"]
    np.testing.assert_allclose(found, np.tile([0.5, 0.6, 0.7, 0.8], (3, 1)), rtol=1e-3)


def test_is_left_out_without_a_periodic_grid_or_with_masked_points():
    diagnostic = PerturbationGrowth()
    walls = data(PLANE)
    walls.change(periodic=(True, False))
    diagnostic.attach(walls, Exact())
    assert "no periodic grid" in diagnostic.unsupported_reason()


@pytest.mark.parametrize("options", [{"steps": 0}, {"bands": 1.5}, {"amplitude": 0.0}])
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="needs initial_conditions, steps and bands of at least 1"):
        PerturbationGrowth(**options)


class Shaken(Filter):
    """A filter whose steps add random numbers."""

    stochastic = True

    def step(self, state, memory=None, context=None):
        state, _ = super().step(state)
        return state + context.normal(state), None


def test_growth_in_a_stochastic_emulator_is_between_members_with_the_same_random_numbers(evaluate):
    diagnostic = PerturbationGrowth(initial_conditions=2, steps=5, bands=4, amplitude=1e-2)
    scores = evaluate(diagnostic, Shaken([0.9] * 9), data(PLANE), [batch()])
    np.testing.assert_allclose(scores["perturbation_growth_emulator"], 0.9, rtol=1e-4)
