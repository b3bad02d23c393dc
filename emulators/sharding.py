"""Training of networks that do not fit beside their optimiser: weights divided among processes.

`ddp` keeps weights, gradients, moments of the optimiser and the running average in every process,
20 bytes per parameter with AdamW. Here each of R processes keeps its part of each, 20/R bytes, and
gathers the weights of one part of the network whenever that part computes (torch's `fully_shard`,
FSDP2, which runs on CPUs too). Steps are those of `ddp`, and checkpoints hold whole tensors.
"""

from typing import Any

import torch
from lightning.pytorch.strategies import DDPStrategy
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from emulators.learned.hybrid import Hybrid
from emulators.shards import divided, gathered, shard


class Sharded(DDPStrategy):
    """Data-parallel training whose weights, moments and running average are divided.

        --trainer.strategy.class_path=emulators.Sharded --trainer.devices=4

    Validation gathers the weights that it rolls out with once, so that its rollouts may differ in
    length between processes; tests and predictions divide nothing, as with `ddp`. What a network
    returns must not be changed in place.

    Raises:
        ValueError: The emulator trains something besides its network.
    """

    def __init__(self) -> None:
        super().__init__()

    def configure_ddp(self) -> None:
        """Divide the networks, trained and averaged, in place of wrapping the emulator."""
        emulator = self.lightning_module
        network = {f"trained.{name}" for name, _ in emulator.trained.named_parameters()}
        names = [n for n, p in emulator.named_parameters() if p.requires_grad and n not in network]
        if names or isinstance(emulator.trained, Hybrid):
            raise ValueError(
                f"emulators.Sharded divides the network of an emulator, but this "
                f"{type(emulator).__name__} trains {names[0] if names else 'learned terms'}; set "
                "trainer.strategy to ddp."
            )
        for value in emulator.state_dict().values():
            torch.distributed.broadcast(value, 0)
        mesh = init_device_mesh(self.root_device.type, (self.world_size,))
        for each in (emulator.trained, emulator.averaged):
            if each is not None:
                shard(each, mesh)

    def on_validation_start(self) -> None:
        """Gather the weights of the rollouts."""
        for part in self._evaluated():
            part.set_reshard_after_forward(False, recurse=False)
            part.unshard()

    def on_validation_end(self) -> None:
        """Keep this process's part of them."""
        for part in self._evaluated():
            part.set_reshard_after_forward(True, recurse=False)
            part.reshard()

    def _evaluated(self) -> list[FSDPModule]:
        emulator = self.lightning_module
        network = emulator.trained if emulator.averaged is None else emulator.averaged
        return [part for part in network.modules() if isinstance(part, FSDPModule)]

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Return whole weights, in the process that writes them."""
        return self._whole(super().lightning_module_state_dict())

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return whole moments, in the process that writes them."""
        return self._whole(super().optimizer_state(optimizer))

    def _whole(self, state: dict[str, Any]) -> dict[str, Any]:
        def stored(value: DTensor) -> Tensor:
            whole = gathered(value)  # one after the other: all would not fit on a GPU
            return whole.cpu() if self.is_global_zero else value

        return apply_to_collection(state, DTensor, stored)

    def load_optimizer_state_dict(self, checkpoint: dict[str, Any]) -> None:
        """Take the process's part of whole moments."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            like = [p for group in optimizer.param_groups for p in group["params"]]
            moments = {
                number: {name: divided(value, like[number]) for name, value in values.items()}
                for number, values in state["state"].items()
            }
            optimizer.load_state_dict({**state, "state": moments})
