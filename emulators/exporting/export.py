"""Export of a trained emulator to a folder that PyTorch alone can use."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save

from datamodules.files.atomic import atomic_write, writing
from emulators.emulator import Emulator
from emulators.exporting.card import card_of, readme_of
from emulators.exporting.program import StepProgram

TOLERANCE = 1e-5
"""Largest difference between program and emulator, relative to the size of the state."""


def export(
    emulator: Emulator,
    folder: Path | str,
    *,
    about: Mapping[str, Any] | None = None,
    licence: str | None = None,
    steps: int = 100,
) -> Path:
    """Write one step of a trained emulator as a program that needs PyTorch alone.

    The folder has `step.pt2`, a program of `torch.export` with the weights inside,

        step(state, memory, parameters=..., noise=..., static=..., forcing=..., time=...)
            -> (state, memory),

    with the named inputs that the emulator needs; `weights.safetensors`; `card.json`, which
    describes all of them, the data, the scores and the origin; and `README.md` with a program that
    forecasts. States are in physical units, their number is free; statistics and constraints of the
    data are inside. The memory of a first step is zero.

    Args:
        emulator: Trained emulator, of which the averaged weights are written, in its precision.
        folder: New folder.
        about: Further entries of the card as JSON values, such as `scores`.
        licence: Licence for the card.
        steps: Number of steps, each from the same state, in which the program is compared with the
            emulator before anything is written.

    Returns:
        The folder.

    Example:
        An emulator that never changes the state, and its program:

        >>> import torch
        >>> from torch import nn
        >>> from datamodules import DataDescription
        >>> from datamodules.solvers import Grid, Variable
        >>> from emulators import Baseline
        >>> emulator = Baseline(network=nn.Identity(), dimensions=1)
        >>> wind, line = Variable("u", "wind", "m s-1"), Grid((8,), (1.0,))
        >>> emulator.trained_on = DataDescription.on_grid([wind], line, interval=6.0)
        >>> folder = export(emulator, "wind", steps=2)
        >>> step = torch.export.load(folder / "step.pt2").module()
        >>> state, memory = step(torch.full((2, 1, 8), 5.0), ())
        >>> state[0, 0, :3].tolist(), memory
        ([5.0, 5.0, 5.0], ())

    Raises:
        ValueError: PyTorch cannot export the step, or the program does not agree with the emulator.
        OSError: The folder exists, or it cannot be written.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists already; remove it, or name another folder.")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}.")
    data = emulator.described_data()
    step = StepProgram(emulator, data.shape)
    difference = step.largest_difference(steps)
    if not difference <= TOLERANCE:
        raise ValueError(
            f"The program of {type(emulator).__name__} differs from it by {difference:.1e} of the "
            f"size of the state, expected at most {TOLERANCE:g}, so that nothing was written; in a "
            "class of your own draw random numbers by `context.normal`, and keep what changes from "
            "step to step in the memory."
        )
    parity = {"steps": steps, "largest_relative_difference": difference}
    card = card_of(step, emulator, data, parity, about or {}, licence)
    contents: dict[str, bytes | str] = {
        "step.pt2": step.content,
        "weights.safetensors": weights_of(step.emulator),
        "card.json": json.dumps(card, indent=2, default=str) + "\n",
        "README.md": readme_of(card, folder.name),
    }
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for name, content in contents.items():
                atomic_write(new / name, content)
            new.chmod(0o755)
            new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return folder


def weights_of(emulator: Emulator) -> bytes:
    """Return the bytes of a file of weights and statistics in the format safetensors.

    Raises:
        ValueError: The format has no such type.
    """
    weights = emulator.state_dict()
    try:
        return save({name: w.detach().cpu().contiguous().clone() for name, w in weights.items()})
    except KeyError as reason:
        kinds = {str(w.dtype): name for name, w in weights.items()}
        raise ValueError(
            f"The weight '{kinds[str(reason.args[0])]}' is of {reason.args[0]}, which files of "
            "safetensors cannot hold; convert it to a real type."
        ) from reason
