"""Compilation of the networks of an emulator, without rollouts and Lightning's loops."""

from collections.abc import Callable
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch import Callback
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from emulators.im_pindiff import ImPiNDiff
from emulators.untrained import Untrained

MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")


class Compile(Callback):
    """Compiles the network of an emulator, which dominates the cost of a step.

        --trainer.callbacks+=callbacks.Compile

    The trained and the averaged network are compiled separately, and again for batches of another
    size, so that the number of compilations does not grow with the length of the run. A compilation
    may take half a minute on a CPU. Checkpoints hold the network without compilation.

    Args:
        backend: Backend of torch.compile.
        mode: Mode of torch.compile. `reduce-overhead` replays each call of the network as one CUDA
            graph, which is faster where a GPU waits for the processor: small grids and batches. The
            output of a call is then copied, because the next call overwrites it; the graph contains
            the network alone. Copies were tested with a backend that overwrites, not on a GPU.

    Raises:
        ValueError: Torch knows no such backend or mode, or the emulator has no network.

    Example:
        In Python it is one of the trainer's callbacks, `Trainer(callbacks=[Compile()])`. Modes that
        torch.compile does not have are refused before the run:

        >>> Compile(mode="fast")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: Compile.mode must be one of default, reduce-overhead, ..., got 'fast'.
    """

    def __init__(self, backend: str = "inductor", mode: str | None = None) -> None:
        if mode is not None and mode not in MODES:
            raise ValueError(f"Compile.mode must be one of {', '.join(MODES)}, got '{mode}'.")
        if backend not in torch.compiler.list_backends(exclude_tags=()):
            usual = ", ".join(torch.compiler.list_backends())
            raise ValueError(
                f"Compile.backend must be a backend of torch.compile ({usual}), got '{backend}'."
            )
        self.backend = backend
        self.mode = mode
        self.compiled: LightningModule | None = None

    def _compile(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.compiled is pl_module:
            return
        if isinstance(pl_module, ImPiNDiff | Untrained):
            raise ValueError(
                f"{type(pl_module).__name__} has no network to compile; "
                "leave out the callback callbacks.Compile."
            )
        for network in (pl_module.trained, pl_module.averaged):
            if network is not None:
                step = torch.compile(network.forward, backend=self.backend, mode=self.mode)
                network.forward = step if self.mode is None else with_copied_results(step)
        self.compiled = pl_module

    on_fit_start = _compile
    on_validation_start = _compile
    on_test_start = _compile
    on_predict_start = _compile


def with_copied_results(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose results outlast its next call.

    CUDA graphs write into the same memory at every call. Torch treats each call as a new iteration
    unless a gradient is pending, so that the start of an iteration needs no mark.
    """

    def function_with_copied_results(*args: Any, **kwargs: Any) -> Any:
        return apply_to_collection(function(*args, **kwargs), Tensor, torch.clone)

    return function_with_copied_results
