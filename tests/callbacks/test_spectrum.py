import math

import numpy as np
import pytest
import torch

from callbacks import Spectrum
from callbacks.metrics.spectra import bands, energy_log_ratio
from datamodules.solvers import Grid
from datamodules.solvers.pseudo_spectral.vorticity import energy, enstrophy
from tests.callbacks.conftest import Data, Exact, RolloutBatch

PLANE = Grid((16, 16), (2 * math.pi, 2 * math.pi))
LINE = Grid((16,), (2 * math.pi,))


def mode(amplitude=3.0):
    y, x = PLANE.points()
    return amplitude * torch.cos(3 * x + 4 * y)[None, None]


def test_single_mode_stays_in_its_bin(evaluate):
    start = RolloutBatch(mode(), torch.arange(1), 20, 5)
    scores = evaluate(Spectrum(every=5, leads=[1, 5]), Exact(), Data(PLANE, mode()), [start])
    expected = np.zeros(9)
    expected[5] = 9 / 4 / 25
    np.testing.assert_allclose(scores["spectrum_isotropic"][0], expected, atol=1e-15)
    np.testing.assert_allclose(scores["spectrum_enstrophy"][0], 25 * expected, atol=1e-14)
    assert scores["spectrum_zonal"][0].values.argmax() == 3
    assert scores["spectrum_meridional"][0].values.argmax() == 4
    np.testing.assert_allclose(scores["wavenumber"], np.arange(9))
    np.testing.assert_allclose(scores["spectrum_error"], 0, atol=1e-15)
    np.testing.assert_allclose(scores["spectrum_lead_time"], [0.5, 2.5])


def test_errors_of_a_field_that_is_twice_too_strong(evaluate):
    # energy is four times the reference: |E - E_ref| = 3 E_ref in one of 8 rings, std is 2
    start = RolloutBatch(mode(6.0), torch.arange(1), 20, 5)
    scores = evaluate(Spectrum(leads=[1]), Exact(), Data(PLANE, mode()), [start])
    np.testing.assert_allclose(scores["spectrum_error"], 3 * (9 / 4 / 25) / 8 / 4)
    (name,) = [name for name, ring in bands(9) if ring.start <= 5 < ring.stop]
    np.testing.assert_allclose(scores["spectrum_band_error"].sel(wavenumber_band=name), 3)


def waves(*amplitudes, channels=1):
    """States of waves (m_x, m_y) = (1, 0), (3, 4), (0, 7) of some amplitudes."""
    y, x = PLANE.points()
    modes = (torch.cos(x), torch.cos(3 * x + 4 * y), torch.cos(7 * y))
    field = sum(a * mode for a, mode in zip(amplitudes, modes, strict=True))
    return torch.stack([(n + 1.0) * field for n in range(channels)])[None]


def test_energy_log_ratio_is_of_the_mean_spectrum_of_all_rollouts(evaluate):
    # energies a²/4/m² of rings 1, 5, 7 with a = 2, 5, 0 in the data; ring 7 counts in neither score
    initial = torch.cat((waves(2.0, 10.0, 1.0), waves(4.0, 5.0, 1.0)))
    start = RolloutBatch(initial, torch.arange(2), 20, 0)
    spectrum = Spectrum(every=5)
    scores = evaluate(spectrum, Exact(), Data(PLANE, waves(2.0, 5.0, 0.0)), [start])
    ratio = np.log([(2**2 + 4**2) / 2 / 2**2, (10**2 + 5**2) / 2 / 5**2])
    energy = np.array([2**2, 5**2 / 25])
    assert float(scores["energy_log_ratio"]) == pytest.approx(ratio.mean())
    weighted = (ratio * energy).sum() / energy.sum()
    assert float(scores["energy_log_ratio_weighted"]) == pytest.approx(weighted)
    summary = spectrum.summary(scores)
    assert summary["energy_log_ratio"] == pytest.approx(ratio.mean())
    assert summary["energy_log_ratio_weighted"] == pytest.approx(weighted)


def test_energy_log_ratio_counts_missing_energy_as_surplus(evaluate):
    for factor in (0.5, 2.0):
        start = RolloutBatch(factor * waves(2.0, 5.0, 3.0, channels=2), torch.arange(1), 20, 0)
        data = Data(PLANE, waves(2.0, 5.0, 3.0, channels=2), variables=("u", "v"))
        scores = evaluate(Spectrum(every=5), Exact(channels=2), data, [start])
        for name in ("energy_log_ratio", "energy_log_ratio_weighted"):
            assert float(scores[name]) == pytest.approx(math.log(4))


def test_energy_log_ratio_of_rings_without_energy():
    reference = np.array([5.0, 1.0, 3.0, 0.0])
    assert energy_log_ratio(np.array([9.0, 1.0, 0.0, 1.0]), reference) == (math.inf, math.inf)
    assert np.isnan(energy_log_ratio(np.full(4, math.nan), reference)).all()
    assert np.isnan(energy_log_ratio(reference, np.array([5.0, 0.0, 0.0, 0.0]))).all()
    assert reference[0] == 5


def test_forecast_and_truth_at_a_lead_time(evaluate):
    # the forecast doubles, the truth triples per step: energy 4 and 9 times the initial one
    start = RolloutBatch(mode(), torch.arange(1), 10, 3, growth=3.0)
    scores = evaluate(Spectrum(leads=[1, 7]), Exact(2.0), Data(PLANE, mode()), [start])
    first = 9 / 4 / 25
    assert scores.sizes["spectrum_lead_time"] == 1  # 7 lies beyond the truth
    at = scores.isel(initial_condition=0, spectrum_lead_time=0)
    assert at["spectrum_at_lead_forecast"][5] == pytest.approx(4 * first)
    assert at["spectrum_at_lead_truth"][5] == pytest.approx(9 * first)
    assert at["spectrum_error_at_lead"] == pytest.approx(5 * first / 8 / 4)


def test_reference_is_the_mean_over_the_split(evaluate):
    reference = torch.randn(7, 1, 16, 16)
    start = RolloutBatch(mode(), torch.arange(1), 20, 0)
    scores = evaluate(Spectrum(), Exact(), Data(PLANE, reference), [start])
    total = energy(reference[:, 0], PLANE).mean()
    np.testing.assert_allclose(scores["reference_spectrum_zonal"].sum(), total)
    total = enstrophy(reference[:, 0]).mean()
    assert float(scores["reference_spectrum_enstrophy"].sum()) < total  # corners belong to no ring


def test_one_dimension_and_several_channels(evaluate):
    (x,) = LINE.points()
    state = torch.stack([torch.sin(2 * x), 2 * torch.cos(3 * x)])[None]
    start = RolloutBatch(state, torch.arange(1), 20, 0)
    data = Data(LINE, state, variables=("u", "v"))
    scores = evaluate(Spectrum(), Exact(channels=2), data, [start])
    expected = np.zeros(9)
    expected[[2, 3]] = 0.25 / 4, 1.0 / 4  # in units of the standard deviations, which are 2
    np.testing.assert_allclose(scores["spectrum_isotropic"][0], expected, atol=1e-15)
    assert "spectrum_zonal" not in scores


def test_is_left_out_where_the_grid_is_not_periodic(evaluate):
    diagnostic = Spectrum()
    walls = Data(LINE, mode())
    walls.change(periodic=(False,))
    assert evaluate(diagnostic, Exact(), walls, []) is None
    assert "not periodic" in diagnostic.unsupported_reason()
    assert not diagnostic.observes("test")


@pytest.mark.parametrize("axis", [0, 1])
def test_energy_in_modes_that_the_data_do_not_hold_is_remarked_on(evaluate, axis):
    # amplitude 0.02 against 3 at |m| = 6 and 5: energies in the ratio (0.02/3)² (5/6)²
    own = mode() + 0.02 * torch.cos(6 * PLANE.points()[1 - axis])
    start = RolloutBatch(own, torch.arange(1), 20, 0)
    spectrum = Spectrum(every=5)
    scores = evaluate(spectrum, Exact(), Data(PLANE, mode()), [start])
    (remark,) = [text for text in spectrum.remarks(scores) if "empty" in text]
    assert "0.0031 % of the energy of the rollouts is in Fourier modes that are empty" in remark
    assert "in the train split" in remark
    start = RolloutBatch(mode() * (1 + 1e-3), torch.arange(1), 20, 0)
    scores = evaluate(spectrum, Exact(), Data(PLANE, mode()), [start])
    assert not any("empty" in text for text in spectrum.remarks(scores))


def test_bands_are_thirds_in_the_logarithm():
    # rings 1 .. 64: edges at 4 and 16
    assert bands(65) == [("low", slice(1, 5)), ("mid", slice(5, 17)), ("high", slice(17, 65))]


def test_figure(evaluate):
    diagnostic = Spectrum(leads=[1])
    scores = evaluate(
        diagnostic, Exact(), Data(PLANE, torch.randn(3, 1, 16, 16)),
        [RolloutBatch(torch.randn(2, 1, 16, 16), torch.arange(2), 20, 5)],
    )  # fmt: skip
    assert set(diagnostic.figures(scores)) == {"spectrum"}
    assert set(diagnostic.summary(scores)) == {
        "spectrum_error", "spectrum_band_error/low", "spectrum_band_error/mid",
        "spectrum_band_error/high",
        "energy_log_ratio", "energy_log_ratio_weighted",
    }  # fmt: skip
