"""The moving picture of the README: a flow as simulated and as emulated, from one state.

Run `python examples/moving_picture.py runs/quickstart/baseline runs/quickstart/stochastic`.
"""

import argparse
from pathlib import Path

import numpy as np
import xarray
from matplotlib import colormaps
from PIL import Image, ImageDraw

from emulators import load

DATA = Path("data/quickstart/test/test_0000.nc")
SIZE, MARGIN, HEADING = 3, 8, 18  # pixels per grid point; between pictures; above them


def drawn(states: list[np.ndarray], names: list[str], limit: float, text: str) -> Image.Image:
    """Return pictures of states (y, x) side by side, with their names above."""
    height, width = (SIZE * size for size in states[0].shape)
    size = (len(states) * (width + MARGIN) - MARGIN, height + 2 * HEADING)
    sheet = Image.new("RGB", size, "white")
    write = ImageDraw.Draw(sheet).text
    for number, (name, state) in enumerate(zip(names, states, strict=True)):
        levels = np.kron(state[::-1] / (2 * limit) + 0.5, np.ones((SIZE, SIZE)))  # y upwards
        colours = (255 * colormaps["RdBu_r"](levels)[..., :3]).astype("uint8")
        left = number * (width + MARGIN)
        sheet.paste(Image.fromarray(colours), (left, HEADING))
        write((left + width // 2, HEADING // 2), name, "black", anchor="mm", font_size=13)
    write((size[0] // 2, size[1] - HEADING // 2), text, "black", anchor="mm", font_size=13)
    return sheet.quantize(32, dither=Image.Dither.NONE)


def main(runs: list[Path], out: Path, steps: int = 200, every: int = 5) -> None:
    """Roll out each emulator from the first state of the data, and write a GIF of all."""
    with xarray.open_dataset(DATA) as data:
        start = data.isel(trajectory=0)
        truth = start["vorticity"].isel(time=slice(0, steps + 1, every)).values
        initial = start.isel(time=0).load()
    films = {"simulation": truth}
    for run in runs:
        forecast = load(run).forecast(initial, steps=steps, every=every)
        films[run.name] = np.concatenate((truth[:1], forecast["vorticity"].values))
    times = [0.0, *forecast["time"].values]
    states = [list(film) for film in zip(*films.values(), strict=True)]
    limit = 2.5 * float(truth.std())
    first, *others = [
        drawn(state, list(films), limit, f"t = {time:.1f} s")
        for state, time in zip(states, times, strict=True)
    ]
    first.save(out, save_all=True, append_images=others, duration=150, loop=0, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="Folders of trained runs.")
    parser.add_argument("--out", type=Path, default=Path("rollouts.gif"))
    given = parser.parse_args()
    main(given.runs, given.out)
