"""Training of networks too large for one process: weights divided among processes.

`ddp` keeps weights, gradients, moments of the optimiser and the running average in every process,
20 bytes per parameter with AdamW. Here each of R processes keeps its part of each, 20/R bytes, and
gathers the weights of one part of the network whenever that part computes (torch's `fully_shard`,
FSDP2, which runs on CPUs too). Steps equal the steps of `ddp`, and checkpoints hold whole tensors.
"""

from collections.abc import Iterator
from typing import Any

import torch
from lightning.pytorch.strategies import DDPStrategy
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from emulators.learned.hybrid import Hybrid

CONTAINERS = (nn.ModuleList, nn.ModuleDict, nn.Sequential)
LARGE = 0.01  # share of the network's weights: smaller parts are gathered together


class Sharded(DDPStrategy):
    """Data-parallel training whose weights, moments and running average are divided.

        --trainer.strategy.class_path=emulators.Sharded --trainer.devices=4

    Validation gathers the weights that it rolls out with once, so that its rollouts may differ in
    length between processes; tests and predictions divide nothing, as with `ddp`. The output of
    a network must not be changed in place.

    Raises:
        ValueError: The emulator trains weights outside of its network.

    Example:
        Four processes, each of which keeps a quarter of the weights and of the optimiser's moments;
        they start with `fit`:

        >>> from lightning import Trainer
        >>> trainer = Trainer(strategy=Sharded(), accelerator="cpu", devices=4, logger=False)
        >>> trainer.world_size
        4
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
        """Keep only this process's part of the gathered weights."""
        for part in self._evaluated():
            part.set_reshard_after_forward(True, recurse=False)
            part.reshard()

    def _evaluated(self) -> list[FSDPModule]:
        emulator = self.lightning_module
        network = emulator.trained if emulator.averaged is None else emulator.averaged
        return [part for part in network.modules() if isinstance(part, FSDPModule)]

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Return the complete weights, in the process that writes them."""
        return self._whole(super().lightning_module_state_dict())

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return the complete moments, in the process that writes them."""
        return self._whole(super().optimizer_state(optimizer))

    def _whole(self, state: dict[str, Any]) -> dict[str, Any]:
        def stored(value: DTensor) -> Tensor:
            whole = full_tensor(value)  # one after the other: all would not fit on a GPU
            return whole.cpu() if self.is_global_zero else value

        return apply_to_collection(state, DTensor, stored)

    def load_optimizer_state_dict(self, checkpoint: dict[str, Any]) -> None:
        """Load this process's part of the moments."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            like = [p for group in optimizer.param_groups for p in group["params"]]
            moments = {
                number: {name: divided(value, like[number]) for name, value in values.items()}
                for number, values in state["state"].items()
            }
            optimizer.load_state_dict({**state, "state": moments})


def shard(network: nn.Module, mesh: DeviceMesh) -> None:
    """Divide the weights of a network among the processes of a mesh, part by part."""
    for parameter in network.parameters():  # channels-last weights cannot be cut
        parameter.data = parameter.data.contiguous()
    size = sum(p.numel() for p in network.parameters())
    for part in parts(network):
        if sum(p.numel() for p in part.parameters()) >= LARGE * size:
            fully_shard(part, mesh=mesh, reshard_after_forward=True)
    fully_shard(network, mesh=mesh, reshard_after_forward=True)


def parts(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the outermost modules of a network, apart from containers and single children."""
    children = list(network.children())
    for child in children:
        if isinstance(child, CONTAINERS) or len(children) == 1:
            yield from parts(child)
        else:
            yield child


def full_tensor(value: Tensor) -> Tensor:
    """Return the whole of a divided tensor; all processes must call it together."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def local_tensor(value: Tensor) -> Tensor:
    """Return this process's part of a tensor."""
    return value.to_local() if isinstance(value, DTensor) else value


def divided(value: object, like: Tensor) -> Any:
    """Return this process's part of a tensor if `like` is divided, and else the tensor."""
    if not isinstance(like, DTensor) or not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    whole = value.to(like.device)
    return distribute_tensor(whole, like.device_mesh, like.placements, src_data_rank=None)
