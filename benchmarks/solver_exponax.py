"""Time per step and grid point of the spectral solver against exponax, in one run.

Both solve the unforced two-dimensional vorticity equation with the same scheme, precision and step.
exponax lives in an environment of its own; this script starts one process of each and lets them
take turns, so that both meet the same machine:

    python -m venv exponax-env && exponax-env/bin/pip install exponax
    python benchmarks/solver_exponax.py --python exponax-env/bin/python
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

CASES = [(size, batch, order) for size in (64, 256) for batch in (1, 16) for order in (2, 4)]
DT = {64: 1e-3, 256: 1e-4}
VISCOSITY = 1e-3


def steps_per_turn(size: int, batch: int) -> int:
    """Return a number of steps that takes about a tenth of a second."""
    return max(4, int(4e6 / (size * size * batch)))


def ours(size: int, batch: int, order: int):
    import math

    import torch

    from datamodules.solvers import ETDRK2, ETDRK4, BetaPlane, Grid, SpectralSolver

    grid = Grid((size, size), (2 * math.pi, 2 * math.pi))
    scheme = {2: ETDRK2, 4: ETDRK4}[order]
    equation = BetaPlane(grid, viscosity=VISCOSITY)
    solver = SpectralSolver(equation, DT[size], DT[size], scheme).float()
    state_hat = torch.fft.rfft2(torch.randn(batch, 1, size, size))
    steps = steps_per_turn(size, batch)

    def turn() -> None:
        with torch.inference_mode():
            solver.advance(state_hat, steps)

    return turn


def exponax(size: int, batch: int, order: int):
    import math

    import equinox
    import exponax as ex
    import jax

    stepper = ex.stepper.NavierStokesVorticity(
        2, 2 * math.pi, size, DT[size], diffusivity=VISCOSITY, order=order
    )
    steps = steps_per_turn(size, batch)
    repeated = ex.repeat(stepper.step_fourier, steps)
    run = equinox.filter_jit(repeated if batch == 1 else jax.vmap(repeated))
    shape = (1, size, size) if batch == 1 else (batch, 1, size, size)
    state = jax.random.normal(jax.random.PRNGKey(0), shape)
    state_hat = jax.numpy.fft.rfft2(state)

    def turn() -> None:
        run(state_hat).block_until_ready()

    return turn


def serve(library: str) -> None:
    """Answer each case on standard input with the seconds that one turn of it took."""
    turns = {}
    for line in sys.stdin:
        case = tuple(json.loads(line))
        if case not in turns:
            turns[case] = {"ours": ours, "exponax": exponax}[library](*case)
            turns[case]()
        time.sleep(0.1)  # let the threads of the other library come to rest
        turns[case]()
        start = time.perf_counter()
        turns[case]()
        print(json.dumps((time.perf_counter() - start) / steps_per_turn(*case[:2])), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", help="interpreter of the environment that has exponax")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--serve", choices=["ours", "exponax"])
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    from machine import header  # needs torch, which the other environment lacks

    print(header("Time per step of the beta-plane flow against exponax"), flush=True)
    workers = {
        name: subprocess.Popen(
            [python, __file__, "--serve", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, python in {"ours": sys.executable, "exponax": options.python}.items()
    }

    def ask(name: str, case: tuple[int, int, int]) -> float:
        workers[name].stdin.write(json.dumps(case) + "\n")
        workers[name].stdin.flush()
        return json.loads(workers[name].stdout.readline())

    print("| grid | batch | scheme | ours ms/step | exponax ms/step | ours ns/point | ratio |")
    print("|---|---|---|---|---|---|---|")
    for case in CASES:
        pairs = [(ask("ours", case), ask("exponax", case)) for _ in range(options.rounds)]
        mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        size, batch, order = case
        print(
            f"| {size}² | {batch} | ETDRK{order} | {mine * 1e3:.3f} | {theirs * 1e3:.3f} "
            f"| {mine * 1e9 / (size * size * batch):.1f} | {ratio:.2f} |",
            flush=True,
        )
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()


if __name__ == "__main__":
    main()
