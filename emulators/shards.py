"""Networks and tensors that are divided among processes, and whole again.

A divided tensor is one of torch's `DTensor`, cut along its first axis; what is not divided passes
through these functions as it is.
"""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

CONTAINERS = (nn.ModuleList, nn.ModuleDict, nn.Sequential)
LARGE = 0.01  # of the network's weights: parts that are smaller are gathered together


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
    """Yield the outermost modules inside a network that are called as a whole."""
    children = list(network.children())
    for child in children:
        if isinstance(child, CONTAINERS) or len(children) == 1:
            yield from parts(child)
        else:
            yield child


def gathered(value: Tensor) -> Tensor:
    """Return a tensor whole; all processes must ask together."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def own_part(value: Tensor) -> Tensor:
    """Return what this process has of a tensor."""
    return value.to_local() if isinstance(value, DTensor) else value


def divided(value: Any, like: Tensor) -> Any:
    """Return this process's part of a whole tensor, if another of its shape is divided."""
    if not isinstance(like, DTensor) or not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    whole = value.to(like.device)
    return distribute_tensor(whole, like.device_mesh, like.placements, src_data_rank=None)
