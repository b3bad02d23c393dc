"""Distances that look at scales: derivatives and spectra, on a periodic domain of period 2π."""

import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.solvers.finite import check_finite
from emulators.networks.layers import PeriodicOnly
from emulators.training.losses import Distance, Fields


def power(field: Fields) -> tuple[Float[Tensor, "batch channel *mode"], Float[Tensor, "*mode"]]:
    """Return |f̂_m|² of every mode, whose sum is the mean of f², and |m|², in float32 at least."""
    axes = tuple(range(2, field.dim()))
    exact = field.to(torch.promote_types(field.dtype, torch.float32))  # no FFT in bfloat16
    spectrum = torch.fft.fftn(exact, dim=axes, norm="forward")
    squared = torch.zeros((), device=field.device, dtype=exact.dtype)
    for axis in axes:
        modes = torch.fft.fftfreq(
            field.shape[axis], 1 / field.shape[axis], device=field.device, dtype=exact.dtype
        )
        squared = squared[..., None] + modes.square()
    return spectrum.real.square() + spectrum.imag.square(), squared


class Sobolev(Distance, PeriodicOnly):
    """Relative H¹ norm: √(Σ (1 + |m|²)|ê_m|² / Σ (1 + |m|²)|û_m|²), e the difference, û the target.

    The derivatives are spectral, m the mode numbers (Li et al., "Learning Dissipative Dynamics in
    Chaotic Systems", NeurIPS 2022, equation 4, of order one).
    """

    def forward(self, prediction: Fields, target: Fields) -> Float[Tensor, " batch"]:
        error, squared = power(prediction - target)
        scale, _ = power(target)
        error, scale = (((1 + squared) * part).flatten(1).sum(1) for part in (error, scale))
        return ((error + 1e-12) / (scale + 1e-12)).sqrt()


class BinnedSpectralPower(Distance, PeriodicOnly):
    """Mean squared difference, plus the relative error of the spectra.

    d = mean (û - u)² + weight · mean over channels and rings of (1 - (E(k) + ε)/(E_u(k) + ε))²,
    with E(k) the sum of |f̂_m|² over the ring of mode numbers k - ½ < |m| <= k + ½, k from 1 to the
    highest whole ring (Chakraborty, Mohan and Maulik, "Binned Spectral Power Loss", 2025).

    Args:
        weight: Of the spectra.
        floor: ε, in units of the variance of the data: power below it does not count.
    """

    def __init__(self, weight: float = 0.1, floor: float = 1e-4) -> None:
        check_finite("BinnedSpectralPower", weight=weight, floor=floor)
        super().__init__()
        if weight < 0 or not floor > 0:
            raise ValueError(
                "BinnedSpectralPower needs weight of at least 0 and floor above 0, got "
                f"weight={weight}, floor={floor}."
            )
        self.weight = weight
        self.floor = floor

    def forward(self, prediction: Fields, target: Fields) -> Float[Tensor, " batch"]:
        ratio = (rings(prediction) + self.floor) / (rings(target) + self.floor)
        spectra = (1 - ratio).square().flatten(1).mean(1)
        return (prediction - target).square().flatten(1).mean(1) + self.weight * spectra


def rings(field: Fields) -> Float[Tensor, "batch channel ring"]:
    """Return the sum of |f̂_m|² over each ring of mode numbers, from 1 to the highest whole one."""
    density, squared = power(field)
    highest = min(field.shape[2:]) // 2
    number = torch.ceil(squared.sqrt() - 0.5).long().clamp_max(highest + 1).flatten()
    total = density.new_zeros(*density.shape[:2], highest + 2)
    return total.index_add_(2, number, density.flatten(2))[..., 1 : highest + 1]
