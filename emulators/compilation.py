"""Compiled networks: what costs in a single step; neither rollouts nor Lightning's loops."""

from lightning import LightningModule, Trainer
from lightning.pytorch import Callback

from emulators.im_pindiff import ImPiNDiff
from emulators.simulation import Simulation


class Compile(Callback):
    """Compiles the network of an emulator, which is all of a step that costs much.

        --trainer.callbacks+=emulators.Compile

    Trained and averaged weights are compiled each for what they do, so that the training, rollouts,
    and batches of another size take a handful of compilations, whatever the length of the run: half
    a minute each on a CPU. Checkpoints are those of the network as it is.

    Args:
        backend: Of torch.compile.

    Raises:
        ValueError: The emulator steps by a solver.
    """

    def __init__(self, backend: str = "inductor") -> None:
        self.backend = backend
        self.compiled: LightningModule | None = None

    def _compile(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.compiled is pl_module:
            return
        if isinstance(pl_module, ImPiNDiff | Simulation):
            raise ValueError(
                f"{type(pl_module).__name__} steps by a solver and has no network to compile; "
                "leave out the callback emulators.Compile."
            )
        for network in (pl_module.trained, pl_module.averaged):
            if network is not None:
                network.compile(backend=self.backend)
        self.compiled = pl_module

    on_fit_start = _compile
    on_validation_start = _compile
    on_test_start = _compile
    on_predict_start = _compile
