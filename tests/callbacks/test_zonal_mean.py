import math

import numpy as np
import torch
from torch.testing import assert_close

from callbacks import ZonalMean
from callbacks.metrics.zonal_mean import zonal_mean, zonal_velocity
from datamodules.solvers import Grid
from datamodules.solvers.pseudo_spectral.operators import dealias_mask, to_field, to_spectrum
from datamodules.solvers.pseudo_spectral.vorticity import velocity
from tests.callbacks.conftest import Data, Exact, RolloutBatch

PLANE = Grid((16, 24), (2 * math.pi, 6 * math.pi))


def jets(amplitude=1.0):
    y, x = PLANE.points()
    return (amplitude * torch.cos(2 * y) + torch.sin(x))[None, None]


def evaluated(evaluate, diagnostic, amplitude, steps=20, truth_steps=4, count=1):
    initial = jets(amplitude).expand(count, -1, -1, -1)
    starts = [RolloutBatch(initial, torch.arange(count), steps, truth_steps)]
    return evaluate(diagnostic, Exact(), Data(PLANE, jets()), starts)


def test_mean_is_along_x():
    state = torch.zeros(1, 1, 3, 4)
    state[0, 0, 1] = torch.tensor([1.0, 2.0, 3.0, 6.0])
    assert zonal_mean(state).flatten().tolist() == [0, 3, 0]


def test_velocity_of_a_jet_has_the_sign_of_the_stream_function():
    # zeta = -u_y = cos(2y) for u = -sin(2y)/2
    y, _ = PLANE.points()
    found = zonal_velocity(jets()[:, 0], PLANE)
    assert_close(found[0], -torch.sin(2 * y[:, 0]) / 2)


def test_velocity_is_that_of_the_whole_flow():
    hat = to_spectrum(torch.randn(2, 16, 24), PLANE) * dealias_mask(PLANE)
    hat[..., 0, 0] = 0
    vorticity = to_field(hat, PLANE)
    assert_close(zonal_velocity(vorticity, PLANE), velocity(vorticity, PLANE)[0].mean(-1))


def test_profiles_and_errors_of_jets_that_are_three_times_too_strong(evaluate):
    diagnostic = ZonalMean()
    scores = evaluated(evaluate, diagnostic, 3.0, count=2)
    y = PLANE.coordinates()[0].numpy()
    expected = np.broadcast_to(3 * np.cos(2 * y), (2, 1, 16))
    np.testing.assert_allclose(scores["zonal_mean"], expected, atol=1e-12)
    difference = 2 * np.cos(2 * y)  # standard deviation is 2
    first = scores.isel(initial_condition=0, channel=0)
    np.testing.assert_allclose(first["zonal_mean_error_absolute"], np.abs(difference).mean())
    np.testing.assert_allclose(first["zonal_mean_error_rms"], math.sqrt(2))
    np.testing.assert_allclose(first["zonal_mean_error_scaled_norm"], math.sqrt(8))
    np.testing.assert_allclose(first["zonal_mean_error_scaled_rms"], math.sqrt(0.5))
    np.testing.assert_allclose(scores["reference_zonal_velocity"], -np.sin(2 * y) / 2, atol=1e-12)
    assert set(diagnostic.figures(scores)) == {"zonal_mean"}


def test_is_left_out_in_one_dimension():
    diagnostic = ZonalMean()
    diagnostic.attach(Data(Grid((16,), (22.0,)), torch.randn(3, 1, 16), variables=("u",)))
    assert "two dimensions" in diagnostic.unsupported_reason()
