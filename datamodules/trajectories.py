"""Trajectories of one split, independent of their files and their storage."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm import tqdm

from datamodules.files.reader import TrajectoryReader
from datamodules.files.selection import Range
from datamodules.static_fields import StaticFields
from datamodules.storage.storage import Place, Storage
from datamodules.storage.streamed import Streamed


class Trajectories:
    """Trajectories of a split, read from their files unless they are moved to another storage.

    Args:
        files: Files that agree with each other.
        trajectories: Range of the trajectories of each file that belong to the split.
        times: Range of the snapshots of each trajectory that belong to the split.
        mask: True where a channel has values, (channel, *space), or None if no point is masked;
            states without a value are 0 there.
        missing: Whether masked points have no value in any snapshot.

    Attributes:
        storage: Storage of the snapshots, whose last channels are the forcing.
        location: Description of the storage, for the terminal.
        parameters: Physical parameters, (trajectory, parameter), or None if none are named.

    Example:
        The first three of five snapshots of two trajectories on four points:

        >>> from pathlib import Path
        >>> from datamodules import Dimensions, NumPy
        >>> from datamodules.files.trajectory_file import TrajectoryFile
        >>> np.save("u.npy", np.arange(40.0).reshape(2, 5, 4))
        >>> format = NumPy(["trajectory", "time", "x"], interval=0.5)
        >>> file = TrajectoryFile(Path("u.npy"), ["u"], Dimensions(space=("x",)), format=format)
        >>> split = Trajectories([file], times=Range(stop=3))
        >>> len(split), split.snapshots, split.time(1, 2)
        (2, 6, 1.0)
        >>> split.read(1, 0, 1).tolist()
        [[[20.0, 21.0, 22.0, 23.0]]]
    """

    def __init__(
        self,
        files: Sequence[TrajectoryReader],
        trajectories: Range = Range(),
        times: Range = Range(),
        mask: Bool[Tensor, "channel *space"] | None = None,
        missing: bool = False,
    ) -> None:
        self.files = list(files)
        self.spans = [
            (file, index, times.of(file.snapshots))
            for file in files
            for index in trajectories.of(file.trajectories)
        ]
        if not self.spans:
            raise ValueError(
                f"{self.files[0].path} and the other files of the split hold no trajectory in the "
                f"range {trajectories.start} to {trajectories.stop}; set data.SPLIT.trajectories "
                "to numbers that exist."
            )
        self.lengths = [len(span) for _, _, span in self.spans]
        self.parameters: Float[Tensor, "trajectory parameter"] | None = None
        if self.spans and self.files[0].parameters.size:
            values = np.stack([file.parameters[index] for file, index, _ in self.spans])
            self.parameters = torch.from_numpy(values).float()
        masked = None if mask is None else ~mask.numpy()
        self.mask = mask
        self.storage: Storage = Streamed(self.spans, masked, missing)
        self.channels, self.forcings = len(files[0].variables), len(files[0].forcing)
        self._static = StaticFields(None if masked is None else masked.all(0))
        self.location = "streamed from the files"

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def snapshots(self) -> int:
        """Number of snapshots of all trajectories together."""
        return sum(self.lengths)

    def read(self, k: int, start: int, stop: int) -> Float[Tensor, "time channel *space"]:
        """Return snapshots of one trajectory, in physical units, on the CPU.

        Args:
            k: Number of the trajectory within the split.
            start: First snapshot.
            stop: Snapshot after the last one.
        """
        return self._state(self.storage.read(k, start, stop))

    def windows(
        self, places: Sequence[Place], length: int
    ) -> Float[Tensor, "batch time channel *space"]:
        """Return windows of consecutive snapshots, in physical units, on the device of the storage.

        Args:
            places: (trajectory, first snapshot) of each window.
            length: Number of snapshots per window.
        """
        return self.windows_and_forcing(places, length)[0]

    def windows_and_forcing(
        self, places: Sequence[Place], length: int
    ) -> tuple[
        Float[Tensor, "batch time channel *space"],
        Float[Tensor, "batch time forcing *space"] | None,
    ]:
        """Return windows of the state and of the forcing; None without forcing."""
        values = self.storage.windows(places, length)
        if not self.forcings:
            return values, None
        return values[:, :, : self.channels], values[:, :, self.channels :]

    def read_forcing(
        self, k: int, start: int, stop: int
    ) -> Float[Tensor, "time forcing *space"] | None:
        """Return the forcing at snapshots [start, stop) of trajectory k, or None."""
        return self.storage.read(k, start, stop)[:, self.channels :] if self.forcings else None

    def static(self, numbers: Sequence[int]) -> Float[Tensor, "_ static *space"] | None:
        """Return the static fields of some trajectories, or None if there are none."""
        if not self.files[0].static:
            return None
        fields = []
        for file, index, _ in (self.spans[k] for k in numbers):
            known = self._static.of(file)
            fields.append(known[index if len(known) > 1 else 0])
        return torch.from_numpy(np.stack(fields))

    def static_chunks(self) -> Iterator[Float[Tensor, "_ static *space"]]:
        """Yield the static fields of all trajectories in order, in pieces of one file each."""
        for file, spans in groupby(self.spans, key=itemgetter(0)):
            known = torch.from_numpy(self._static.of(file))
            numbers = [index for _, index, _ in spans]
            yield known[numbers] if len(known) > 1 else known.expand(len(numbers), *known.shape[1:])

    def _state(self, values: Float[Tensor, "time _ *space"]) -> Float[Tensor, "time _ *space"]:
        """Return the channels of the state, without the forcing."""
        return values[:, : self.channels] if self.forcings else values

    def check(self) -> None:
        """Check for missing values, unless the storage checked them when it was filled.

        Raises:
            ValueError: A value is missing or not finite.
        """
        if isinstance(self.storage, Streamed):
            for _ in self.chunks("looking for missing values"):
                pass

    def time(self, k: int, snapshot: int) -> float:
        """Return the time of a snapshot of trajectory k, in the units of its file."""
        file, _, span = self.spans[k]
        return float(file.times[span.start + snapshot])

    def pieces_of(
        self, k: int, snapshots: int = 256
    ) -> Iterator[Float[Tensor, "_ channel *space"]]:
        """Yield the snapshots of trajectory k in order, at most `snapshots` at a time."""
        return map(self._state, self.storage.pieces_of(k, snapshots))

    def chunks(
        self, description: str, snapshots: int = 256
    ) -> Iterator[Float[Tensor, "_ channel *space"]]:
        """Yield all snapshots in order, in pieces of one trajectory each, with a progress bar.

        Args:
            description: Text of the progress bar, which appears after two seconds.
            snapshots: Largest number of snapshots in a piece; there are fewer if they are large.
        """
        yield from map(self._state, self.chunks_and_forcing(description, snapshots))

    def chunks_and_forcing(
        self, description: str, snapshots: int = 256
    ) -> Iterator[Float[Tensor, "_ _ *space"]]:
        """Yield all snapshots as `chunks` does, with the forcing as further channels."""
        step = self.storage.step(snapshots)
        total = sum(-(-length // step) for length in self.lengths)
        pieces = self.storage.pieces(snapshots)
        yield from tqdm(pieces, desc=description, total=total, unit="chunk", delay=2)
