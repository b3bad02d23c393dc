r"""Constitutive laws of chemical vapour infiltration.

    k_s = k₀ exp(-E/(R T))                             rate constant of the surface reaction [m/s]
    S_v = (2 ε/r_f) √(ln ε₀ ln ε)                      pore surface per volume [1/m]
    r_p = 2 ε/S_v                                      pore radius [m]
    D_K = (2/3) r_p √(8 R T/(π M))                     Knudsen diffusivity [m²/s]
    D_m = D_ref (T/298 K)^1.75 (101325 Pa/p)           molecular diffusivity [m²/s]
    D   = ε^{5/3}/(1/D_m + 1/D_K)                      effective diffusivity [m²/s]
    λ   = λ_s (1 - ε)^{3/2} + λ_g ε                    effective conductivity [W/m/K]
    ρc  = (1 - ε) (ρc)_s                               heat capacity [J/m³/K]

with porosity ε [1], porosity of the bare fibres ε₀, fibre radius r_f [m], temperature T [K] and
total pressure p [Pa]. S_v is the surface of randomly placed cylinders that grow and overlap; on the
bare fibres it is -2 ε₀ ln ε₀/r_f. Each law is a function of fields that broadcast.

References: J. Y. Ofori and S. V. Sotirchos, AIChE J. 42 (1996) 2828-2840 (overlapping fibres);
R. B. Evans, G. M. Watson and E. A. Mason, J. Chem. Phys. 35 (1961) 2076-2083 (sum of resistances).
"""

import math

import torch
from torch import Tensor

from datamodules.solvers.finite import check_finite

GAS_CONSTANT = 8.314
"""Molar gas constant R [J/mol/K]."""


class Clamp:
    """Restriction of a field to a range, so that laws stay defined.

    Newton's method may try values that no solution has.

    Args:
        low: Lower bound.
        high: Upper bound.

    Example:
        >>> [round(x, 4) for x in Clamp()(torch.tensor([-1.0, 0.5, 1.0])).tolist()]
        [0.0001, 0.5, 0.9999]
    """

    def __init__(self, low: float = 1e-4, high: float = 1 - 1e-4) -> None:
        check_finite("Clamp", low=low, high=high)
        self.low = low
        self.high = high

    def __call__(self, x: Tensor) -> Tensor:
        return x.clamp(self.low, self.high)


class Arrhenius:
    """Arrhenius law k_s(T) = k₀ exp(-E/(R T)) [m/s].

    Args:
        prefactor: Prefactor k₀ [m/s].
        activation_energy: Activation energy E [J/mol].

    Example:
        Without an activation energy the rate is the prefactor at any temperature:

        >>> Arrhenius(prefactor=2.0, activation_energy=0.0)(torch.tensor(1273.0)).item()
        2.0
    """

    def __init__(self, prefactor: float = 2.62, activation_energy: float = 1.2e5) -> None:
        check_finite("Arrhenius", prefactor=prefactor, activation_energy=activation_energy)
        if not (prefactor > 0 and activation_energy >= 0):
            raise ValueError(
                "Arrhenius needs a prefactor above 0 m/s and an activation_energy of at least 0 "
                f"J/mol, got {prefactor} and {activation_energy}; a reaction that slows when "
                "heated has no Arrhenius law."
            )
        self.prefactor = prefactor
        self.activation_energy = activation_energy

    def __call__(self, temperature: Tensor) -> Tensor:
        return self.prefactor * torch.exp(-self.activation_energy / (GAS_CONSTANT * temperature))


def overlapping_fibres(porosity: Tensor, initial_porosity: Tensor, radius: Tensor) -> Tensor:
    """Return the pore surface per volume S_v = (2 ε/r_f) √(ln ε₀ ln ε) [1/m].

    Args:
        porosity: Porosity ε [1].
        initial_porosity: Porosity ε₀ of the bare fibres [1].
        radius: Fibre radius r_f [m].

    Example:
        On the bare fibres it is -2 ε₀ ln ε₀/r_f:

        >>> bare, radius = torch.tensor(-1.0).exp(), torch.tensor(2.0)
        >>> round(overlapping_fibres(bare, bare, radius).item(), 6)
        0.367879
    """
    return 2 * porosity / radius * torch.sqrt(torch.log(initial_porosity) * torch.log(porosity))


class Sealing:
    """Open surface S σ((ε - ε_min)/w) as pores close, with σ the logistic function.

    Args:
        porosity: Porosity ε_min [1] at which half of the surface is sealed.
        width: Width w [1] of the transition; small for a sharp end, 0.01 for gentle gradients.

    Example:
        >>> Sealing(porosity=0.02)(torch.tensor(4.0), torch.tensor(0.02)).item()
        2.0
    """

    def __init__(self, porosity: float = 0.02, width: float = 0.002) -> None:
        check_finite("Sealing", porosity=porosity, width=width)
        if not (0 < porosity < 1 and width > 0):
            raise ValueError(
                f"Sealing needs a porosity in (0, 1) and a width above 0, got {porosity} and "
                f"{width}; the defaults are 0.02 and 0.002."
            )
        self.porosity = porosity
        self.width = width

    def __call__(self, surface: Tensor, porosity: Tensor) -> Tensor:
        return surface * torch.sigmoid((porosity - self.porosity) / self.width)


class PoreDiffusivity:
    """Diffusivity D(ε, S_v, T, p) = ε^{5/3}/(1/D_m + 1/D_K) [m²/s] in pores.

    Molecules collide with each other (D_m) and with pore walls (D_K).

    Args:
        molar_mass: Molar mass M of the precursor [kg/mol].
        reference: Diffusivity D_ref of the gas at 298 K and 1 atm [m²/s].

    Example:
        In wide pores only molecules meet, and D is the reference at 298 K and 1 atm:

        >>> law = PoreDiffusivity(reference=4.5e-5)
        >>> one, surface = torch.tensor(1.0), torch.tensor(1e-6)
        >>> D = law(one, surface, torch.tensor(298.0), torch.tensor(101325.0))
        >>> round(1e5 * D.item(), 4)
        4.5
    """

    def __init__(self, molar_mass: float = 0.1495, reference: float = 4.5e-5) -> None:
        check_finite("PoreDiffusivity", molar_mass=molar_mass, reference=reference)
        if not (molar_mass > 0 and reference > 0):
            raise ValueError(
                "PoreDiffusivity needs a molar_mass [kg/mol] and a reference [m²/s] above 0, got "
                f"{molar_mass} and {reference}; 149.5 g/mol is 0.1495."
            )
        self.molar_mass = molar_mass
        self.reference = reference

    def __call__(
        self, porosity: Tensor, surface: Tensor, temperature: Tensor, pressure: Tensor
    ) -> Tensor:
        radius = 2 * porosity / surface
        speed = torch.sqrt(8 * GAS_CONSTANT * temperature / (math.pi * self.molar_mass))
        molecular = self.reference * (temperature / 298) ** 1.75 * (101325 / pressure)
        return porosity ** (5 / 3) / (1 / molecular + 1 / (2 / 3 * radius * speed))


class Conductivity:
    """Conductivity λ(ε) = λ_s (1 - ε)^{3/2} + λ_g ε [W/m/K].

    Args:
        solid: Conductivity λ_s of the solid [W/m/K].
        gas: Conductivity λ_g of the gas [W/m/K].

    Example:
        >>> Conductivity(solid=20.0, gas=0.5)(torch.tensor([0.0, 1.0])).tolist()
        [20.0, 0.5]
    """

    def __init__(self, solid: float = 20.0, gas: float = 0.2) -> None:
        check_finite("Conductivity", solid=solid, gas=gas)
        if not (solid > 0 and gas >= 0):
            raise ValueError(
                "Conductivity needs solid above 0 and gas of at least 0 W/m/K, got "
                f"{solid} and {gas}; heat flows from hot to cold."
            )
        self.solid = solid
        self.gas = gas

    def __call__(self, porosity: Tensor) -> Tensor:
        return self.solid * (1 - porosity) ** 1.5 + self.gas * porosity


class HeatCapacity:
    """Heat capacity ρc(ε) = (1 - ε) (ρc)_s [J/m³/K], without the gas.

    Args:
        density: Density of the solid [kg/m³].
        specific_heat: Specific heat of the solid [J/kg/K].

    Example:
        >>> HeatCapacity(density=3000.0, specific_heat=1000.0)(torch.tensor(0.5)).item()
        1500000.0
    """

    def __init__(self, density: float = 3210.0, specific_heat: float = 1300.0) -> None:
        check_finite("HeatCapacity", density=density, specific_heat=specific_heat)
        if not (density > 0 and specific_heat > 0):
            raise ValueError(
                "HeatCapacity needs a density [kg/m³] and a specific_heat [J/kg/K] above 0, got "
                f"{density} and {specific_heat}; silicon carbide has 3210 and 1300."
            )
        self.density = density
        self.specific_heat = specific_heat

    def __call__(self, porosity: Tensor) -> Tensor:
        return (1 - porosity) * self.density * self.specific_heat


def ideal_gas(mole_fraction: Tensor, pressure: Tensor, temperature: Tensor) -> Tensor:
    """Return the concentration x p/(R T) [mol/m³] of an ideal gas.

    Args:
        mole_fraction: Mole fraction x [1].
        pressure: Total pressure p [Pa].
        temperature: Temperature T [K].

    Example:
        >>> fraction, pressure = torch.tensor(0.5), torch.tensor(8314.0)
        >>> round(ideal_gas(fraction, pressure, torch.tensor(1000.0)).item(), 6)
        0.5
    """
    return mole_fraction * pressure / (GAS_CONSTANT * temperature)
