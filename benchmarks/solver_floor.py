"""A step of the spectral solver against its own Fourier transforms, alone, and against a copy.

The transforms of a step are recorded with their arguments and computed again without anything else,
in turns with the step. Their number is counted; `kept` is the share of the columns that dealiasing
keeps, on which all the rest is computed. With one thread, the time of the processor counts.

    python benchmarks/solver_floor.py [--sizes 64 128 256 512] [--fields 1 16] [--threads 1 2]
"""

import argparse

import torch
from machine import clock, compared, record
from traffic import Traffic

from datamodules import solvers
from datamodules.solvers.cpu import threads_for

VISCOSITY = {64: 0.1, 128: 0.025, 256: 6e-3, 512: 1.6e-3}
SCHEMES = {"ETDRK2": solvers.ETDRK2, "ETDRK4": solvers.ETDRK4}


@torch.inference_mode()
def measure(scheme: str, size: int, fields: int, rounds: int) -> dict[str, str | float]:
    """Return what a step costs, and its transforms."""
    grid = solvers.Grid((size, size), (6.283185307179586,) * 2)
    equation = solvers.BetaPlane(grid, viscosity=VISCOSITY[size])
    solver = solvers.SpectralSolver(equation, 1e-5, 1e-5, SCHEMES[scheme]).float()
    columns = solver.equation.columns
    state_hat = torch.fft.rfft2(torch.randn(fields, 1, size, size))[..., :columns] * solver.mask
    with Traffic() as traffic:
        solver.advance(state_hat, 1)
    repeats = max(2, int(2e6 / (size * size * fields)))
    seconds: dict[str, list[float]] = {"transforms": [], "step": []}
    for turn in range(rounds + 1):
        began = clock()
        solver.advance(state_hat, repeats)
        middle = clock()
        with threads_for(grid.shape, state_hat.device):  # as the solver does
            for _ in range(repeats):
                for call in traffic.transforms:
                    call()
        if turn:  # the first warms up
            seconds["step"].append((middle - began) / repeats)
            seconds["transforms"].append((clock() - middle) / repeats)
    both = compared(seconds, "transforms")
    return {
        "grid": f"{size}²", "fields": fields, "scheme": scheme, "threads": torch.get_num_threads(),
        "kept": columns / (size // 2 + 1), "transforms": len(traffic.transforms),
        "transforms ms": both["transforms"]["median ms"], "step ms": both["step"]["median ms"],
        "step / transforms": both["step"]["/ transforms"],
        "of the fastest": both["step"]["of the fastest"],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(VISCOSITY))
    parser.add_argument("--fields", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    rows = []
    for threads in options.threads:
        torch.set_num_threads(threads)
        for size in options.sizes:
            for fields in options.fields:
                rows += [measure(name, size, fields, options.rounds) for name in SCHEMES]
                print(rows[-1], flush=True)
    record("solver_floor", "A step of the solver against its own transforms", {"": rows})


if __name__ == "__main__":
    main()
