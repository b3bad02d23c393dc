"""Chemical vapour infiltration of a fibre preform, at one or several operating points."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from datamodules.solvers.finite import check_finite
from datamodules.solvers.finite_volume import Closure, FiniteVolumeSolver, Profile, Stepper
from datamodules.solvers.grid import Grid
from datamodules.solvers.infiltration.balance import VARIABLES, Infiltration
from datamodules.solvers.infiltration.checks import (
    PARAMETERS,
    check_closures,
    check_in_units,
    check_porosity,
)
from datamodules.solvers.infiltration.laws import ideal_gas
from datamodules.solvers.solver import Solver
from datamodules.solvers.variable import State, Variable

FILLED = 1e-4  # share of the pores that is closed at the start: ln ε must differ from ln ε₀


class ChemicalVapourInfiltration(Solver):
    """Chemical vapour infiltration of a fibre preform: concentration, porosity and temperature.

    A state (batch, channel, *space) holds the molar concentration of the precursor [mol/m³], the
    porosity [1] and the temperature [K]; times are in seconds, lengths in metres. Equations and
    laws are in `datamodules.solvers.infiltration`. Trajectories of one data set may differ in the
    four operating parameters. The gas relaxes within a second while pores take days to close, which
    requires an implicit stepper.

    Args:
        grid: Cells (y, x) or (x,) of the preform and its lengths [m].
        stepper: Implicit time stepper, a `datamodules.solvers.finite_volume.ThetaScheme`.
        dt: Inner time step [s].
        interval: Time between snapshots [s], a whole number of inner steps.
        temperature_left: Temperature of the wall at x = 0 [K].
        temperature_right: Temperature of the wall at the other end of x [K].
        pressure: Total pressure of the gas [Pa].
        mole_fraction: Share of the precursor in the gas outside [1].
        initial_porosity: Porosity of the bare fibres [1], a number or a field.
        fibre_radius: Radius of the bare fibres [m], a number or a field.
        molar_volume: Molar volume of the deposit [m³/mol].
        reaction_enthalpy: Heat that a mole of deposit takes up [J/mol]; negative heats.
        closures: Laws that replace known ones, by name.

    Raises:
        ValueError: A value is out of the range that its unit makes plausible, or pores are closed.

    Example:
        >>> from datamodules.solvers.finite_volume import ThetaScheme
        >>> preform, euler = Grid((8,), (0.02,)), ThetaScheme(theta=1.0)
        >>> solver = ChemicalVapourInfiltration(preform, euler, dt=600.0, interval=3600.0)
        >>> state = solver.initial_state()
        >>> tuple(state.shape), round(state[0, 1, 0].item(), 5)
        ((1, 3, 8), 0.59994)
    """

    offset = 0.5
    unit_system = "SI units."

    def __init__(
        self,
        grid: Grid,
        stepper: Stepper,
        dt: float,
        interval: float,
        temperature_left: float = 1273.0,
        temperature_right: float = 1273.0,
        pressure: float = 1e4,
        mole_fraction: float = 0.15,
        initial_porosity: float | Profile = 0.6,
        fibre_radius: float | Profile = 7e-6,
        molar_volume: float = 0.0401 / 3210,
        reaction_enthalpy: float = 0.0,
        closures: dict[str, Closure] | None = None,
    ) -> None:
        check_finite(
            "ChemicalVapourInfiltration",
            dt=dt,
            interval=interval,
            temperature_left=temperature_left,
            temperature_right=temperature_right,
            pressure=pressure,
            mole_fraction=mole_fraction,
            initial_porosity=initial_porosity,
            fibre_radius=fibre_radius,
            molar_volume=molar_volume,
            reaction_enthalpy=reaction_enthalpy,
        )
        super().__init__()
        self.grid = grid
        self.stepper = stepper
        self.dt = dt
        self.interval = interval
        self.variables = VARIABLES
        self.temperature_left = temperature_left
        self.temperature_right = temperature_right
        self.pressure = pressure
        self.mole_fraction = mole_fraction
        self.initial_porosity = initial_porosity
        self.fibre_radius = fibre_radius
        self.molar_volume = molar_volume
        self.reaction_enthalpy = reaction_enthalpy
        self.closures = dict(closures or {})
        for length in grid.lengths:
            check_in_units("length", length)
        names = (*PARAMETERS, "initial_porosity", "fibre_radius", "molar_volume")
        coefficients = {name: getattr(self, name) for name in (*names, "reaction_enthalpy")}
        self.solver = FiniteVolumeSolver(
            Infiltration(grid, self.closures),
            coefficients,
            dt,
            interval,
            stepper,
            {name: variable.units for name, variable in PARAMETERS.items()},
        )
        for name in names:
            check_in_units(name, self.solver.values(0.0)[name])
        check_closures(self.solver.balance, self.solver.values(0.0))

    @property
    def periodic(self) -> tuple[bool, ...]:
        """Periodicity of the domain along each axis: a preform ends at walls."""
        return self.solver.periodic

    @property
    def parameters_of_trajectories(self) -> tuple[Variable, ...]:
        return tuple(PARAMETERS.values())

    def at(self, points: Sequence[Mapping[str, float]]) -> "ChemicalVapourInfiltration":
        self.check_points(points)
        for point in points:
            for name, value in point.items():
                check_in_units(name, value)
        twin = ChemicalVapourInfiltration(
            self.grid,
            self.stepper,
            self.dt,
            self.interval,
            self.temperature_left,
            self.temperature_right,
            self.pressure,
            self.mole_fraction,
            self.initial_porosity,
            self.fibre_radius,
            self.molar_volume,
            self.reaction_enthalpy,
            self.closures,
        )
        twin.solver = self.solver.at(points)
        return twin.to(self.solver.values(0.0)["pressure"])

    def initial_state(self) -> State:
        """Return bare fibres at rest: temperature linear in x, gas as outside, at that temperature.

        A ten-thousandth of the pores is filled, since the surface has a vertical tangent there.
        """
        values = self.solver.values(0.0)
        domain = self.solver.balance.domain
        (*_, x) = domain.centres()
        left, right = values["temperature_left"], values["temperature_right"]
        temperature = left + (right - left) * (x.to(left) / self.grid.lengths[-1])
        gas = ideal_gas(values["mole_fraction"], values["pressure"], temperature)
        porosity = (1 - FILLED) * values["initial_porosity"]
        batch = max(len(v) if v.dim() > self.grid.dimensions else 1 for v in values.values())
        shape = (batch, *self.grid.shape)
        return torch.stack([f.expand(shape) for f in (gas, porosity, temperature)], 1)

    def step(self, state: State) -> State:
        check_porosity(state[:, 1])
        return self.solver.step(state)

    def deposition_rate(self, state: State) -> Tensor:
        """Return the deposition rate k_s S C [mol/m³/s] of each cell, (batch, *space).

        Args:
            state: Concentration [mol/m³], porosity and temperature [K].
        """
        return self.solver.balance.bind(self.solver.values(0.0)).fields_at(state)["reaction"]
