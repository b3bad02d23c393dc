"""Make dedalus_s1.h5, dedalus_s2.h5 (two sets of one run) and dedalus.npz with dedalus 3.0.5.

The run has scalar, vector and constant tasks, one of another resolution and one of coefficients;
dedalus.npz holds what Dedalus' own reader returns. Run in an environment with Dedalus:
python make_dedalus.py
"""

import shutil
import tempfile
from pathlib import Path

import dedalus.public as d3
import numpy as np
from dedalus.tools.post import load_tasks_to_xarray

HERE = Path(__file__).parent


def main():
    coords = d3.CartesianCoordinates("x", "z")
    dist = d3.Distributor(coords, dtype=np.float64)
    along = d3.RealFourier(coords["x"], size=6, bounds=(0, 3), dealias=1)
    across = d3.ChebyshevT(coords["z"], size=5, bounds=(-1, 1), dealias=1)
    b = dist.Field(name="b", bases=(along, across))
    u = dist.VectorField(coords, name="u", bases=(along, across))
    problem = d3.IVP([b, u], namespace={"b": b, "u": u})
    problem.add_equation("dt(b) = - 0.3*b")
    problem.add_equation("dt(u) = - 0.2*u")
    solver = problem.build_solver(d3.RK222)
    x, z = dist.local_grids(along, across)
    b["g"] = 300 + np.sin(2 * np.pi * x / 3) * np.cos(np.pi * z)
    u["g"][0] = 0.5 * np.cos(2 * np.pi * x / 3) + 0 * z
    u["g"][1] = 1e-3 * np.sin(2 * np.pi * z) + 0 * x
    solver.sim_time = solver.initial_sim_time = 2.5
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        handler = solver.evaluator.add_file_handler(path, sim_dt=0.25, max_writes=3)
        handler.add_task(b, name="b")
        handler.add_task(u, name="u")
        handler.add_task(d3.Integrate(b), name="total")
        handler.add_task(b, layout="c", name="b_hat")
        handler.add_task(b, scales=2, name="b_fine")
        for _ in range(9):  # of which the first is at the start
            solver.step(0.125)
        sets = [path / f"run_s{number}.h5" for number in (1, 2)]
        read = [load_tasks_to_xarray(file, tasks=["b", "u"]) for file in sets]
        fields = [np.concatenate([one["b"].values[:, None], one["u"].values], 1) for one in read]
        times = np.concatenate([one["b"]["sim_time"].values for one in read])
        np.savez_compressed(HERE / "dedalus.npz", fields=np.concatenate(fields), times=times)
        for file in sets:
            shutil.copy(file, HERE / file.name.replace("run", "dedalus"))
        print(np.concatenate(fields).shape, times)


if __name__ == "__main__":
    main()
