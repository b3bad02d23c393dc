"""Training windows of consecutive snapshots, in a shuffled order that a resumed run continues."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

from datamodules.observations import mask_unobserved
from datamodules.trajectories import Trajectories


@dataclass
class WindowBatch:
    """Training windows with physical parameters and times.

    Attributes:
        states: Snapshots, (batch, time, channel, *space).
        parameters: Physical parameters, (batch, parameter), or None.
        times: Time of each first snapshot in the units of the files, float64 (batch,), or None.
        static: Static fields, (batch, static, *space), or None.
        forcing: Forcing at the times of the snapshots, (batch, time, forcing, *space), or None.
    """

    states: Float[Tensor, "batch time channel *space"]
    parameters: Float[Tensor, "batch parameter"] | None
    times: Float[Tensor, " batch"] | None = None
    static: Float[Tensor, "batch static *space"] | None = None
    forcing: Float[Tensor, "batch time forcing *space"] | None = None

    def __len__(self) -> int:
        return len(self.states)

    def pin_memory(self) -> "WindowBatch":
        """Return the batch in page-locked memory."""
        known = (self.states, self.parameters, self.times, self.static, self.forcing)
        return WindowBatch(*(None if part is None else part.pin_memory() for part in known))


class WindowDataset(Dataset):
    """Data set of all windows of `window` consecutive snapshots.

    Batches are tensors (batch, time, channel, *space), or a `WindowBatch` if there are parameters,
    static fields or forcing, or if `timed` is set.

    Args:
        trajectories: Trajectories to take windows from.
        window: Number of snapshots per window.
        timed: If True, batches contain the start times of their windows.
        observed: Mask of the observed values of a window, (time, channel, *space); each trajectory
            then has one window, at its start, and values that are not observed are NaN.

    Raises:
        ValueError: No trajectory is long enough.

    Example:
        Two trajectories of five snapshots have three windows of three snapshots each:

        >>> from pathlib import Path
        >>> from datamodules import Dimensions, NumPy
        >>> from datamodules.files.trajectory_file import TrajectoryFile
        >>> np.save("u.npy", np.arange(40.0).reshape(2, 5, 4))
        >>> format = NumPy(["trajectory", "time", "x"], interval=0.5)
        >>> file = TrajectoryFile(Path("u.npy"), ["u"], Dimensions(space=("x",)), format=format)
        >>> windows = WindowDataset(Trajectories([file]), window=3)
        >>> len(windows), windows.locate(3)
        (6, (1, 0))
        >>> windows.__getitems__([0, 3])[:, :, 0, 0].tolist()  # the first point
        [[0.0, 4.0, 8.0], [20.0, 24.0, 28.0]]
    """

    def __init__(
        self,
        trajectories: Trajectories,
        window: int,
        timed: bool = False,
        observed: Bool[Tensor, "time channel *space"] | None = None,
    ) -> None:
        self.trajectories = trajectories
        self.observed = observed
        self.window = window
        self.timed = timed
        counts = [max(0, length - window + 1) for length in trajectories.lengths]
        if observed is not None:
            counts = [min(1, count) for count in counts]
        self.ends = np.cumsum(counts)
        if not counts or self.ends[-1] == 0:
            raise ValueError(
                f"{trajectories.files[0].path} holds trajectories of at most "
                f"{max(trajectories.lengths, default=0)} snapshots, the emulator needs windows of "
                f"{window}; use longer trajectories, or fewer steps or shorter leads in the "
                "options of the model."
            )

    def __len__(self) -> int:
        return int(self.ends[-1])

    def locate(self, index: int) -> tuple[int, int]:
        """Return (trajectory, first snapshot) of a window."""
        k = int(np.searchsorted(self.ends, index, side="right"))
        return k, index - (int(self.ends[k - 1]) if k else 0)

    def __getitem__(self, index: int) -> Float[Tensor, "batch time channel *space"] | WindowBatch:
        return self.__getitems__([index])

    def __getitems__(
        self, indices: list[int]
    ) -> Float[Tensor, "batch time channel *space"] | WindowBatch:
        places = [self.locate(index) for index in indices]
        states, forcing = self.trajectories.windows_and_forcing(places, self.window)
        if self.observed is not None:
            states = mask_unobserved(states, self.observed.to(states.device))
        numbers = [k for k, _ in places]
        known, static = self.trajectories.parameters, self.trajectories.static(numbers)
        if known is None and static is None and forcing is None and not self.timed:
            return states
        times = None
        if self.timed:
            starts = [self.trajectories.time(k, start) for k, start in places]
            times = torch.tensor(starts, dtype=torch.float64)
        parameters = None if known is None else known[numbers]
        return WindowBatch(states, parameters, times, static, forcing)


class WindowSampler(DistributedSampler):
    """Shuffled order of windows that a resumed run continues where it was interrupted.

    The order is determined by the seed and the number of batches drawn before, so that it need not
    be saved in a checkpoint. (Lightning does not replace distributed samplers under DDP.)

    Args:
        windows: Data set to sample from.
        batch_size: Number of windows per batch and process.
        seed: Seed of the shuffle.
        drawn: Function that returns the number of batches that this process has drawn since the
            start of the training.
        ranks: Number of processes.
        rank: Number of this process.
    """

    def __init__(
        self,
        windows: WindowDataset,
        batch_size: int,
        seed: int,
        drawn: Callable[[], int],
        ranks: int = 1,
        rank: int = 0,
    ) -> None:
        super().__init__(windows, ranks, rank, shuffle=True, seed=seed)
        self.batch_size = batch_size
        self.drawn = drawn

    def __iter__(self) -> Iterator[int]:
        per_epoch = max(1, self.num_samples // self.batch_size)
        epoch, done = divmod(self.drawn(), per_epoch)
        self.set_epoch(epoch)
        return iter(list(super().__iter__())[done * self.batch_size :])
