"""Random numbers of training, reproduced by a resumed run."""

from zlib import crc32

import numpy as np
import torch
from lightning import LightningModule
from torch import Tensor


def training_position(module: LightningModule) -> tuple[int, int] | None:
    """Return the rank and the number of batches since training began, or None outside of it."""
    trainer = module._trainer  # module.trainer would raise an error where there is none
    if trainer is None or not trainer.training:
        return None
    return trainer.global_rank, trainer.fit_loop.total_batch_idx


def generator_of(seed: int, rank: int, step: int, purpose: str, device: str) -> torch.Generator:
    """Return the generator of random numbers for one purpose within one training step.

    Args:
        seed: Seed of the training.
        rank: Number of the process.
        step: Number of batches since training began.
        purpose: Name of the purpose; different names give independent numbers.
        device: Device of the numbers.
    """
    words = [seed % 2**32, rank, step, crc32(purpose.encode())]
    return torch.Generator(device).manual_seed(
        int(np.random.SeedSequence(words).generate_state(1)[0])
    )


def seed_layers(generator: torch.Generator | None, device: torch.device) -> None:
    """Seed the global random numbers, which layers such as dropout use, for one training step."""
    if generator is None:
        return
    seed = generator.initial_seed()
    torch.default_generator.manual_seed(seed)  # torch.manual_seed looks at every kind
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


def add_noise(
    field: Tensor, amplitude: float, generator: torch.Generator | None, members: int = 1
) -> Tensor:
    """Return a field plus white noise.

    Args:
        field: Field of any shape.
        amplitude: Standard deviation of the noise, in the units of the field.
        generator: Source of random numbers; None uses the global one.
        members: Number of members of each window, one after the other, which have the same noise:
            they are predictions from the same state.
    """
    shape = (-(-len(field) // members), *field.shape[1:])
    noise = torch.randn(shape, generator=generator, device=field.device, dtype=field.dtype)
    return field + amplitude * noise.repeat(members, *[1] * (field.dim() - 1))[: len(field)]
