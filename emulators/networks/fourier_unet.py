"""The network of Jiang et al. (2025): a U-Net with depth-wise Fourier layers and attention.

It follows the paper's section 5 and appendix A.3 and the details that its authors published:
residual blocks of the form of Dhariwal and Nichol (2021), 2 per level in the encoder and 3 in the
decoder, one skip connection to each; a Fourier layer in series within every block that keeps its
grid; attention at the coarsest grid; zero padding. A latent passes a stem of its own and is added
where the features have max(N/r, 64/2^i) points, i = 0, 1, ... its number; it is read by a head of
its own from the decoder's features of N/r points. Not from the paper: physical parameters have an
embedding of their own, zero at first, which is added to the embedding of the input mask.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from emulators.networks.batches import convolve, linear, sequential, silu
from emulators.networks.film import Perceptron
from emulators.networks.interface import (
    Inputs,
    Latents,
    Network,
    NetworkInterface,
    Parameters,
    State,
)
from emulators.networks.layers import Convolution, Padding, SiLU
from emulators.networks.spectral_layers import DepthwiseSpectral

Features = Float[Tensor, "batch _ _ _"]
Resampling = Literal["none", "down", "up"]
EMBEDDING = 64


def norm(channels: int) -> nn.GroupNorm:
    """Return a group norm with four channels per group, in at most 32 groups."""
    return nn.GroupNorm(min(32, max(1, channels // 4)), channels)


class FourierBlock(nn.Module):
    """Residual block; the second norm and SiLU are applied twice, as by the paper's authors.

    With an embedding, (s, b), the second application is modulated: h = silu((1 + s) norm(h) + b).

    Args:
        inputs: Number of input channels.
        outputs: Number of output channels.
        modes: Number of Fourier modes kept, 0 for no Fourier layer.
        embedded: Whether the embedding of mask and parameters modulates it.
        resampling: Change of the grid: halved by averaging, doubled by repetition, or none.
        attention: Whether self-attention follows, in heads of 64 channels.
        dropout: Probability that a feature is dropped in training.
        padding: Padding beyond the edge.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        modes: int = 0,
        embedded: bool = True,
        resampling: Resampling = "none",
        attention: bool = False,
        dropout: float = 0.2,
        padding: Padding = "zeros",
    ) -> None:
        check_dropout(dropout)
        super().__init__()
        self.norm_in = norm(inputs)
        self.conv_in = Convolution(2, inputs, outputs, 3, padding)
        self.spectral = None
        if modes:
            plain = nn.GroupNorm(min(16, outputs), outputs, affine=False)
            self.spectral = nn.Sequential(plain, SiLU(), DepthwiseSpectral(2, outputs, modes))
        self.norm_out = norm(outputs)
        self.affine = nn.Linear(EMBEDDING, 2 * outputs) if embedded else None
        self.dropout = nn.Dropout(dropout)
        self.conv_out = Convolution(2, outputs, outputs, 3, padding, zero=True)
        same = inputs == outputs
        self.skip = nn.Identity() if same else Convolution(2, inputs, outputs, 1, padding)
        resample = {
            "none": nn.Identity(),
            "down": nn.AvgPool2d(2),
            "up": nn.Upsample(scale_factor=2, mode="nearest"),
        }
        self.resample = resample[resampling]
        self.attention = Attention(outputs) if attention else None

    def forward(self, x: Features, embedding: Float[Tensor, "batch _"] | None = None) -> Features:
        h = self.conv_in(self.resample(silu(self.norm_in(x))))
        if self.spectral is not None:
            h = self.spectral(h)
        h = self.norm_out(silu(self.norm_out(h)))
        if self.affine is not None:
            scale, shift = linear(self.affine, embedding)[:, :, None, None].chunk(2, dim=1)
            h = torch.addcmul(shift, h, 1 + scale)
        h = silu(h)
        x = self.skip(self.resample(x)) + self.conv_out(self.dropout(h))
        return x if self.attention is None else self.attention(x)


class Attention(nn.Module):
    """Residual self-attention between all points, in heads of 64 channels.

    Args:
        channels: Number of features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // 64)
        self.norm = norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.project = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, x: Features) -> Features:
        split = convolve(self.qkv, self.norm(x)).flatten(2).unflatten(1, (3, self.heads, -1))
        q, k, v = (part.transpose(-1, -2) for part in split.unbind(1))
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        return x + convolve(self.project, mixed.transpose(-1, -2).flatten(1, 2).reshape(x.shape))


class FourierUNet(Network):
    """U-Net with depth-wise Fourier layers (Jiang et al. 2025, appendix A.3), in two dimensions.

    Args:
        interface: Fields that the network takes and returns; set by the emulator.
        size: Number of points N along each axis, on which the number of Fourier modes depends.
        width: Number of channels of the finest level.
        multipliers: Number of channels of each level in units of `width`; each halves the grid.
        modes: Largest number of Fourier modes kept.
        dropout: Probability that a feature is dropped in training.
        padding: Padding beyond the edge: zeros in the paper.

    Example:
        One parameter, such as a Reynolds number, conditions the network:

        >>> interface = NetworkInterface(1, 2, latent_outputs=(4,), parameters=1)
        >>> network = FourierUNet(interface, size=32, width=8, multipliers=(1, 2, 4)).eval()
        >>> output, (latent,) = network(torch.zeros(3, 1, 32, 32), parameters=torch.zeros(3, 1))
        >>> output.shape, latent.shape
        (torch.Size([3, 1, 32, 32]), torch.Size([3, 1, 8, 8]))
    """

    def __init__(
        self,
        interface: NetworkInterface,
        size: int = 256,
        width: int = 16,
        multipliers: Sequence[int] = (1, 2, 4, 8, 8, 8),
        modes: int = 96,
        dropout: float = 0.2,
        padding: Padding = "zeros",
    ) -> None:
        check_dropout(dropout)
        super().__init__()
        channels, dimensions = interface.channels, interface.dimensions
        latent_inputs, latent_outputs = interface.latent_inputs, interface.latent_outputs
        parameters = interface.parameters
        sizes = [size // 2**level for level in range(len(multipliers))]
        if dimensions != 2 or size % 2 ** (len(multipliers) - 1):
            raise ValueError(
                f"FourierUNet works in two dimensions on a size divisible by "
                f"{2 ** (len(multipliers) - 1)}, got {dimensions} dimensions and size={size}."
            )
        for factor in latent_outputs:
            if size % factor or size // factor not in sizes:
                raise ValueError(
                    f"A latent of factor {factor} has {size / factor:g} points along an axis, but "
                    f"the levels of this FourierUNet have {sizes}; choose another factor."
                )
        self.size = size
        self.interface = interface
        widths = [width * multiplier for multiplier in multipliers]

        def block(inputs: int, outputs: int, points: int, **options: Any) -> FourierBlock:
            kept = min(points // 2 + 1, modes) if points else 0
            return FourierBlock(inputs, outputs, kept, dropout=dropout, padding=padding, **options)

        self.embed = nn.Sequential(
            nn.Linear(16, EMBEDDING), SiLU(), nn.Linear(EMBEDDING, EMBEDDING), SiLU()
        )
        self.enter = Convolution(2, channels + interface.input_fields, width, 3, padding)
        self.down, self.encoder, skips, now = nn.ModuleList(), nn.ModuleList(), [width], width
        entering = [width]  # channels where a latent is added, per level
        for level, (points, wide) in enumerate(zip(sizes, widths, strict=True)):
            if level:
                self.down.append(block(now, now, 0, resampling="down"))
                skips.append(now)
                entering.append(now)
            self.encoder.append(
                nn.ModuleList([block(now, wide, points), block(wide, wide, points)])
            )
            skips += [wide, wide]
            now = wide
        self.middle = nn.ModuleList([block(now, now, 0, attention=True), block(now, now, 0)])
        self.decoder, self.up = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(len(sizes))):
            blocks, wide = nn.ModuleList(), widths[level]
            for _ in range(3):
                blocks.append(block(now + skips.pop(), wide, sizes[level]))
                now = wide
            self.decoder.append(blocks)
            if level:
                self.up.append(block(now, now, 0, resampling="up"))
        self.leave = nn.Sequential(norm(now), SiLU(), Convolution(2, now, channels, 3, padding))
        nn.init.kaiming_normal_(self.leave[2].layer.weight, nonlinearity="linear")
        nn.init.zeros_(self.leave[2].layer.bias)

        given = latent_inputs[: interface.data_latents]
        self.input_levels = [
            sizes.index(min(size, max(size // factor, 64 >> number)))
            for number, factor in enumerate(given)
        ]
        self.stems = nn.ModuleList(
            nn.ModuleList(
                [
                    nn.Sequential(Convolution(2, channels, wide, 3, padding), SiLU()),
                    block(wide, wide, size // factor, embedded=False),
                    norm(wide),
                ]
            )
            for factor, wide in zip(
                given, (entering[level] for level in self.input_levels), strict=True
            )
        )
        self.output_levels = [sizes.index(size // factor) for factor in latent_outputs]
        self.heads = nn.ModuleList(
            nn.Sequential(
                block(widths[level], widths[level], sizes[level], embedded=False),
                norm(widths[level]),
                SiLU(),
                Convolution(2, widths[level], channels, 3, padding),
            )
            for level in self.output_levels
        )
        self.physical_parameters = parameters
        for factor in latent_inputs[interface.data_latents :]:
            if size % factor or size // factor not in sizes:
                raise ValueError(
                    f"model.noise_fields has the factor {factor}, with {size / factor:g} points "
                    f"along an axis, but the levels of this FourierUNet have {sizes}; choose "
                    "another factor."
                )
            level = sizes.index(size // factor)
            self.input_levels.append(level)
            # no effect before training
            random = Convolution(2, channels, entering[level], 3, padding, zero=True)
            self.stems.append(nn.ModuleList([random]))
        known, drawn = interface.data_parameters, interface.noise_parameters
        self.film = Perceptron(known, EMBEDDING) if known else None
        self.noise_film = Perceptron(drawn, EMBEDDING) if drawn else None

    def check(self, shape: tuple[int, ...]) -> None:
        """Check that a grid has the size of the network."""
        if tuple(shape) != (self.size, self.size):
            raise ValueError(
                f"This FourierUNet is made for {self.size} x {self.size} points, the data have "
                f"{tuple(shape)}; set model.network.size to the size of the data."
            )

    def forward(
        self,
        state: Inputs,
        latents: Latents = (),
        mask_id: Int[Tensor, " batch"] | None = None,
        parameters: Parameters | None = None,
    ) -> tuple[State, Latents]:
        embedding = sequential(self.embed, sinusoids(mask_id, state))
        films = self.film, self.noise_film
        for film, given in zip(films, self.interface.split(parameters), strict=True):
            if film is not None and given is not None:
                embedding = embedding + film(given)
        x = self._add_latents(self.enter(state), 0, latents)
        skips = [x]
        for level, blocks in enumerate(self.encoder):
            if level:
                x = self.down[level - 1](x, embedding)
                skips.append(x)
                x = self._add_latents(x, level, latents)
            for block in blocks:
                x = block(x, embedding)
                skips.append(x)
        for block in self.middle:
            x = block(x, embedding)
        outputs: list[Tensor | None] = [None] * len(self.heads)
        for depth, blocks in enumerate(self.decoder):
            level = len(self.encoder) - 1 - depth
            for block in blocks:
                x = block(torch.cat((x, skips.pop()), dim=1), embedding)
            for number, at in enumerate(self.output_levels):
                if at == level:
                    outputs[number] = self.heads[number](x)
            if level:
                x = self.up[depth](x, embedding)
        return self.leave(x), tuple(outputs)

    def _add_latents(self, x: Features, level: int, latents: Latents) -> Features:
        for stem, at, latent in zip(self.stems, self.input_levels, latents, strict=True):
            if at == level:
                features = latent
                for layer in stem:
                    features = layer(features)
                x = x + nn.functional.interpolate(features, size=x.shape[2:], mode="bilinear")
        return x


def sinusoids(mask_id: Int[Tensor, " batch"] | None, like: State) -> Float[Tensor, "batch 16"]:
    """Return cosines and sines of the mask id at the eight frequencies 10000^(-k/8), k = 0 .. 7."""
    number = torch.zeros(like.shape[0], device=like.device) if mask_id is None else mask_id.float()
    frequency = 10000.0 ** (-torch.arange(8, device=like.device) / 8)
    angle = number[:, None] * frequency
    return torch.cat((angle.cos(), angle.sin()), dim=1).to(like.dtype)


def check_dropout(dropout: float) -> None:
    """Check that a dropout is a probability below one."""
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must lie in [0, 1), got {dropout}.")
