"""An emulator of waves that move by 0.2 rad per snapshot: one convolution can be that step."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from lightning import Trainer
from torch import nn

from datamodules import Dimensions, NumPy, Range, SplitFiles, TrajectoryDataModule
from emulators import Baseline


def main(folder: Path = Path("data/waves")) -> float:
    """Train, and return the relative error of a forecast after 50 steps."""
    torch.manual_seed(0)
    x, phase = np.linspace(0, 2 * np.pi, 32, endpoint=False), np.arange(8.0)[:, None, None]
    waves = np.sin(x - 0.2 * np.arange(51)[:, None] + phase).astype("f4")  # trajectory, time, x
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "waves.npy", waves)
    format = NumPy(["trajectory", "time", "x"], interval=0.2, lengths=[2 * np.pi])
    splits = {"train": Range(0, 6), "val": Range(6, 7)}
    files = {split: SplitFiles("waves.npy", chosen) for split, chosen in splits.items()}
    x_axis = Dimensions(space=("x",))
    data = TrajectoryDataModule(folder, ["waves"], x_axis, format=format, periodic=True, **files)
    network = nn.Conv1d(1, 1, kernel_size=3, padding=1, padding_mode="circular")
    optimizer = partial(torch.optim.Adam, lr=0.03)
    emulator = Baseline(network=network, optimizer=optimizer, ema_decay=0.9, dimensions=1)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    Trainer(max_steps=300, **quiet).fit(emulator, data)
    start, truth = torch.from_numpy(waves[7:, :1]), torch.from_numpy(waves[7, 50])
    with torch.no_grad():
        forecast = emulator.eval().rollout(start, steps=50)  # batch, time, channel, x
    return float((forecast[0, -1, 0] - truth).norm() / truth.norm())


if __name__ == "__main__":
    print(f"relative error after 50 steps: {100 * main():.1f} %")
