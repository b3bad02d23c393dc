r"""Gas, solid and heat in a fibre preform that is infiltrated by a reacting gas.

    ε ∂C/∂t  = ∇·(D ∇C) - k_s S C               precursor in the pores, C [mol/m³]
    ∂ε/∂t    = -V k_s S C                       porosity ε [1]
    ρc ∂T/∂t = ∇·(λ ∇T) - ΔH k_s S C            temperature T [K]

with the molar volume V of the deposit [m³/mol] and the enthalpy ΔH of the reaction [J/mol],
negative where it heats. S is the pore surface S_v that is not sealed yet. In the gas balance
∂(εC)/∂t is replaced by ε ∂C/∂t: they differ by a share V C of the reaction, about 10⁻⁶.

At all walls the gas outside has the mole fraction x of the precursor, C = x p/(R T). The ends of
the x axis are held at two temperatures, the ends of the y axis are insulated; the gas next to them
has the temperature of the cell. On faces D and λ are harmonic means.

Every coefficient and closure is known by name, so that learned ones can take their places:

    closure           reads                                  is
    open_porosity     porosity                               ε within (0, 1)
    rate_constant     temperature                            k_s [m/s]
    surface           open_porosity, initial_porosity,       S_v [1/m]
                      fibre_radius
    reactive_surface  surface, porosity                      S [1/m]
    rate              rate_constant, reactive_surface        k_s S [1/s]
    reaction          rate, concentration                    k_s S C [mol/m³/s]
    diffusivity       open_porosity, surface, temperature,   D [m²/s]
                      pressure
    conductivity      open_porosity                          λ [W/m/K]
    heat_capacity     open_porosity                          ρc [J/m³/K]
    growth            reaction, molar_volume                 -V k_s S C [1/s]
    heating           reaction, reaction_enthalpy            -ΔH k_s S C [W/m³]
"""

from torch import Tensor

from datamodules.solvers.finite_volume import (
    Balance,
    Boundary,
    Closure,
    Decay,
    Diffusion,
    Dirichlet,
    Domain,
    Neumann,
    Source,
    Walls,
    harmonic,
)
from datamodules.solvers.grid import Grid
from datamodules.solvers.infiltration.laws import (
    Arrhenius,
    Clamp,
    Conductivity,
    HeatCapacity,
    PoreDiffusivity,
    Sealing,
    ideal_gas,
    overlapping_fibres,
)
from datamodules.solvers.variable import Variable

GAS, POROSITY, TEMPERATURE = VARIABLES = (
    Variable("concentration", "molar concentration of the precursor", "mol m-3"),
    Variable("porosity", "porosity", "1"),
    Variable("temperature", "temperature", "K"),
)


def product(a: Tensor, b: Tensor) -> Tensor:
    """Return the product a b, elementwise."""
    return a * b


def negative_product(a: Tensor, b: Tensor) -> Tensor:
    """Return -a b: the loss by a reaction, or the gain where b < 0."""
    return -a * b


class WallCells:
    """Cells of a field at one end of an axis; a number stays a number.

    Args:
        axis: Number of the axis, counted from the end.
        end: End of the axis, 0 for the low and -1 for the high one.
    """

    def __init__(self, axis: int, end: int) -> None:
        self.axis = axis
        self.end = end

    def cells(self, field: Tensor) -> Tensor:
        """Return the cells of a field (..., *space) at the wall; a number unchanged."""
        return field.select(self.axis, self.end) if field.dim() else field


class AtWall(WallCells):
    """Values of a field in the cells at one end of an axis."""

    def __call__(self, field: Tensor) -> Tensor:
        return self.cells(field)


class FeedAtWall(WallCells):
    """Concentration x p/(R T) [mol/m³] of the gas at one end of an axis."""

    def __call__(self, mole_fraction: Tensor, pressure: Tensor, temperature: Tensor) -> Tensor:
        return self.cells(ideal_gas(mole_fraction, pressure, temperature))


def known_laws() -> dict[str, Closure]:
    """Return the closures of the physical laws, by name."""
    return {
        "open_porosity": Closure(("porosity",), Clamp()),
        "rate_constant": Closure(("temperature",), Arrhenius()),
        "surface": Closure(
            ("open_porosity", "initial_porosity", "fibre_radius"), overlapping_fibres
        ),
        "reactive_surface": Closure(("surface", "porosity"), Sealing()),
        "rate": Closure(("rate_constant", "reactive_surface"), product),
        "reaction": Closure(("rate", "concentration"), product),
        "diffusivity": Closure(
            ("open_porosity", "surface", "temperature", "pressure"), PoreDiffusivity()
        ),
        "conductivity": Closure(("open_porosity",), Conductivity()),
        "heat_capacity": Closure(("open_porosity",), HeatCapacity()),
        "growth": Closure(("reaction", "molar_volume"), negative_product),
        "heating": Closure(("reaction", "reaction_enthalpy"), negative_product),
    }


def wall_values(dimensions: int) -> dict[str, Closure]:
    """Return the closures of the values at the walls, by name."""
    values = {}
    for side, end in (("left", 0), ("right", -1)):
        outside = f"temperature_{side}"
        values[f"wall_{outside}"] = Closure((outside,), AtWall(-1, end))
        values[f"feed_{side}"] = Closure(
            ("mole_fraction", "pressure", outside), FeedAtWall(-1, end)
        )
    if dimensions == 2:
        for side, end in (("low", 0), ("high", -1)):
            values[f"feed_{side}"] = Closure(
                ("mole_fraction", "pressure", "temperature"), FeedAtWall(-2, end)
            )
    return values


class Infiltration(Balance):
    """The balance of gas, porosity and temperature on (x,) or (y, x).

    Its coefficients are pressure [Pa], mole_fraction [1], temperature_left and temperature_right
    [K], initial_porosity [1], fibre_radius [m], molar_volume [m³/mol] and reaction_enthalpy
    [J/mol], as far as the closures read them.

    Args:
        grid: Cells of the preform and its lengths [m].
        closures: Closures in place of known ones, by name; each may read the ones before it in the
            list above, and all variables and coefficients.

    Raises:
        ValueError: No closure has such a name.

    Example:
        A preform whose pores fill at the rate V C of a reaction with k_s S = 1/s, in place of the
        known law of the rate:

        >>> import torch
        >>> unit = Closure(("temperature",), torch.ones_like)
        >>> balance = Infiltration(Grid((8,), (0.01,)), closures={"rate": unit})
        >>> values = {"pressure": 1e4, "mole_fraction": 0.15, "molar_volume": 1e-5,
        ...           "reaction_enthalpy": 0.0, "initial_porosity": 0.6, "fibre_radius": 7e-6,
        ...           "temperature_left": 1273.0, "temperature_right": 1273.0}
        >>> tendency = balance.bind({name: torch.tensor(value) for name, value in values.items()})
        >>> state = torch.tensor([2.0, 0.5, 1273.0]).view(1, 3, 1).expand(1, 3, 8)  # C, ε, T
        >>> print(f"{tendency(state)[0, 1, 4]:.1e}")
        -2.0e-05
    """

    def __init__(self, grid: Grid, closures: dict[str, Closure] | None = None) -> None:
        known = known_laws() | wall_values(grid.dimensions)
        unknown = sorted(set(closures or {}) - set(known))
        if unknown:
            raise ValueError(
                f"Chemical vapour infiltration has no closure '{unknown[0]}' to replace, expected "
                f"one of {sorted(known)}."
            )
        x_walls = Walls(Dirichlet("feed_left"), Dirichlet("feed_right"))
        y_walls = Walls(Dirichlet("feed_low"), Dirichlet("feed_high"))
        heated = Walls(Dirichlet("wall_temperature_left"), Dirichlet("wall_temperature_right"))
        insulated = Walls(Neumann(), Neumann())
        ends: dict[str, tuple[Boundary, ...]] = {
            GAS.name: (y_walls, x_walls)[-grid.dimensions :],
            TEMPERATURE.name: (insulated, heated)[-grid.dimensions :],
        }
        super().__init__(
            Domain(grid, (insulated,) * grid.dimensions),
            VARIABLES,
            {
                "diffusion": Diffusion("diffusivity", harmonic, GAS.name),
                "consumption": Decay("rate", GAS.name),
                "densification": Source("growth", POROSITY.name),
                "conduction": Diffusion("conductivity", harmonic, TEMPERATURE.name),
                "heat_of_reaction": Source("heating", TEMPERATURE.name),
            },
            known | dict(closures or {}),
            {GAS.name: "open_porosity", TEMPERATURE.name: "heat_capacity"},
            ends,
        )
