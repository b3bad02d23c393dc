import tempfile
import types
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from datamodules import DataDescription
from datamodules.reference_cache import cached
from datamodules.solvers import Grid, Variable
from emulators.rollout import run_rollout
from emulators.standardize import Standardize


class Exact:
    """Emulator of u_{n+1} = factor · u_n."""

    def __init__(self, factor=1.0, std=2.0, channels=1):
        self.factor = factor
        self.standardize = Standardize(channels)
        one = torch.ones(channels)
        self.standardize.set_statistics(0 * one, std * one, one)

    def step(self, state, memory=None):
        return self.factor * state, None


class Scripted(Exact):
    """Emulator whose state after `lead` steps is a function of the first."""

    def at(self, lead, first):
        raise NotImplementedError

    def step(self, state, memory=None):
        first, lead = memory or (state, 0)
        return self.at(lead + 1, first.clone()), (first, lead + 1)


class RolloutBatch:
    """Initial conditions whose truth grows by `growth` per step."""

    perturbed = None
    parameters = None

    def __init__(self, initial, index, steps, truth_steps, growth=1.0):
        self.initial, self.index = initial, index
        self.times = [0.0] * len(initial)
        self.steps, self.truth_steps, self.growth = steps, truth_steps, growth

    def truth(self, lead):
        return self.initial * self.growth**lead


class Data:
    """Data module whose training split is one trajectory, `reference` (time, channel, *space).

    Without a grid, its axes have no coordinates.
    """

    generator = None

    def __init__(self, grid, reference, variables=("vorticity",), interval=0.5):
        self.states = reference
        fields = [Variable(name, f"long {name}", "s-1") for name in variables]
        some = grid or Grid(tuple(reference.shape[2:]), (1.0,) * (reference.dim() - 2))
        flow = "vorticity" if "vorticity" in variables else None
        self.description = DataDescription.on_grid(fields, some, interval, "m", "s", vorticity=flow)
        if grid is None:
            bare = tuple(replace(axis, values=None) for axis in self.description.axes)
            self.change(axes=bare)
        self.root = Path(tempfile.mkdtemp())
        self.rollouts = {"test": types.SimpleNamespace(members=1, initial_conditions=2, steps=1000)}

    def describe(self):
        return self.description

    def change(self, **entries):
        self.description = replace(self.description, **entries)

    def content_hash(self, split):
        return str(self.states.sum().item())

    def reference(self, split, definition, compute):
        return cached(self.root, self.content_hash(split), definition, compute)

    def trajectories(self, split):
        assert split == "train"
        return types.SimpleNamespace(
            chunks=lambda label, snapshots=3: self.states.split(snapshots),
            lengths=[len(self.states)],
            snapshots=len(self.states),
        )


@pytest.fixture
def evaluate():
    """Run a diagnostic over batches of initial conditions and return its scores."""

    def run(diagnostic, emulator, data, starts):
        diagnostic.attach(data, emulator)
        diagnostic.start(torch.device("cpu"))
        for start in starts:
            run_rollout(emulator, start, [diagnostic])
        emulator.summary = diagnostic.finish()
        return diagnostic.results

    return run


@pytest.fixture
def plane():
    return Grid((8, 8), (2.0, 2.0))
