"""Simulation of trajectories with a solver, stored one or more per file.

A file appears whole or not at all. While it is made, its snapshots are kept in `NAME.nc.partial/`,
in segments that are written together with the state of the solver; an interrupted simulation
resumes after the last segment, and the data are the same. Files are independent of each other, so
that any number of processes divide them by number.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import netCDF4
import torch
from torch import Tensor
from tqdm import tqdm

from datamodules.files.formats.netcdf import Attributes
from datamodules.files.hashes import hash_of
from datamodules.files.integrity import checked_hash
from datamodules.files.netcdf_writer import write_trajectories
from datamodules.files.provenance import describe, first_difference, provenance_in, random_seed
from datamodules.generation.segments import SegmentStore, locked_folder
from datamodules.generation.split_size import SplitSize
from datamodules.solvers import Grid, InitialCondition, Solver, Variable, resample
from datamodules.solvers.cpu import at_most
from datamodules.solvers.finite import check_finite

SEGMENT = 100  # snapshots of a segment, after which an interrupted simulation resumes


@dataclass(frozen=True)
class CoarseSpinUp:
    """First part of the spin-up on a coarser grid, in longer time steps, as a faster start.

    The state is then refined, and `Generator.spin_up` gives it time to fill the smaller scales.

    Args:
        shape: Number of points along each axis.
        length: Length [T].

    Example:
        >>> CoarseSpinUp(shape=(64, 64), length=30.0).length
        30.0
    """

    shape: tuple[int, ...]
    length: float

    def __post_init__(self) -> None:
        check_finite("data.generator.coarse_spin_up", length=self.length)
        object.__setattr__(self, "shape", tuple(self.shape))
        if not self.length > 0:
            raise ValueError(
                f"data.generator.coarse_spin_up.length must be positive, got {self.length}."
            )


class Generator:
    """Simulated data set: a solver, random initial states, and the sizes of its splits.

    Trajectory k of a split depends only on the seed, the name of the split and k.

    Args:
        solver: Solver, whose interval is the time between snapshots.
        initial: Distribution of the states before the spin-up, for the splits without one of their
            own; None where the solver has an initial state of its own.
        splits: Size of each split, by its name.
        spin_up: Length of the discarded start of every trajectory [T].
        shape: Number of points of the stored fields along each axis, if coarser than the solver's;
            the spectrum is truncated.
        seed: Seed of all random choices.
        trajectories_per_file: Number of trajectories simulated together and stored in one file.
        precision: Precision of the simulation, 32 or 64 [bits].
        coarse_spin_up: Part of the spin-up on a coarser grid, before `spin_up`; None for no such
            part. For solvers that have a method `on`, such as `SpectralSolver`.

    Example:
        Two trajectories of five snapshots for training, from random states:

        >>> from datamodules.solvers import GaussianField, KuramotoSivashinsky, SpectralSolver
        >>> solver = SpectralSolver(KuramotoSivashinsky(Grid((64,), (22.0,))), dt=0.1, interval=1.0)
        >>> splits = {"train": SplitSize(trajectories=2, snapshots=5)}
        >>> generator = Generator(solver, GaussianField(wavenumber=1.0), splits, spin_up=10.0)
        >>> len(generator.files(Path("data")))
        2
    """

    def __init__(
        self,
        solver: Solver,
        initial: InitialCondition | None,
        splits: dict[str, SplitSize],
        spin_up: float = 0.0,
        shape: tuple[int, ...] | None = None,
        seed: int = 0,
        trajectories_per_file: int = 1,
        precision: int = 32,
        coarse_spin_up: CoarseSpinUp | None = None,
    ) -> None:
        check_finite("Generator", spin_up=spin_up)
        if precision not in (32, 64):
            raise ValueError(f"Generator.precision must be 32 or 64, got {precision}.")
        if trajectories_per_file < 1:
            raise ValueError(
                f"Generator.trajectories_per_file must be at least 1, got {trajectories_per_file}."
            )
        self.coarse_spin_up = coarse_spin_up
        self.coarse = None if coarse_spin_up is None else solver.on(coarse_spin_up.shape)
        for own in (solver, self.coarse):
            if own is not None:
                own.float() if precision == 32 else own.double()
        self.solver = solver
        self.initial = initial
        self.splits = dict(splits)
        self.spin_up = spin_up
        self.shape = None if shape is None else tuple(shape)
        self.seed = seed
        self.trajectories_per_file = trajectories_per_file
        self.precision = precision
        self.grid = Grid(self.shape or solver.grid.shape, solver.grid.lengths)
        if any(new > old for new, old in zip(self.grid.shape, solver.grid.shape, strict=True)):
            raise ValueError(
                f"Generator.shape must not be finer than the solver's grid {solver.grid.shape}, "
                f"got {self.grid.shape}."
            )
        for split in self.splits.values():
            if split.operating_points:
                solver.at(split.operating_points)  # refuses what cannot be
        if initial is None and any(split.initial is None for split in self.splits.values()):
            solver.initial_state()  # refuses a solver that has none

    @property
    def operating_points_differ(self) -> bool:
        """True if parameters differ between trajectories, so that no one solver describes all."""
        return any(split.operating_points for split in self.splits.values())

    def files(self, root: Path) -> list["Shard"]:
        """Return all files of the data set, existing or not.

        Args:
            root: Folder of the data set.
        """
        return [
            Shard(
                self, root, split, first, min(self.trajectories_per_file, size.trajectories - first)
            )
            for split, size in self.splits.items()
            for first in range(0, size.trajectories, self.trajectories_per_file)
        ]

    def generate(self, root: Path, rank: int = 0, ranks: int = 1, device: str = "cpu") -> None:
        """Simulate the missing files of this process, with a progress bar.

        Args:
            root: Folder of the data set.
            rank: Number of this process; it makes every `ranks`-th file.
            ranks: Number of processes.
            device: Device of the simulation.

        Raises:
            ValueError: An existing file was made with other settings.
            FloatingPointError: The solution is not finite.
        """
        shards = self.files(root)
        for shard in shards:
            shard.check()
        own = shards[rank::ranks]
        # a run that was killed may have left segments of a file that it completed
        missing = [s for s in own if not s.path.exists() or s.segments.folder.exists()]
        if not missing:
            return
        self.solver.to(device)
        if self.coarse is not None:
            self.coarse.to(device)
        total = sum(s.solver_steps * s.count for s in missing if not s.path.exists())
        with tqdm(total=total, desc=f"simulating {root}", unit="snapshot") as progress:
            for shard in missing:
                shard.make(progress, device)

    def verify(self, root: Path, rank: int = 0, ranks: int = 1) -> None:
        """Compare the values in the files of this process with the content hashes stored in them.

        Raises:
            ValueError: The values of a file were changed after it was written.
        """
        names = [variable.name for variable in self.solver.variables]
        for shard in self.files(root)[rank::ranks]:
            hash_of(root, shard.path, names, partial(checked_hash, shard.path, names))


class Shard:
    """One file of a generated data set.

    Args:
        generator: Generator that makes the file.
        root: Folder of the data set.
        split: Name of the split.
        first: Number of the first trajectory within the split.
        count: Number of trajectories.
    """

    def __init__(
        self, generator: Generator, root: Path, split: str, first: int, count: int
    ) -> None:
        self.generator = generator
        self.split = split
        self.first = first
        self.count = count
        self.snapshots = generator.splits[split].snapshots
        self.points = generator.splits[split].points(first, count)
        own = generator.splits[split].initial
        self.initial = generator.initial if own is None else own
        self.path = (
            Path(root) / split / f"{split}_{first // generator.trajectories_per_file:04d}.nc"
        )
        self.segments = SegmentStore(self.path.with_name(f"{self.path.name}.partial"))
        interval, coarse = generator.solver.interval, generator.coarse_spin_up
        self.coarse_steps = 0 if coarse is None else round(coarse.length / interval)
        self.spin_up_steps = self.coarse_steps + round(generator.spin_up / interval)
        self.solver_steps = self.spin_up_steps + self.snapshots

    def provenance(self) -> dict[str, Any]:
        """Return everything that determines the data of this file."""
        description = describe(self.generator)
        del description["splits"]
        description.update(
            split=self.split, first=self.first, count=self.count, snapshots=self.snapshots
        )
        if self.initial is not self.generator.initial:
            description["initial"] = describe(self.initial)
        if self.points:
            description["operating_points"] = self.points
        return description

    def check(self) -> None:
        """Raise an error if a file of this name was generated with other settings."""
        if not self.path.exists():
            return
        try:
            with netCDF4.Dataset(self.path) as dataset:
                found = provenance_in(Attributes(dataset))
                sizes = {name: len(size) for name, size in dataset.dimensions.items()}
        except (OSError, RuntimeError):
            raise ValueError(
                f"{self.path} is not a readable NetCDF file; remove it and it is made again."
            ) from None
        if found is None:
            raise ValueError(
                f"{self.path} was not made by this generator; move it away or set another "
                "data.root."
            )
        difference = first_difference(found, self.provenance())
        wanted = {"trajectory": self.count, "time": self.snapshots}
        if not difference and any(sizes.get(name) != size for name, size in wanted.items()):
            raise ValueError(
                f"{self.path} has dimensions {sizes}, {wanted} were written; it was cut, remove "
                "the file to make it again."
            )
        if difference:
            raise ValueError(
                f"{self.path} was made with other settings ({difference}); remove the file to make "
                "it again, set another data.root, or restore the setting."
            )

    def solver(self, step: int) -> Solver:
        """Return the solver of a step since the initial state, at these operating points.

        Args:
            step: Number of intervals since the initial state.
        """
        generator = self.generator
        own = generator.solver
        if generator.coarse is not None and step < self.coarse_steps:
            own = generator.coarse
        return own.at(self.points) if self.points else own

    def initial_state(self) -> Tensor:
        """Return the states at the start of the spin-up, (trajectory, channel, *space)."""
        generator, solver = self.generator, self.solver(0)
        if self.initial is None:
            states = solver.initial_state().cpu()
            return states.expand(self.count, *states.shape[1:]).clone()
        with at_most(1):  # several threads add in another order
            states = [
                self.initial.sample(
                    solver.grid,
                    len(solver.variables),
                    torch.Generator().manual_seed(random_seed(generator.seed, self.split, number)),
                )
                for number in range(self.first, self.first + self.count)
            ]
        dtype = torch.float32 if generator.precision == 32 else torch.float64
        return torch.stack(states).to(dtype)

    def make(self, progress: tqdm, device: str) -> None:
        """Simulate segment by segment, from the last one on disk, then write the file."""
        with locked_folder(self.segments.folder):
            if self.path.exists():  # another process made it while this one waited
                self.segments.remove()
                return
            self.segments.belong_to(self.provenance())
            done = self.segments.count()
            state = self.segments.last_state() if done else self.initial_state()
            progress.update(self.count * min(done * SEGMENT, self.solver_steps))
            state = state.to(device)
            for segment in range(done, -(-self.solver_steps // SEGMENT)):
                state = self._simulate(segment, state, progress)
            self._assemble()
            self.segments.remove()

    @torch.inference_mode()
    def _simulate(self, segment: int, state: Tensor, progress: tqdm) -> Tensor:
        """Simulate and store one segment (no snapshots in the spin-up); return its last state."""
        generator, fields = self.generator, []
        first = segment * SEGMENT
        solver = self.solver(first)
        for step in range(first, min(first + SEGMENT, self.solver_steps)):
            if step == self.coarse_steps:
                solver = self.solver(step)
            if state.shape[2:] != solver.grid.shape:
                grid = Grid(tuple(state.shape[2:]), solver.grid.lengths)
                state = resample(state, grid, solver.grid.shape)
            if step >= self.spin_up_steps:
                fields.append(resample(state, solver.grid, generator.grid.shape).float().cpu())
            state = solver.step_at(state, (step - self.spin_up_steps) * solver.interval)
            progress.update(self.count)
        if not torch.isfinite(state).all():
            raise FloatingPointError(
                f"The solution for {self.path} left the range of numbers before t = "
                f"{(first + SEGMENT) * solver.interval:g}; lower the solver's dt "
                f"({getattr(solver, 'dt', solver.interval):g})."
            )
        self.segments.store(segment, fields, state)
        return state

    def _assemble(self) -> None:
        generator = self.generator
        write_trajectories(
            self.path,
            self.segments.fields(),
            (self.count, self.snapshots),
            generator.solver.variables,
            generator.grid,
            generator.solver.interval,
            self.first,
            f"Trajectories of {type(generator.solver).__name__}, split {self.split}",
            self.provenance(),
            self.parameters(),
            generator.solver.offset,
            generator.solver.unit_system,
            generator.solver.periodic,
        )

    def parameters(self) -> dict[Variable, list[float]]:
        """Return the physical parameters that differ, each with its value for every trajectory."""
        return {
            variable: [point[variable.name] for point in self.points]
            for variable in self.generator.solver.parameters_of_trajectories
            if self.points and variable.name in self.points[0]
        }
