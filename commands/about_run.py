"""Entries of the card of an exported emulator that come from its run."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from emulators.checkpoint_file import LOADER

KEPT = ("scores", "rollouts", "metrics", "precision")


def about_run(folder: Path, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a run and, if its weights were tested, their scores, as JSON values.

    Args:
        folder: Folder of the run.
        checkpoint: Checkpoint that is exported.

    Raises:
        ValueError: The file of the scores is damaged.
    """
    settings = yaml.load(checkpoint.get("settings", "{}"), LOADER)
    about: dict[str, Any] = {"options": settings} if settings else {}
    file = folder / "scores.json"
    if not file.is_file():
        return about
    try:
        found = json.loads(file.read_text())
        step, hashes = found["steps"], (found["training_data_hash"], found["data_hash"])
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{file} is not as `emulate test` writes it; test the run again, or remove the file."
        ) from None
    own = checkpoint.get("global_step")
    if step != own:
        print(
            f"note: {file} is of step {step}, the weights are of step {own}; the card has no "
            "scores."
        )
        return about
    about["data_hashes"] = dict(zip(("train", "test"), hashes, strict=True))
    return about | {"scores": {name: found.get(name) for name in KEPT}}
