import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from emulators import BinnedSpectralPower, Sobolev
from emulators.training.spectral_losses import power, rings


def plane(size=16):
    x = 2 * math.pi * torch.arange(size, dtype=torch.float64) / size
    return torch.meshgrid(x, x, indexing="ij")


def test_power_sums_to_the_mean_square_and_has_the_modes_of_numpy():
    field = torch.randn(2, 3, 5, 8)
    density, squared = power(field)
    assert_close(density.sum((2, 3)), field.square().mean((2, 3)))
    m, n = np.meshgrid(np.fft.fftfreq(5, 1 / 5), np.fft.fftfreq(8, 1 / 8), indexing="ij")
    np.testing.assert_allclose(squared, m**2 + n**2, rtol=1e-6)


@pytest.mark.parametrize("size", [16, 15])
def test_sobolev_distance_of_waves(size):
    # error of mode (3, 4): (1 + 25) b²; target of mode (0, 2): (1 + 4) a²
    y, x = plane(size)
    target = 2.0 * torch.cos(2 * x)[None, None]
    found = Sobolev()(target + 0.5 * torch.sin(3 * y + 4 * x), target)
    assert_close(found, torch.tensor([math.sqrt(26 * 0.25 / (5 * 4))], dtype=torch.float64))


def test_sobolev_in_one_dimension_is_that_of_derivatives():
    x = 2 * math.pi * torch.arange(64, dtype=torch.float64) / 64
    target, error = torch.sin(x)[None, None], 0.1 * torch.cos(3 * x)[None, None]
    slope = 0.3 * torch.sin(3 * x)
    norm = error.square().mean() + slope.square().mean()
    found = Sobolev()(target + error, target)
    assert_close(found[0], (norm / (0.5 + 0.5)).sqrt())


def test_gradient_is_finite_where_there_is_no_error():
    field = torch.randn(2, 1, 8, 8)
    for distance in (Sobolev(), BinnedSpectralPower()):
        prediction = field.clone().requires_grad_()
        distance(prediction, field).sum().backward()
        assert torch.isfinite(prediction.grad).all()


def test_rings_hold_the_power_of_waves():
    y, x = plane()
    field = (3 * torch.cos(2 * x) + torch.sin(3 * y + 4 * x) + 7)[None, None]
    found = rings(field)[0, 0]
    assert len(found) == 8
    expected = torch.zeros(8, dtype=torch.float64)
    expected[1], expected[4] = 4.5, 0.5  # |m| = 2 and 5; the mean belongs to none
    assert_close(found, expected)


def test_spectral_term_sees_power_and_not_phase():
    y, x = plane()
    target = torch.cos(2 * x)[None, None]
    moved, halved = torch.cos(2 * x + 1)[None, None], 0.5 * target
    for prediction, ratio in ((moved, 1.0), (halved, 0.25)):
        found = BinnedSpectralPower(weight=3.0, floor=1e-9)(prediction, target)
        spectra = (1 - ratio) ** 2 / 8  # one ring of eight
        square = (prediction - target).square().mean()
        assert_close(found[0], square + 3.0 * spectra, rtol=1e-6, atol=1e-8)


def test_bfloat16_fields_are_transformed_in_single_precision():
    field = torch.randn(1, 1, 8, 8)
    found = Sobolev()(field.bfloat16(), 2 * field.bfloat16())
    assert found.dtype == torch.float32
    assert_close(found.item(), 0.5, rtol=1e-2, atol=0)


def test_malformed_options_are_refused():
    with pytest.raises(ValueError, match=r"floor above 0, got weight=0.1, floor=0"):
        BinnedSpectralPower(floor=0.0)


def test_ring_that_a_short_axis_cuts_does_not_count():
    # 8 x 16 points: mode 6 exists along x alone, and rings are whole up to 4
    x = torch.arange(16, dtype=torch.float64) * 2 * math.pi / 16
    error = torch.cos(6 * x).expand(1, 1, 8, 16)
    target = torch.randn(1, 1, 8, 16, dtype=torch.float64)
    target -= torch.fft.ifftn(torch.fft.fftn(target) * (power(error)[0] > 1e-12)).real  # no 6
    assert rings(target).shape == (1, 1, 4)
    assert_close(BinnedSpectralPower()(target + error, target).item(), 0.5)  # its mean square
