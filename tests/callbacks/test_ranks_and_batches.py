"""Scores of one, two and three processes and of any batch size are the same.

Kinds of rollouts, times numbers of initial conditions, times batch sizes, on each number of
processes: all diagnostics watch a network in float32 whose errors grow. Run with `-m slow -s` to
see the worst deviation of each kind, in units of the largest value of its array.
"""

import os
import pickle
import socket
import types

import numpy as np
import pytest
import torch
from torch.distributed import destroy_process_group, init_process_group
from torch.multiprocessing import start_processes

import callbacks
from datamodules.solvers import BetaPlane, Grid, KuramotoSivashinsky, SpectralSolver
from emulators.networks.interface import NetworkInterface
from emulators.networks.unet import UNet
from emulators.rollout import run_rollout
from tests.callbacks.conftest import Data, Exact, RolloutBatch

KINDS = ("1-D", "2-D", "two channels", "ensembles", "failing", "failing ensembles")
COUNTS, BATCHES, RANKS = (1, 2, 4, 5, 7), (1, 2, 3, 16), (1, 2, 3)
STEPS, TRUTH = 120, 12


class Map(Exact):
    """Network in float32 that doubles a small error in a few steps; some samples leave at once."""

    def __init__(self, channels, dimensions, failing):
        super().__init__(std=1.0, channels=channels)
        torch.manual_seed(1)
        self.network = UNet(
            NetworkInterface(channels, dimensions), width=4, multipliers=(1, 2), detail=4
        )
        for weight in self.network.parameters():
            if weight.dim() > 1:
                torch.nn.init.normal_(weight, std=1.0 / weight[0].numel() ** 0.5)
        self.failing = failing

    @torch.no_grad()
    def step(self, state, lead=None):
        lead = lead or 0
        new = torch.sin(3 * self.network(state)[0] + 2 * state)
        if self.failing:
            gone = torch.where(state.select(-1, 0).mean((1, 2)) > 0, 1e6, 1.0)
            new = new * (gone.reshape(-1, 1, 1, 1) if lead == 39 else 1.0)
        return new, lead + 1


def case(kind):
    """Return data, emulator and seven initial states with two perturbed members each."""
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(0)
    line, channels = kind == "1-D", 2 if kind == "two channels" else 1
    grid = Grid((32,), (22.0,)) if line else Grid((16, 16), (6.0, 6.0))
    names = ("u",) if line else ("vorticity", "q")[:channels]
    emulator = Map(channels, grid.dimensions, "failing" in kind)
    states = torch.randn(220, channels, *grid.shape)
    for _ in range(9):  # on to where the map stays
        states, _ = emulator.step(states)
    data = Data(grid, states, variables=names)
    equation = KuramotoSivashinsky(grid) if line else BetaPlane(grid, 20.0, 0.1, 1e-3)
    solver = SpectralSolver(equation, 0.01, 0.02)
    data.generator = types.SimpleNamespace(solver=solver, operating_points_differ=False)
    if channels == 2:
        data.generator = None
    members = 3 if "ensembles" in kind else 1
    data.rollouts["test"].members, data.rollouts["test"].steps = members, STEPS
    initial = torch.randn(7, channels, *grid.shape)
    return data, emulator, initial, 0.01 * torch.randn(members - 1, *initial.shape)


def watched(data):
    """Return all diagnostics, some of them also late and seldom."""
    kinds = [callbacks.RolloutError(), callbacks.EnergyStability(), callbacks.Spectrum(),
             callbacks.ZonalMean(), callbacks.Distribution(), callbacks.Moments(),
             callbacks.CovarianceError(),
             callbacks.Extremes(), callbacks.PCAAutocorrelation(length=60, lags=9),
             callbacks.RelativeError(), callbacks.PredictabilityLimit(),
             callbacks.EnsembleSkill(), callbacks.BandCRPS(), callbacks.RankHistogram(leads=(1, 9)),
             callbacks.ExceedanceReliability(leads=(1, 9)), callbacks.Panels(),
             callbacks.EnergyPlume(2), callbacks.ComponentPlume(2, 3),
             callbacks.EnsemblePanels(leads=(1, 9)), callbacks.Hovmoeller()]  # fmt: skip
    late = {"burn_in": 100, "every": 7}  # when what is lost is no longer computed
    kinds += [kind(**late) for kind in (callbacks.Spectrum, callbacks.ZonalMean,
              callbacks.Distribution, callbacks.Moments)]  # fmt: skip
    for diagnostic in kinds:
        diagnostic.attach(data)
    return [diagnostic for diagnostic in kinds if not diagnostic.unsupported_reason()]


def evaluate(known, count, batch, rank, ranks):
    """Return all arrays of scores of one evaluation, by diagnostic and name."""
    data, emulator, initial, noise = known
    data.rollouts["test"].initial_conditions = count
    share = -(-count // ranks)  # as torch's sampler for evaluation: padded from the start
    numbers = [n % count for n in range(rank, share * ranks, ranks)]
    diagnostics = watched(data)
    for diagnostic in diagnostics:
        diagnostic.emulator = emulator
        diagnostic.start(torch.device("cpu"))
    for first in range(0, len(numbers), batch):
        part = torch.tensor(numbers[first : first + batch])
        start = RolloutBatch(initial[part], part, STEPS, TRUTH, growth=0.98)
        if len(noise):
            start.perturbed = start.initial + noise[:, part]
        run_rollout(emulator, start, diagnostics)
    found = {}
    for number, diagnostic in enumerate(diagnostics):
        for name, values in diagnostic.scores().items():
            found[f"{type(diagnostic).__name__}/{number}/{name}"] = values.values
    return found


def work(rank, ranks, port, folder):
    """Evaluate everything as one of some processes; the first writes what was found."""
    os.environ.update({"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)})
    torch.set_num_threads(1)
    init_process_group("gloo", rank=rank, world_size=ranks)
    found = {}
    for kind in KINDS:
        known = case(kind)
        for count in COUNTS:
            for batch in BATCHES:
                found[kind, count, batch] = evaluate(known, count, batch, rank, ranks)
    if rank == 0:
        (folder / f"{ranks}.pickle").write_bytes(pickle.dumps(found))
    destroy_process_group()


def deviation(one, other):
    """Return the largest difference in units of the largest value; infinite if unlike."""
    if one.dtype.kind not in "fc":
        return 0.0 if np.array_equal(one, other) else np.inf
    if one.shape != other.shape or not np.array_equal(np.isfinite(one), np.isfinite(other)):
        return np.inf
    finite = np.isfinite(one)
    if not finite.any():
        return 0.0
    return np.abs(one - other)[finite].max() / (np.abs(one[finite]).max() or 1.0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_every_array_is_the_same_on_any_ranks_and_batches(tmp_path):
    for ranks in RANKS:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        start_processes(work, (ranks, port, tmp_path), ranks, start_method="spawn")
    found = {n: pickle.loads((tmp_path / f"{n}.pickle").read_bytes()) for n in RANKS}
    table = {}
    for kind in KINDS:
        for count in COUNTS:
            wanted = found[1][kind, count, 16]
            if kind.startswith("failing") and count > 2:
                assert {"", "energy"} <= set(wanted["EnergyStability/1/failure"])
            for ranks in RANKS:
                for batch in BATCHES:
                    other = found[ranks][kind, count, batch]
                    assert other.keys() == wanted.keys()
                    for name, values in wanted.items():
                        worst = deviation(values, other[name])
                        table[kind, ranks] = max(table.get((kind, ranks), (0.0, "")), (worst, name))
    for (kind, ranks), (worst, name) in table.items():
        print(f"{kind:<18} {ranks} ranks: {worst:.1e} in {name}")
    assert max(worst for worst, _ in table.values()) < 1e-6
