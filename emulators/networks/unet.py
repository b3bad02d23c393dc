"""Encoder and decoder with skip connections, with stems and heads for latents.

The trunk works on levels whose grids are coarser by 1, 2, 4, ... times the patch size. A latent
that is coarser than the state by a factor r is connected at the coarsest level whose stride
divides r: its stem's features are added there before the encoder's blocks, its head reads the
decoder's features there. Latents finer than the patches go with the state through the first layer
and the last. Without latents the same trunk remains. Blocks below the finest level,
where it costs little, are conditioned on the mask; all blocks on the parameters, which may act on
the smallest scales.

The last layer, which passes the state on, works in the state's own precision: its weights rounded
to bfloat16 would multiply the state by 1 ± 0.002 at every step, and that changes the energy of a
long rollout by ten per cent.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise, repeat

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from emulators.networks.batches import convolve
from emulators.networks.film import FiLM
from emulators.networks.interface import (
    Inputs,
    Latents,
    Network,
    NetworkInterface,
    Parameters,
    State,
    coarsen,
    refine,
)
from emulators.networks.layers import (
    Convolution,
    Padding,
    PointNorm,
    SiLU,
    check_dimensions,
    from_patches,
    to_patches,
)

Features = Float[Tensor, "batch _ ..."]
FEW = 4
"""Number of points per axis of a coarsest level on which all points act on each other."""


class Block(nn.Module):
    """Residual block: x + conv(act(modulated norm(conv(act(norm(x)))))); starts as the identity.

    Each input mask scales and shifts the second norm by numbers of its own, so that one trunk can
    do the different tasks of a cold start and of a regular step; parameters add to these numbers.

    Args:
        dimensions: Number of spatial dimensions, 1 or 2.
        inputs: Number of input channels.
        outputs: Number of output channels.
        masks: Number of input masks.
        padding: Padding beyond the edge.
    """

    def __init__(
        self, dimensions: int, inputs: int, outputs: int, masks: int, padding: Padding
    ) -> None:
        super().__init__()
        self.first = nn.Sequential(
            PointNorm(inputs), SiLU(), Convolution(dimensions, inputs, outputs, 3, padding)
        )
        self.norm = PointNorm(outputs)
        self.last = nn.Sequential(
            SiLU(), Convolution(dimensions, outputs, outputs, 3, padding, zero=True)
        )
        same = inputs == outputs
        self.skip = nn.Identity() if same else Convolution(dimensions, inputs, outputs, 1, padding)
        self.modulation = None
        if masks > 1:
            self.modulation = nn.Embedding(masks, 2 * outputs)
            nn.init.zeros_(self.modulation.weight)

    def forward(
        self,
        x: Features,
        mask_id: Int[Tensor, " batch"] | None = None,
        film: Float[Tensor, "batch _"] | None = None,
    ) -> Features:
        h = self.norm(self.first(x))
        factors = film
        if self.modulation is not None:
            factors = self.modulation(mask_id) if film is None else self.modulation(mask_id) + film
        if factors is not None:
            factors = factors.to(h.dtype)
            scale, shift = factors.reshape(h.shape[0], -1, *[1] * (h.dim() - 2)).chunk(2, dim=1)
            h = torch.addcmul(shift, h, 1 + scale)
        return self.skip(x) + self.last(h)


def head(
    dimensions: int, inputs: int, outputs: int, points: int, padding: Padding
) -> nn.Sequential:
    """Return the output layers: norm, SiLU, and a convolution to the fields.

    Args:
        dimensions: Number of spatial dimensions, 1 or 2.
        inputs: Number of features.
        outputs: Number of fields.
        points: Size of the kernel along each axis, odd.
        padding: Padding of the convolution.
    """
    return nn.Sequential(
        PointNorm(inputs), SiLU(), Convolution(dimensions, inputs, outputs, points, padding)
    )


def stem(dimensions: int, inputs: int, outputs: int, padding: Padding) -> nn.Sequential:
    """Return the layers that turn a latent into features, on the grid of the latent."""
    return nn.Sequential(
        Convolution(dimensions, inputs, outputs, 3, padding),
        SiLU(),
        Convolution(dimensions, outputs, outputs, 1, padding),
    )


class UNet(Network):
    """U-Net on a periodic (or zero-padded) grid, with latents at their own resolutions.

    Args:
        interface: Fields that the network takes and returns; set by the emulator.
        width: Number of channels of the finest level.
        multipliers: Number of channels of each level, in units of `width`; one level more for each
            doubling of the grid keeps the coarsest at 4 points per axis, from where all points act
            on each other.
        blocks: Number of residual blocks per level, in the encoder and again in the decoder.
        patch: Number of points per axis that the first layer gathers into channels.
        detail: Number of channels at full resolution, which the last layer reads together with the
            state; without them the edges of the patches would show.
        padding: Padding beyond the edge: the opposite side (`periodic`), `zeros`, or one of them
            for each axis, by the periodicity of the `data`.

    Example:
        >>> interface = NetworkInterface(2, 2, latent_inputs=(4, 16), latent_outputs=(4,), masks=3)
        >>> network = UNet(interface, width=16)
        >>> state = torch.zeros(8, 2, 64, 32)
        >>> latents = torch.zeros(8, 2, 16, 8), torch.zeros(8, 2, 4, 2)
        >>> output, predicted = network(state, latents, mask_id=torch.full((8,), 2))
        >>> output.shape, [z.shape for z in predicted]
        (torch.Size([8, 2, 64, 32]), [torch.Size([8, 2, 16, 8])])
    """

    def __init__(
        self,
        interface: NetworkInterface,
        width: int = 48,
        multipliers: Sequence[int] = (1, 2, 2, 2),
        blocks: int = 1,
        patch: int = 2,
        detail: int = 8,
        padding: Padding = "data",
    ) -> None:
        super().__init__()
        channels, dimensions = interface.channels, interface.dimensions
        latent_inputs, latent_outputs = interface.latent_inputs, interface.latent_outputs
        masks, parameters = interface.masks, interface.parameters
        check_dimensions("UNet", dimensions)
        for name, value in {
            "width": width,
            "blocks": blocks,
            "patch": patch,
            "detail": detail,
        }.items():
            if value < 1:
                raise ValueError(f"UNet.{name} must be at least 1, got {value}.")
        if not multipliers or min(multipliers) < 1:
            raise ValueError(f"UNet.multipliers must be at least 1, got {tuple(multipliers)}.")
        for factor in (*latent_inputs, *latent_outputs):
            if factor % patch and patch % factor:
                raise ValueError(
                    f"A latent or random field of factor {factor} does not fit patches of {patch} "
                    "points; choose factors (model.latents, model.noise_fields) that are multiples "
                    "or divisors of UNet.patch."
                )
        self.patch = patch
        self.multipliers = tuple(multipliers)
        self.latent_inputs = tuple(latent_inputs)
        self.latent_outputs = tuple(latent_outputs)
        self.channels = channels
        self.interface = interface
        self.fine_inputs = [n for n, factor in enumerate(latent_inputs) if factor < patch]
        self.fine_outputs = [n for n, factor in enumerate(latent_outputs) if factor < patch]
        widths = [width * multiplier for multiplier in multipliers]
        self.strides = [patch * 2**level for level in range(len(widths))]
        in_fields = channels * (1 + len(self.fine_inputs)) + interface.input_fields
        in_patch = in_fields * patch**dimensions

        def stack(level: int, inputs: int) -> nn.ModuleList:
            sizes = [inputs] + [widths[level]] * blocks
            known = masks if level > 0 or len(widths) == 1 else 1
            return nn.ModuleList(
                Block(dimensions, i, o, known, padding) for i, o in pairwise(sizes)
            )

        down = {1: nn.Conv1d, 2: nn.Conv2d}[dimensions]
        steps = list(pairwise(widths))
        self.enter = Convolution(dimensions, in_patch, widths[0], 3, padding)
        self.encoder = nn.ModuleList(stack(level, w) for level, w in enumerate(widths))
        self.down = nn.ModuleList(down(fine, coarse, 2, stride=2) for fine, coarse in steps)
        self.up = nn.ModuleList(
            Convolution(dimensions, coarse, fine, 1, padding) for fine, coarse in steps
        )
        self.decoder = nn.ModuleList(
            stack(level, 2 * fine) for level, (fine, _) in enumerate(steps)
        )
        self.leave = head(dimensions, widths[0], detail * patch**dimensions, 3, padding)
        fields = channels * (1 + len(self.fine_outputs))
        self.last = Convolution(dimensions, detail + channels, fields, 3, padding)

        self.input_levels = self._levels(self.latent_inputs)
        self.output_levels = self._levels(self.latent_outputs)
        self.stems = nn.ModuleDict(
            {
                str(number): stem(dimensions, channels, widths[level], padding)
                for number, level in self.input_levels.items()
                if number < interface.data_latents
            }
        )
        self.heads = nn.ModuleDict(
            {
                str(number): head(dimensions, widths[level], channels, 1, padding)
                for number, level in self.output_levels.items()
            }
        )
        self.physical_parameters = parameters
        # made last, so that the other weights start as without them
        decoding = [widths[level] for level in reversed(range(len(steps)))]
        modulated = [w for w in (*widths, *decoding) for _ in range(blocks)]
        known, drawn = interface.data_parameters, interface.noise_parameters
        self.film = FiLM(known, modulated) if known else None
        self.noise_film = FiLM(drawn, modulated) if drawn else None
        for number, level in self.input_levels.items():
            if number >= interface.data_latents:  # no effect before training
                convolution = Convolution(
                    dimensions, channels, widths[level], 3, padding, zero=True
                )
                self.stems[str(number)] = convolution
        if in_noise := sum(n >= interface.data_latents for n in self.fine_inputs):
            nn.init.zeros_(self.enter.layer.weight[:, -in_noise * channels * patch**dimensions :])
        if dimensions == 2:
            self.to(memory_format=torch.channels_last)

    def _levels(self, factors: Sequence[int]) -> dict[int, int]:
        """Return, for each latent that is not finer, the coarsest level whose stride divides it."""
        return {
            number: max(i for i, stride in enumerate(self.strides) if factor % stride == 0)
            for number, factor in enumerate(factors)
            if factor >= self.patch
        }

    def check(self, shape: tuple[int, ...]) -> None:
        """Check that the halvings divide a grid."""
        if any(size % self.strides[-1] for size in shape):
            fitting = sum(not any(size % stride for size in shape) for stride in self.strides)
            shorter = f"shorten model.network.multipliers to {list(self.multipliers[:fitting])} or "
            raise ValueError(
                f"A UNet with {len(self.strides)} levels and patches of {self.patch} needs a grid "
                f"divisible by {self.strides[-1]}, got {tuple(shape)}; "
                f"{shorter if fitting else ''}lower model.network.patch."
            )

    def advice(self, shape: tuple[int, ...]) -> str | None:
        """Return a sentence that names further levels, if they fit and the coarsest is large."""
        multipliers = list(self.multipliers)
        coarsest = [size // self.strides[-1] for size in shape]
        further = coarsest
        while max(further) > FEW and not any(size % 2 for size in further):
            further = [size // 2 for size in further]
            multipliers.append(multipliers[-1])
        if further == coarsest:
            return None
        return (
            f"The coarsest level of UNet has {' x '.join(map(str, coarsest))} points. Flows in "
            f"which all points act on each other had lower errors with levels down to {FEW} points "
            f"per axis: --model.network.multipliers={multipliers}."
        )

    def forward(
        self,
        state: Inputs,
        latents: Latents = (),
        mask_id: Int[Tensor, " batch"] | None = None,
        parameters: Parameters | None = None,
    ) -> tuple[State, Latents]:
        fine = [refine(latents[number], self.latent_inputs[number]) for number in self.fine_inputs]
        fields = torch.cat((state, *fine), dim=1) if fine else state
        split = self.interface.split(parameters)
        films = iter(modulations((self.film, self.noise_film), split))
        x = self.enter(channels_last(to_patches(fields, self.patch)))
        skips = []
        for level, blocks in enumerate(self.encoder):
            x = self._add_latents(x, level, latents)
            for block in blocks:
                x = block(x, mask_id, next(films))
            if level + 1 < len(self.encoder):
                skips.append(x)
                x = convolve(self.down[level], x)
        outputs: list[Tensor | None] = [None] * len(self.latent_outputs)
        self._read_latents(x, len(self.down), outputs)
        for level in reversed(range(len(self.down))):
            x = torch.cat((refine(self.up[level](x), 2), skips[level]), dim=1)
            for block in self.decoder[level]:
                x = block(x, mask_id, next(films))
            self._read_latents(x, level, outputs)
        detail = from_patches(self.leave(x), self.patch)
        with torch.autocast(state.device.type, enabled=False):
            exact = next(self.last.parameters()).dtype
            own = state[:, : self.channels]  # without the input fields
            detail = torch.cat((detail.to(exact), own.to(exact)), dim=1)
            fields = self.last(channels_last(detail)).split(self.channels, dim=1)
        for number, field in zip(self.fine_outputs, fields[1:], strict=True):
            outputs[number] = coarsen(field, self.latent_outputs[number])
        return fields[0], tuple(outputs)

    def _add_latents(self, x: Features, level: int, latents: Latents) -> Features:
        for number, at in self.input_levels.items():
            if at == level:
                features = self.stems[str(number)](latents[number])
                x = x + resize(features, self.latent_inputs[number], self.strides[level])
        return x

    def _read_latents(self, x: Features, level: int, outputs: list[Tensor | None]) -> None:
        for number, at in self.output_levels.items():
            if at == level:
                features = resize(x, self.strides[level], self.latent_outputs[number])
                outputs[number] = self.heads[str(number)](features)


def modulations(
    films: tuple[FiLM | None, FiLM | None], parameters: tuple[Tensor | None, Tensor | None]
) -> Iterable[Float[Tensor, "batch _"] | None]:
    """Return the sum of the scales and shifts of each modulated block; None for blocks without.

    Args:
        films: Modulation by the parameters of the data and by random ones.
        parameters: Parameters of the data and random ones.
    """
    pairs = zip(films, parameters, strict=True)
    known = [film(given) for film, given in pairs if film is not None and given is not None]
    return [sum(parts) for parts in zip(*known, strict=True)] if known else repeat(None)


def channels_last(x: Features) -> Features:
    """Return two-dimensional features in the memory format `channels_last`; others unchanged."""
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x


def resize(field: Features, stride: int, wanted: int) -> Features:
    """Return a field on a grid of another spacing, by averaging over blocks or repeating points.

    Args:
        field: Field (batch, channel, *space).
        stride: Spacing of its grid [points of the finest grid].
        wanted: Spacing of the result; one of the two is a multiple of the other.
    """
    if wanted >= stride:
        return coarsen(field, wanted // stride)
    return refine(field, stride // wanted)
