"""Energies and velocities follow what the data say is the vorticity, or are left out."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from callbacks import (
    Distribution,
    EnergyStability,
    PredictabilityLimit,
    Spectrum,
    ZonalMean,
)
from datamodules.files.space_axis import SpaceAxis
from datamodules.solvers import Grid
from datamodules.solvers.pseudo_spectral.vorticity import energy, velocity
from tests.callbacks.conftest import Data, Exact, RolloutBatch

KINDS = (Distribution, EnergyStability, Spectrum, ZonalMean)


def globe():
    """Axes of latitude and longitude."""
    degrees = ("lat", "degrees_north"), ("lon", "degrees_east")
    return tuple(SpaceAxis(name, 8, np.arange(8) / 4, {"units": u}) for name, u in degrees)


WALLS = {"periodic": (False, True)}


def data(plane, vorticity="vo", names=("q", "vo"), **facts):
    torch.manual_seed(0)
    scale = torch.tensor([3.0, 1.0]).reshape(2, 1, 1)
    known = Data(plane, scale * torch.randn(40, 2, 8, 8) - 1, variables=names)
    known.change(vorticity=vorticity, **facts)
    return known


def scored(kind, known, evaluate):
    diagnostic = kind()
    starts = [RolloutBatch(known.states[:2], torch.arange(2), 20, 3)]
    emulator = Exact(channels=2)
    emulator.standardize.std = torch.tensor([3.0, 1.0])
    return diagnostic, evaluate(diagnostic, emulator, known, starts)


def test_channel_that_the_data_call_vorticity_has_the_energy(evaluate, plane):
    known = data(plane)
    flow = known.states[:2, 1].double()
    wanted = energy(flow, plane)
    _, scores = scored(EnergyStability, known, evaluate)
    np.testing.assert_allclose(scores["energy"][:, 3], wanted)
    _, scores = scored(Spectrum, known, evaluate)
    whole = scores["spectrum_zonal"].sum("zonal_mode")
    np.testing.assert_allclose(whole, wanted)
    _, scores = scored(ZonalMean, known, evaluate)
    u = velocity(flow, plane)[0].mean(-1)
    np.testing.assert_allclose(scores["zonal_velocity"], u, atol=1e-12)
    _, scores = scored(Distribution, known, evaluate)
    assert scores["field"].values.tolist() == ["q", "vo", "u", "v"]


@pytest.mark.parametrize("kind", KINDS)
def test_data_without_a_vorticity_have_no_flow_whatever_their_names(kind, evaluate, plane):
    known = data(plane, vorticity=None, names=("q", "vorticity"))
    diagnostic, scores = scored(kind, known, evaluate)
    assert diagnostic.vorticity is None
    assert not {"zonal_velocity", "enstrophy", "spectrum_enstrophy"} & set(scores)
    assert not [text for text in diagnostic.remarks(scores) if "from vorticity" in text]


@pytest.mark.parametrize("facts", [{"axes": globe()}, WALLS])
@pytest.mark.parametrize("kind", [k for k in KINDS if k is not Spectrum])
def test_flow_is_left_out_with_the_reason_on_a_sphere_and_between_walls(
    kind, facts, evaluate, plane
):
    known = data(plane, **facts)
    diagnostic, scores = scored(kind, known, evaluate)
    assert not {"zonal_velocity", "enstrophy"} & set(scores)
    assert not {"u", "v"} & set(scores.coords.get("field", scores["initial_condition"]).values)
    (text,) = [text for text in diagnostic.remarks(scores) if "left out" in text]
    assert "vo " in text
    reason = "degrees of a sphere" if "axes" in facts else "'y' is not periodic"
    assert reason in text
    if kind is ZonalMean:
        wanted = known.states[:2].mean(-1)
        np.testing.assert_allclose(scores["zonal_mean"], wanted, atol=1e-12)


@pytest.mark.parametrize("kind", [Spectrum, PredictabilityLimit])
def test_what_needs_a_periodic_grid_says_why_there_is_none(kind, plane):
    diagnostic, solver = kind(), SimpleNamespace(grid=plane)
    generator = SimpleNamespace(solver=solver, operating_points_differ=False)
    for facts, reason in (
        ({"axes": globe()}, "degrees of a sphere"),
        (WALLS, "'y' is not periodic"),
    ):
        source = data(plane, **facts)
        source.generator = generator
        diagnostic.attach(source)
        assert reason in diagnostic.unsupported_reason()


def test_enstrophy_is_refused_on_a_sphere(plane):
    diagnostic = EnergyStability(bands=("energy", "enstrophy"))
    diagnostic.attach(data(plane, axes=globe()))
    with pytest.raises(ValueError, match=r"bands.*'enstrophy'"):
        diagnostic.check()


def test_flow_needs_two_dimensions(evaluate):
    line = Data(Grid((8,), (2.0,)), torch.randn(9, 1, 8), variables=("vorticity",))
    diagnostic = EnergyStability()
    scores = evaluate(
        diagnostic, Exact(), line, [RolloutBatch(line.states[:1], torch.arange(1), 5, 0)]
    )
    assert "two dimensions" in " ".join(diagnostic.remarks(scores))
