"""The trajectories of one split, whatever files they come from and wherever they are kept."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from datamodules.files.reader import TrajectoryReader
from datamodules.files.selection import Range
from datamodules.storage.storage import Place, Storage
from datamodules.storage.streamed import Streamed


class Trajectories:
    """The trajectories of a split, read from their files until they are put into another storage.

    Args:
        files: Files that agree with each other.
        trajectories: Which trajectories of each file belong to the split.
        times: Which snapshots of each trajectory belong to the split.

    Attributes:
        storage: Where the snapshots are kept.
        location: The same in words, with the reason.
        parameters: Physical parameters, (trajectory, parameter), or None if the files have none.
    """

    def __init__(
        self,
        files: Sequence[TrajectoryReader],
        trajectories: Range = Range(),
        times: Range = Range(),
    ) -> None:
        self.files = list(files)
        self.spans = [
            (file, index, times.of(file.snapshots))
            for file in files
            for index in trajectories.of(file.trajectories)
        ]
        if not self.spans:
            raise ValueError(
                f"{self.files[0].path} and the files beside it hold no trajectory in the range "
                f"{trajectories.start} to {trajectories.stop} that the split uses; set "
                "data.SPLIT.trajectories to numbers that there are."
            )
        self.lengths = [len(span) for _, _, span in self.spans]
        self.parameters: Float[Tensor, "trajectory parameter"] | None = None
        if self.spans and self.files[0].parameters.size:
            values = np.stack([file.parameters[index] for file, index, _ in self.spans])
            self.parameters = torch.from_numpy(values).float()
        self.storage: Storage = Streamed(self.spans)
        self.location = "streamed from the files"

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def snapshots(self) -> int:
        """Number of snapshots of all trajectories together."""
        return sum(self.lengths)

    def read(self, k: int, start: int, stop: int) -> Float[Tensor, "time channel *space"]:
        """Return snapshots [start, stop) of trajectory k, in the memory of this process."""
        return self.storage.read(k, start, stop)

    def windows(
        self, places: Sequence[Place], length: int
    ) -> Float[Tensor, "batch time channel *space"]:
        """Return windows from places (trajectory, first snapshot) on, where training wants them."""
        return self.storage.windows(places, length)

    def check(self) -> None:
        """Refuse values that are missing, where the storage has not read all of them before."""
        if isinstance(self.storage, Streamed):
            for _ in self.chunks("looking for missing values"):
                pass

    def time(self, k: int, snapshot: int) -> float:
        """Return the time of a snapshot of trajectory k, as the file counts it."""
        file, _, span = self.spans[k]
        return float(file.times[span.start + snapshot])

    def pieces_of(
        self, k: int, snapshots: int = 256
    ) -> Iterator[Float[Tensor, "_ channel *space"]]:
        """Yield the snapshots of trajectory k in their order, at most so many at a time."""
        return self.storage.pieces_of(k, snapshots)

    def chunks(
        self, description: str, snapshots: int = 256
    ) -> Iterator[Float[Tensor, "_ channel *space"]]:
        """Yield all snapshots, piece by piece of a trajectory; long work shows a bar.

        Args:
            description: What they are read for.
            snapshots: Most snapshots of a piece; large ones come in smaller pieces.
        """
        step = self.storage.step(snapshots)
        total = sum(-(-length // step) for length in self.lengths)
        pieces = self.storage.pieces(snapshots)
        yield from tqdm(pieces, desc=description, total=total, unit="chunk", delay=2)
