"""Scores of an emulator in Python, as one dataset."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import xarray
from lightning import LightningDataModule, Trainer

from callbacks.diagnostics.base import RolloutDiagnostic
from callbacks.run.score_writer import check_classes, merged_scores
from emulators.emulator import Emulator


def evaluate(
    emulator: Emulator,
    data: LightningDataModule,
    diagnostics: Sequence[RolloutDiagnostic],
) -> xarray.Dataset:
    """Return the scores of rollouts from the test split, as `emulate test` computes them.

    Args:
        emulator: Trained emulator, whose averaged weights are used.
        data: Data module; `test_rollouts` is the number and length of its rollouts.
        diagnostics: Diagnostics that compute the scores.

    Returns:
        All scores, with the provenance as an attribute in JSON.

    Raises:
        ValueError: The data do not fit the emulator, no diagnostic has scores of them, or two
            diagnostics are of one class.

    Example:
        An emulator that never changes the state, on states that grow by 1 per snapshot:

        >>> from pathlib import Path
        >>> import numpy as np
        >>> from torch import nn
        >>> from callbacks import RolloutError
        >>> from datamodules import Dimensions, NumPy, Rollouts, SplitFiles, TrajectoryDataModule
        >>> from emulators import Baseline
        >>> np.save("u.npy", np.outer(np.arange(9.0), np.ones(8)))
        >>> data = TrajectoryDataModule(
        ...     Path("."), ["u"], Dimensions(space=("x",)),
        ...     train=SplitFiles("u.npy"), test=SplitFiles("u.npy"),
        ...     format=NumPy(["time", "x"], interval=1.0),
        ...     test_rollouts=Rollouts(2, steps=3, truth_steps=3),
        ... )
        >>> emulator = Baseline(network=nn.Identity(), dimensions=1)
        >>> scores = evaluate(emulator, data, [RolloutError()])
        >>> scores["mse_physical"].mean("initial_condition").values.ravel().tolist()
        [1.0, 4.0, 9.0]
    """
    check_classes(diagnostics)
    device, training = emulator.device, emulator.training
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    with quiet():
        trainer = Trainer(
            callbacks=list(diagnostics),
            devices=1,
            precision=emulator.precision,
            **dict.fromkeys(off, False),
        )
        try:
            trainer.test(emulator, data, verbose=False)
        finally:
            emulator.to(device).train(training)
    found = [diagnostic for diagnostic in diagnostics if diagnostic.results is not None]
    if not found:
        reasons = [f"{type(one).__name__} ({one.unsupported_reason()})" for one in diagnostics]
        raise ValueError(
            f"No scores are defined for these data; left out: {', '.join(reasons) or 'none'}; "
            "change that, or give other diagnostics, such as RolloutError."
        )
    return merged_scores(trainer, emulator, found)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what Lightning says of devices, workers and its own code."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for text in ("does not have many workers", "LeafSpec"):
                warnings.filterwarnings("ignore", f".*{text}.*")
            yield
    finally:
        logger.setLevel(level)
