"""Provenance of scores and forecasts: emulator, data, rollouts, code, machine."""

import platform
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer

from callbacks.run.training_cost import cost_of
from datamodules.source import DataSource
from emulators.code_version import commit, versions


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
        "versions": versions(),
        "machine": f"{platform.machine()}, {trainer.accelerator.__class__.__name__}, "
        f"{trainer.world_size} process(es)",
    }
