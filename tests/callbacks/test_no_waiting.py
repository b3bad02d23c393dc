"""Watching a rollout never makes the host wait for the device.

Fake tensors have no values: whatever needs one (a branch, an index, a size that depends on data)
raises, as it would wait on a GPU.
"""

import types
from inspect import isabstract

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import callbacks
from callbacks import RolloutDiagnostic
from commands.exported import exported
from datamodules.solvers import BetaPlane, Grid, SpectralSolver
from emulators.rollout import run_rollout
from tests.callbacks.conftest import Data, Exact, RolloutBatch

PLANE = Grid((16, 16), (6.0, 6.0))
LAND = torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.3
KINDS = [
    kind
    for kind in exported(callbacks)
    if isinstance(kind, type) and issubclass(kind, RolloutDiagnostic) and not isabstract(kind)
    if kind not in (callbacks.LatentFields, callbacks.LearnedCurves)  # look at the emulator alone
]


def solver_of(grid):
    solver = SpectralSolver(BetaPlane(grid, 20.0, 0.1, 1e-3), 0.01, 0.02)
    return types.SimpleNamespace(solver=solver, operating_points_differ=False)


def test_all_diagnostics_are_found():
    names = {kind.__name__ for kind in KINDS}
    assert {"EnergyStability", "Extremes", "PredictabilityLimit", "Spectrum"} <= names
    assert not names & {"LatentFields", "LearnedCurves", "RolloutDiagnostic"}


@pytest.mark.parametrize("mask", [None, LAND], ids=["all points", "masked points"])
@pytest.mark.parametrize("kind", KINDS)
def test_observing_needs_no_value(kind, mask):
    data = Data(PLANE, torch.randn(220, 1, 16, 16))
    data.rollouts["test"].members = 3
    data.generator = solver_of(PLANE)
    data.change(mask=mask)
    initial = torch.randn(4, 1, 16, 16)
    start = RolloutBatch(initial, torch.arange(4), 60, 12)
    start.perturbed = torch.randn(2, 4, 1, 16, 16)
    diagnostic = kind()
    diagnostic.attach(data, Exact())
    if mask is not None and diagnostic.unsupported_reason():
        return
    diagnostic.start(torch.device("cpu"))
    diagnostic.begin(start)
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with torch.no_grad(), mode:
        state, members = mode.from_tensor(initial), mode.from_tensor(torch.randn(3, 4, 1, 16, 16))
        for lead in range(1, 31):
            truth = state if lead <= 12 else None
            diagnostic.observe(lead, state, truth)
            diagnostic.observe_members(lead, members, truth)


@pytest.mark.parametrize("kind", KINDS)
def test_every_score_has_a_name_and_units(kind):
    data = Data(PLANE, torch.randn(220, 1, 16, 16))
    data.rollouts["test"].members = 3
    data.generator = solver_of(PLANE)
    diagnostic, initial = kind(), torch.randn(2, 1, 16, 16)
    start = RolloutBatch(initial, torch.arange(2), 60, 12)
    start.perturbed = torch.randn(2, 2, 1, 16, 16)
    diagnostic.attach(data, Exact())
    diagnostic.start(torch.device("cpu"))
    run_rollout(Exact(), start, [diagnostic])
    scores = diagnostic.scores()
    numbers = {"initial_condition", "component", "failed", "twin"}
    names = {"channel", "field", "wavenumber_band"}
    for name, values in scores.variables.items():
        if name not in numbers | names:
            assert {"long_name", "units"} <= set(values.attrs), name
