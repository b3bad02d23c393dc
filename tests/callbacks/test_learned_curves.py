import types

import pytest
import torch
from torch import nn

from callbacks import LearnedCurves
from callbacks.diagnostics.known_solver import known_closures, solver_of
from datamodules.solvers import ChemicalVapourInfiltration, Grid
from datamodules.solvers.finite_volume import Closure, ExplicitEuler, RandomField
from datamodules.solvers.infiltration import Infiltration
from emulators import ImPiNDiff
from tests.callbacks.conftest import Data, Exact

GRID = Grid((4,), (0.04,))
TOLD = ["temperature_left", "temperature_right", "pressure"]
KNOWN = {"mole_fraction": 0.15, "molar_volume": 1.25e-5, "reaction_enthalpy": 0.0}


class Doubled(nn.Module):
    """Twice S_v of the defaults, ε₀ = 0.6 and r_f = 7e-6: S_v = (2 ε/r_f) √(ln ε₀ ln ε)."""

    def forward(self, porosity):
        return 2 * (2 * porosity / 7e-6) * (torch.tensor(0.6).log() * porosity.log()).sqrt()


def watching(learned, closure, radius=7e-6, known=KNOWN, mask=None):
    """The callback on two trajectories of which training sees porosities 0.5 to 0.2."""
    solver = ChemicalVapourInfiltration(GRID, ExplicitEuler(), 1.0, 1.0, fibre_radius=radius)
    states = torch.ones(2, 5, 3, 4) * torch.tensor([0.1, 0.5, 1273.0]).view(3, 1)
    states[1, 2, 1, 3], states[:, 4, 1] = 0.2, 0.1  # the last is beyond training rollouts
    callback = LearnedCurves(points=3)
    source = Data(GRID, states[0])
    source.change(mask=mask)
    source.generator = types.SimpleNamespace(solver=solver)
    source.trajectories = lambda split: types.SimpleNamespace(
        lengths=[5, 5],
        read=lambda k, first, last: states[k, first:last],
        time=lambda k, n: float(n),
        parameters=torch.tensor([[1273.0, 1273.0, 1e4], [1323.0, 1323.0, 1e4]]),
    )
    callback.attach(source)
    sizes = {"channels": 3, "dimensions": 1, "parameters": 3, "dt": 1.0, "interval": 1.0}
    callback.emulator = ImPiNDiff(
        Infiltration(GRID),
        {learned: closure},
        known,
        TOLD,
        ExplicitEuler(),
        unrolled_steps=3,
        **sizes,
    ).eval()
    callback.prepare()
    return callback


def test_curve_and_truth_over_what_training_visits():
    callback = watching("surface", Closure(("open_porosity",), Doubled()))
    assert callback.observes("test")
    scores = callback.scores()
    assert scores["curve_open_porosity"].values == pytest.approx([0.2, 0.35, 0.5])
    true = scores["curve_surface_truth"].values
    # 2 · 0.2/7e-6 · √(0.510826 · 1.609438) = 51813
    assert true[0] == pytest.approx(51813, rel=1e-4)
    assert scores["curve_surface"].values == pytest.approx(2 * true)
    found = callback.summary(scores)
    assert found == pytest.approx({"curve/surface": 1.0, "curve/surface_worst": 1.0})
    assert callback.figures(scores)["learned_curves"].axes


def test_masked_points_are_not_visited():
    mask = torch.tensor([[True, True, True, False]])  # the last point has the porosity 0.2
    callback = watching("surface", Closure(("open_porosity",), Doubled()), mask=mask)
    assert callback.visited["open_porosity"].tolist() == pytest.approx([0.5, 0.5, 0.5])


def test_without_a_truth_the_curve_is_alone():
    field = RandomField(6e-6, 8e-6, 0.01)
    callback = watching("surface", Closure(("open_porosity",), Doubled()), radius=field)
    scores = callback.scores()
    assert "curve_surface_truth" not in scores
    assert callback.summary(scores) == {}
    assert callback.figures(scores)


def test_laws_of_several_quantities_and_other_emulators_are_passed_over():
    law = Closure(("open_porosity", "pressure"), lambda porosity, pressure: porosity * pressure)
    callback = watching("surface", law)
    assert not callback.observes("test")
    callback.emulator = Exact()
    assert not callback.observes("test")


def test_what_follows_from_numbers_and_a_field():
    solver = ChemicalVapourInfiltration(GRID, ExplicitEuler(), 1.0, 1.0)
    made = Data(GRID, torch.ones(5, 3, 4))
    assert solver_of(made) is None
    made.generator = types.SimpleNamespace(solver=solver)
    found = known_closures(solver_of(made), {"temperature": torch.tensor([1273.0])})
    # 2.62 exp(-1.2e5/(8.314 · 1273)) = 3.12e-5
    assert found["rate_constant"].item() == pytest.approx(3.12e-5, rel=1e-2)
    assert "surface" not in found


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match=r"LearnedCurves\.points must .* got 1\."):
        LearnedCurves(1)
