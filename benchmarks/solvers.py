"""The spectral solver against exponax and jax-cfd: time per step, and cost at equal accuracy.

All three solve the unforced two-dimensional vorticity equation, pseudo-spectral, dealiased, in
float32, from the same field. Each scheme takes ever shorter steps until its relative error at the
end, against our ETDRK4 in float64 with very short steps, is below a target; its cost is then the
number of steps times the seconds of a step. What lies beyond the modes that all keep is left out of
the error. The libraries answer in processes of their own, one after the other, turn by turn, so
that all meet the same machine, and the time is that of the processor, of all threads of a process;
the peers live in another environment:

    python -m venv peers && peers/bin/pip install exponax jax-cfd
    python benchmarks/solvers.py --python peers/bin/python [--sizes 64 128] [--rounds 9]
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCHEMES = {
    "ours": ("ETDRK2", "ETDRK4"),
    "exponax": ("ETDRK2", "ETDRK4"),
    "jax-cfd": ("CNRK2", "CNRK4"),
}
VISCOSITY = {64: 0.1, 128: 0.025, 256: 6e-3, 512: 1.6e-3}  # the smallest scales are resolved
LENGTH = 2 * math.pi
UNTIL = 0.5
TARGETS = (1e-3, 1e-4)
MOST_STEPS = 3200


def ours(scheme: str, size: int, dt: float, double: bool = False):
    import torch

    from datamodules import solvers

    grid = solvers.Grid((size, size), (LENGTH, LENGTH))
    equation = solvers.BetaPlane(grid, viscosity=VISCOSITY[size])
    solver = solvers.SpectralSolver(equation, dt, dt, getattr(solvers, scheme))
    solver = solver if double else solver.float()

    @torch.inference_mode()
    def run(fields, steps: int):
        state = torch.from_numpy(fields).to(torch.float64 if double else torch.float32)
        state_hat = torch.fft.rfft2(state[:, None])[..., : solver.equation.columns] * solver.mask

        def turn():
            with torch.inference_mode():
                return solver.advance(state_hat, steps)

        return turn, lambda state_hat: torch.fft.irfft2(state_hat)[:, 0].numpy()

    return run


def exponax(scheme: str, size: int, dt: float):
    import exponax as ex

    stepper = ex.stepper.NavierStokesVorticity(
        2, LENGTH, size, dt, diffusivity=VISCOSITY[size], order=int(scheme[-1])
    )
    return jitted(stepper.step_fourier, sign=1, channel=True)  # mirrored twice


def jax_cfd(scheme: str, size: int, dt: float):
    from jax_cfd.base.grids import Grid
    from jax_cfd.spectral import equations, time_stepping

    grid = Grid((size, size), domain=((0, LENGTH), (0, LENGTH)))
    equation = equations.NavierStokes2D(VISCOSITY[size], grid, smooth=True)
    make = {"CNRK2": "crank_nicolson_rk2", "CNRK4": "crank_nicolson_rk4"}[scheme]
    step = getattr(time_stepping, make)(equation, dt)
    return jitted(step, sign=-1, channel=False)  # its first axis is x: the mirrored flow


def jitted(step, sign: int, channel: bool):
    """Return what `ours` returns, of a step of one spectrum in JAX."""
    import jax
    import numpy as np

    def run(fields, steps: int):
        fields = (sign * fields).astype("float32")
        state_hat = jax.numpy.fft.rfft2(fields[:, None] if channel else fields)

        def several(state_hat):
            return jax.lax.scan(lambda u, _: (step(u), None), state_hat, length=steps)[0]

        single = len(fields) == 1  # a batch of one would be slower than none
        compiled = jax.jit(several if single else jax.vmap(several))
        given = state_hat[0] if single else state_hat

        def turn():
            return compiled(given).block_until_ready()

        def field(result):
            result = np.fft.irfft2(np.asarray(result))
            return sign * result.reshape(-1, *fields.shape[1:])

        return turn, field

    return run


LIBRARIES = {"ours": ours, "exponax": exponax, "jax-cfd": jax_cfd}


def serve(library: str, folder: Path) -> None:
    """Answer requests: seconds of a step, or the field at the end written to a file."""
    import numpy as np

    kept: dict[tuple, tuple] = {}
    for line in sys.stdin:
        scheme, size, batch, steps, target, *double = request = json.loads(line)
        start = np.load(folder / f"{size}.npy")
        repeated = np.repeat(start[None], batch, 0)
        if target:  # the whole way
            turn, field = LIBRARIES[library](scheme, size, UNTIL / steps, *double)(repeated, steps)
            np.save(folder / target, field(turn())[0])
            print(json.dumps(0.0), flush=True)
            continue
        key = tuple(request)
        if key not in kept:
            count = max(4, int(2e6 / (size * size * batch)))
            kept = {key: (LIBRARIES[library](scheme, size, 1e-5)(repeated, count)[0], count)}
            kept[key][0]()
        turn, count = kept[key]
        time.sleep(0.05)  # let the threads of the other library come to rest
        turn()
        began = time.process_time()
        turn()
        print(json.dumps((time.process_time() - began) / count), flush=True)


class Worker:
    """A library in a process of its own."""

    def __init__(self, name: str, python: str, folder: Path) -> None:
        self.folder = folder
        command = [python, __file__, "--serve", name, "--folder", str(folder)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *request) -> float:
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def field(self, scheme: str, size: int, steps: int, *double: bool):
        """Return the modes that all keep, of the field at the end."""
        import numpy as np

        self.ask(scheme, size, 1, steps, "end.npy", *double)
        spectrum = np.fft.rfft2(np.load(self.folder / "end.npy").astype("float64"))
        kept = size // 3 - 1
        return np.concatenate((spectrum[: kept + 1, : kept + 1], spectrum[-kept:, : kept + 1]))


def steps_for(worker: Worker, scheme: str, size: int, truth) -> dict[float, tuple[int, float]]:
    """Return, by target, the least number of steps found that meets it, and its error."""
    import numpy as np

    found: dict[float, tuple[int, float]] = {}
    exponent = 0
    while len(found) < len(TARGETS) and (steps := round(5 * 2 ** (exponent / 2))) <= MOST_STEPS:
        end = worker.field(scheme, size, steps)
        error = float(np.linalg.norm(end - truth) / np.linalg.norm(truth))
        for target in TARGETS:
            if error <= target:
                found.setdefault(target, (steps, error))
        exponent += 1
    return found


def initial(folder: Path, size: int) -> None:
    """Write a random field whose modes all libraries keep."""
    import numpy as np
    import torch

    from datamodules.solvers import GaussianField, Grid

    grid = Grid((size, size), (LENGTH, LENGTH))
    generator = torch.Generator().manual_seed(0)
    np.save(folder / f"{size}.npy", GaussianField(5.0, 4.0, 1.5).sample(grid, 1, generator)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", help="interpreter of the environment that has the peers")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(VISCOSITY))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--serve", choices=list(LIBRARIES))
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.folder)
        return
    if options.python is None or not Path(options.python).is_file():
        parser.error(f"--python must be the interpreter of the peers, got {options.python}.")
    import torch
    from machine import record  # needs torch, which the other environment lacks

    torch.set_num_threads(options.threads)
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    if options.threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    steps, costs = [], []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pythons = dict.fromkeys(LIBRARIES, options.python) | {"ours": sys.executable}
        workers = {name: Worker(name, python, folder) for name, python in pythons.items()}
        for size in options.sizes:
            initial(folder, size)
            truth = workers["ours"].field("ETDRK4", size, MOST_STEPS // 2, True)
            cases = [(name, scheme) for name, schemes in SCHEMES.items() for scheme in schemes]
            enough = {case: steps_for(workers[case[0]], case[1], size, truth) for case in cases}
            for batch in (1, 16) if size < 512 else (1,):
                seconds = {case: [] for case in cases}
                for case in cases:  # one scheme of each library at a time would need more memory
                    workers[case[0]].ask(case[1], size, batch, 0, "")
                for pair in zip(*SCHEMES.values(), strict=True):
                    for _ in range(options.rounds):
                        for name, scheme in zip(SCHEMES, pair, strict=True):
                            time_of = workers[name].ask(scheme, size, batch, 0, "")
                            seconds[name, scheme].append(time_of)
                steps += step_rows(seconds, size, batch)
                costs += cost_rows(seconds, enough, size, batch)
                print(steps[-6:], costs[-2:], file=sys.stderr, flush=True)
    record(
        "solvers",
        "The vorticity equation against exponax and jax-cfd",
        {"Time of a step": steps, f"Cost of {UNTIL} units of time at equal accuracy": costs},
    )


def step_rows(seconds: dict, size: int, batch: int) -> list[dict]:
    """Return the time of a step of each scheme, and ours over it, of the same order."""
    rows = []
    for (name, scheme), times in seconds.items():
        mine = seconds["ours", f"ETDRK{scheme[-1]}"]
        rows.append(
            {
                "grid": f"{size}²",
                "batch": batch,
                "library": name,
                "scheme": scheme,
                "median ms": 1e3 * statistics.median(times),
                "fastest ms": 1e3 * min(times),
                "ours / it": statistics.median(a / b for a, b in zip(mine, times, strict=True)),
                "of the fastest": min(mine) / min(times),
            }
        )
    return rows


def cost_rows(seconds: dict, enough: dict, size: int, batch: int) -> list[dict]:
    """Return, for each target, what the best scheme of each library needs."""
    rows = []
    for target in TARGETS:
        row = {"grid": f"{size}²", "batch": batch, "error at most": target}
        best = {}
        for name, schemes in SCHEMES.items():
            met = [scheme for scheme in schemes if target in enough[name, scheme]]
            costs = {s: enough[name, s][target][0] * min(seconds[name, s]) for s in met}
            scheme = min(costs, key=costs.get, default=None)
            best[name] = costs.get(scheme, math.nan)
            count, error = enough[name, scheme][target] if scheme else (0, math.nan)
            row[name] = f"{scheme}, {count} steps, error {error:.1e}" if scheme else "not met"
            row[f"{name} ms"] = 1e3 * best[name]
        row |= {f"ours / {peer}": best["ours"] / best[peer] for peer in ("exponax", "jax-cfd")}
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
