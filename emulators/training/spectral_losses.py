"""Distances with weights by scale, through derivatives or spectra, on a periodic domain."""

import torch
from jaxtyping import Float
from torch import Tensor

from datamodules.solvers.finite import check_finite
from emulators.networks.layers import PeriodicOnly
from emulators.training.losses import Distance, Fields


def power(field: Fields) -> tuple[Float[Tensor, "batch channel *mode"], Float[Tensor, "*mode"]]:
    """Return the power |f̂_m|² of every mode, which adds up to the mean of f², and |m|².

    Args:
        field: Periodic fields f.

    Returns:
        Power, and squared mode number, in float32 or higher precision.

    Example:
        >>> density, squared = power(torch.tensor([[[1.0, 0.0, -1.0, 0.0]]]))
        >>> density.tolist(), squared.tolist()
        ([[[0.0, 0.25, 0.0, 0.25]]], [0.0, 1.0, 4.0, 1.0])
    """
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
    """Relative H¹ norm of the error, √(Σ (1 + |m|²)|ê_m|² / Σ (1 + |m|²)|û_m|²).

    Here e is the difference and u the target, ê and û are their Fourier coefficients, and m are the
    mode numbers, which make the derivatives those on a domain of period 2π (Li et al., "Learning
    Dissipative Dynamics in Chaotic Systems", NeurIPS 2022, equation 4 with order one).

    Example:
        >>> wave = torch.tensor([[[1.0, 0.0, -1.0, 0.0]]])
        >>> round(Sobolev()(3 * wave, wave).item(), 6)
        2.0
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
        weight: Weight of the spectra, at least 0.
        floor: Power ε [variance of the data] below which differences do not count, above 0.

    Raises:
        ValueError: The weight or the floor is out of its range.

    Example:
        Twice the amplitude: ½ of mean square, and (1 - 4)² in one of two rings:

        >>> wave = torch.tensor([[[1.0, 0.0, -1.0, 0.0]]])
        >>> round(BinnedSpectralPower(weight=0.1)(2 * wave, wave).item(), 2)
        0.95
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
    """Return the sum of |f̂_m|² over each ring of mode numbers, from 1 to the highest whole one.

    Args:
        field: Periodic fields f.

    Example:
        >>> rings(torch.tensor([[[1.0, 0.0, -1.0, 0.0]]])).tolist()
        [[[0.5, 0.0]]]
    """
    density, squared = power(field)
    highest = min(field.shape[2:]) // 2
    number = torch.ceil(squared.sqrt() - 0.5).long().clamp_max(highest + 1).flatten()
    total = density.new_zeros(*density.shape[:2], highest + 2)
    return total.index_add_(2, number, density.flatten(2))[..., 1 : highest + 1]
