"""Where explicit steps diverge and implicit ones hold, with the true coefficients.

Systems 1 and 3 of Akhare et al. (2025) on 64 x 32 and on their 128 x 64 cells, five trajectories in
double precision. Errors are Σ|û - u|/Σ|u| against RK4 of Δt = 5e-4.

    python benchmarks/implicit_stability.py
"""

import torch
from machine import header

from datamodules.solvers import Grid, Variable
from datamodules.solvers.finite_volume import (
    RK4,
    Balance,
    Central,
    Convection,
    Diffusion,
    Domain,
    DonorCell,
    ExplicitEuler,
    InterpolatedNoise,
    Profile,
    Stepper,
    ThetaScheme,
    Waves,
)
from datamodules.solvers.implicit import ImplicitLayer, NewtonKrylov

TERMS = {
    "advection-diffusion": Convection(("v", "u"), DonorCell()),
    "Burgers": Convection(("phi", "phi"), Central(), factor=0.5),
}
COEFFICIENTS = {
    "advection-diffusion": {
        "u": Waves(30, 4, seed=10),
        "v": Waves(15, 2, seed=20),
        "D": 1e-3,
    },
    "Burgers": {"D": Waves(20, 4, seed=30, high=1e-2, floor=1e-3)},
}
STEPPERS: dict[str, Stepper] = {
    "explicit Euler": ExplicitEuler(),
    "RK4": RK4(),
    "backward Euler": ThetaScheme(1.0, ImplicitLayer(NewtonKrylov())),
    "Crank-Nicolson": ThetaScheme(0.5, ImplicitLayer(NewtonKrylov())),
}
DTS, TIMES = (0.01, 0.02, 0.04), (0.2, 1.0)


class Flow:
    """A system on a grid, from random initial states."""

    def __init__(self, system: str, shape: tuple[int, int]) -> None:
        domain = Domain(Grid(shape, (1.0, 2.0)))
        terms = {"convection": TERMS[system], "diffusion": Diffusion("D")}
        self.balance = Balance(domain, (Variable("phi", "tracer", "1"),), terms)
        self.given = {
            name: value.field(domain) if isinstance(value, Profile) else torch.tensor(value)
            for name, value in COEFFICIENTS[system].items()
        }
        generator = torch.Generator().manual_seed(0)
        noise = InterpolatedNoise(shortest=0.3, longest=0.38)
        self.initial = torch.stack([noise.sample(domain.grid, 1, generator) for _ in range(5)])

    def states(self, stepper: Stepper, dt: float) -> list[torch.Tensor]:
        """Return the states at the TIMES."""
        step, state, found = stepper.prepared(self.balance, self.given, dt), self.initial, []
        for number in range(1, round(TIMES[-1] / dt) + 1):
            state = step(state)
            if any(number == round(time / dt) for time in TIMES):
                found.append(state)
        return found


def cell(state: torch.Tensor, truth: torch.Tensor) -> str:
    error = ((state - truth).abs().sum() / truth.abs().sum()).item()
    return f"{100 * error:.2g} %" if error < 1 else "diverges"


def main() -> None:
    torch.set_default_dtype(torch.float64)
    print(header("Explicit and implicit steps: relative L1 error with the true coefficients"))
    for system in TERMS:
        for shape in ((32, 64), (64, 128)):
            flow = Flow(system, shape)
            truth = flow.states(RK4(), 5e-4)
            print(f"\n## {system}, {shape[1]} x {shape[0]}\n")
            columns = [f"t = {time:g}, Δt = {dt:g}" for time in TIMES for dt in DTS]
            print("| | " + " | ".join(columns) + " |")
            print("|---" * (1 + len(columns)) + "|")
            for name, stepper in STEPPERS.items():
                runs = [flow.states(stepper, dt) for dt in DTS]
                cells = [cell(run[k], truth[k]) for k in range(len(TIMES)) for run in runs]
                print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
