"""Provenance of scores and forecasts: emulator, data, rollouts, code, machine."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer

from callbacks.run.training_cost import cost_of
from datamodules.source import DataSource


def provenance(trainer: Trainer, emulator: LightningModule, stage: str) -> dict[str, Any]:
    """Return the provenance of rollouts as JSON values: emulator, data, code, machine.

    Args:
        trainer: Trainer that rolled out.
        emulator: Emulator that was rolled out.
        stage: Stage of the rollouts, `test` or `predict`.
    """
    source: DataSource = trainer.datamodule
    plan = source.rollouts[stage]
    return {
        "emulator": type(emulator).__name__,
        "parameters": sum(p.numel() for p in emulator.parameters() if p.requires_grad),
        "data": str(source.root),
        "data_hash": source.content_hash("test"),
        "rollouts": {
            "initial_conditions": plan.initial_conditions,
            "steps": plan.steps,
            "truth_steps": plan.truth_steps,
            "members": plan.members,
            "initial_noise": plan.initial_noise,
            "breeding": plan.breeding,
        },
        "precision": str(trainer.precision),
        "steps": emulator.trained_steps,
        "training": cost_of(Path(trainer.default_root_dir)),
        "commit": commit(),
        "versions": {
            "implicit-emulators": version("implicit-emulators"),
            "torch": torch.__version__,
            "lightning": version("lightning"),
            "python": platform.python_version(),
        },
        "machine": f"{platform.machine()}, {trainer.accelerator.__class__.__name__}, "
        f"{trainer.world_size} process(es)",
    }


def commit() -> str:
    """Return the commit of the code, with `-dirty` if files were changed, or `unknown`."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()
