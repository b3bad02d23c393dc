"""Encoder and decoder with skip connections, with stems and heads for latents.

The trunk works on levels whose grids are coarser by 1, 2, 4, ... times the patch size. A latent
that is coarser than the state by a factor r meets the trunk at the coarsest level whose stride
divides r: its stem's features are added there before the encoder's blocks, its head reads the
decoder's features there. Without latents the same trunk remains.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from emulators.networks.layers import (
    Convolution,
    Padding,
    PointNorm,
    from_patches,
    to_patches,
)
from emulators.networks.network import Latents, Network, State, coarsen, refine

Features = Float[Tensor, "batch _ ..."]


class Block(nn.Module):
    """Residual block: x + conv(act(modulated norm(conv(act(norm(x)))))); starts as the identity.

    An embedding of the case scales and shifts the second norm, so that one trunk can do the
    different tasks of a cold start and of a regular step.

    Args:
        dimensions: 1 or 2.
        inputs: Channels in.
        outputs: Channels out.
        embedding: Numbers that describe the case; 0 for a block without modulation.
        padding: What lies beyond the edge.
    """

    def __init__(
        self, dimensions: int, inputs: int, outputs: int, embedding: int, padding: Padding
    ) -> None:
        super().__init__()
        self.first = nn.Sequential(
            PointNorm(inputs), nn.SiLU(), Convolution(dimensions, inputs, outputs, 3, padding)
        )
        self.norm = PointNorm(outputs)
        self.last = nn.Sequential(
            nn.SiLU(), Convolution(dimensions, outputs, outputs, 3, padding, zero=True)
        )
        same = inputs == outputs
        self.skip = nn.Identity() if same else Convolution(dimensions, inputs, outputs, 1, padding)
        self.modulation = None
        if embedding:
            self.modulation = nn.Linear(embedding, 2 * outputs)
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Features, embedding: Float[Tensor, "batch _"] | None = None) -> Features:
        h = self.norm(self.first(x))
        if self.modulation is not None:
            factors = self.modulation(embedding).to(h.dtype)
            scale, shift = factors.reshape(len(h), -1, *[1] * (h.dim() - 2)).chunk(2, dim=1)
            h = torch.addcmul(shift, h, 1 + scale)
        return self.skip(x) + self.last(h)


def head(dimensions: int, inputs: int, outputs: int, padding: Padding) -> nn.Sequential:
    """Return the layers that read fields from features."""
    return nn.Sequential(
        PointNorm(inputs), nn.SiLU(), Convolution(dimensions, inputs, outputs, 3, padding)
    )


def stem(dimensions: int, inputs: int, outputs: int, padding: Padding) -> nn.Sequential:
    """Return the layers that make features of a latent, at its own resolution."""
    return nn.Sequential(
        Convolution(dimensions, inputs, outputs, 3, padding),
        nn.SiLU(),
        Convolution(dimensions, outputs, outputs, 1, padding),
    )


class UNet(Network):
    """U-Net on a periodic (or zero-padded) grid, with latents at their own resolutions.

    Args:
        channels: Fields of a state.
        dimensions: Spatial dimensions, 1 or 2.
        latent_inputs: Coarsening factor of each latent that is given.
        latent_outputs: Coarsening factor of each latent that is returned.
        cases: Number of values that `case` takes.
        width: Channels of the finest level.
        multipliers: Channels of each level, in units of `width`.
        blocks: Residual blocks per level, in the encoder and again in the decoder.
        patch: Points per axis that the first layer gathers into channels.
        padding: What lies beyond the edge: the opposite side, or zeros.
    """

    def __init__(
        self,
        channels: int,
        dimensions: int,
        latent_inputs: Sequence[int] = (),
        latent_outputs: Sequence[int] = (),
        cases: int = 1,
        width: int = 48,
        multipliers: Sequence[int] = (1, 2, 2),
        blocks: int = 1,
        patch: int = 2,
        padding: Padding = "periodic",
    ) -> None:
        super().__init__()
        for name, value in {"width": width, "blocks": blocks, "patch": patch}.items():
            if value < 1:
                raise ValueError(f"UNet.{name} must be at least 1, got {value}.")
        if not multipliers or min(multipliers) < 1:
            raise ValueError(f"UNet.multipliers must be at least 1, got {tuple(multipliers)}.")
        for factor in (*latent_inputs, *latent_outputs):
            if factor % patch and patch % factor:
                raise ValueError(
                    f"A latent of factor {factor} does not fit patches of {patch} points; choose "
                    "factors that are multiples or divisors of UNet.patch."
                )
        self.patch = patch
        self.latent_inputs = tuple(latent_inputs)
        self.latent_outputs = tuple(latent_outputs)
        widths = [width * multiplier for multiplier in multipliers]
        self.strides = [patch * 2**level for level in range(len(widths))]
        in_patch = channels * patch**dimensions

        embedding = 4 * width if cases > 1 else 0

        def stack(inputs: int, outputs: int) -> nn.ModuleList:
            sizes = [inputs] + [outputs] * blocks
            return nn.ModuleList(
                Block(dimensions, i, o, embedding, padding) for i, o in pairwise(sizes)
            )

        down = {1: nn.Conv1d, 2: nn.Conv2d}[dimensions]
        steps = list(pairwise(widths))
        self.enter = Convolution(dimensions, in_patch, widths[0], 3, padding)
        self.encoder = nn.ModuleList(stack(w, w) for w in widths)
        self.down = nn.ModuleList(down(fine, coarse, 2, stride=2) for fine, coarse in steps)
        self.up = nn.ModuleList(
            Convolution(dimensions, coarse, fine, 1, padding) for fine, coarse in steps
        )
        self.decoder = nn.ModuleList(stack(2 * fine, fine) for fine, _ in steps)
        self.leave = head(dimensions, widths[0], in_patch, padding)

        self.input_levels = [self._level(factor) for factor in self.latent_inputs]
        self.output_levels = [self._level(factor) for factor in self.latent_outputs]
        self.stems = nn.ModuleList(
            stem(dimensions, channels, widths[level], padding) for level in self.input_levels
        )
        self.heads = nn.ModuleList(
            head(dimensions, widths[level], channels, padding) for level in self.output_levels
        )
        self.case = nn.Embedding(cases, embedding) if embedding else None
        if dimensions == 2:
            self.to(memory_format=torch.channels_last)

    def _level(self, factor: int) -> int:
        """Return the coarsest level whose stride divides the factor; the finest if none does."""
        return max((i for i, stride in enumerate(self.strides) if factor % stride == 0), default=0)

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse a grid that the halvings do not divide."""
        if any(size % self.strides[-1] for size in shape):
            raise ValueError(
                f"A UNet with {len(self.strides)} levels and patches of {self.patch} needs a grid "
                f"divisible by {self.strides[-1]}, got {tuple(shape)}; shorten "
                "model.network.multipliers or lower model.network.patch."
            )

    def forward(
        self, state: State, latents: Latents = (), case: Int[Tensor, " batch"] | None = None
    ) -> tuple[State, Latents]:
        x = to_patches(state, self.patch)
        if x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        x = self.enter(x)
        embedding = None if self.case is None else nn.functional.silu(self.case(case))
        skips = []
        for level, blocks in enumerate(self.encoder):
            x = self._add_latents(x, level, latents)
            for block in blocks:
                x = block(x, embedding)
            if level + 1 < len(self.encoder):
                skips.append(x)
                x = self.down[level](x)
        outputs: list[Tensor | None] = [None] * len(self.heads)
        self._read_latents(x, len(self.down), outputs)
        for level in reversed(range(len(self.down))):
            x = torch.cat((refine(self.up[level](x), 2), skips[level]), dim=1)
            for block in self.decoder[level]:
                x = block(x, embedding)
            self._read_latents(x, level, outputs)
        return from_patches(self.leave(x), self.patch), tuple(outputs)

    def _add_latents(self, x: Features, level: int, latents: Latents) -> Features:
        for number, at in enumerate(self.input_levels):
            if at == level:
                features = self.stems[number](latents[number])
                x = x + resize(features, self.latent_inputs[number], self.strides[level])
        return x

    def _read_latents(self, x: Features, level: int, outputs: list[Tensor | None]) -> None:
        for number, at in enumerate(self.output_levels):
            if at == level:
                features = resize(x, self.strides[level], self.latent_outputs[number])
                outputs[number] = self.heads[number](features)


def resize(field: Features, stride: int, wanted: int) -> Features:
    """Return a field on a grid of spacing `stride` on one of spacing `wanted`, by blocks."""
    if wanted >= stride:
        return coarsen(field, wanted // stride)
    return refine(field, stride // wanted)
