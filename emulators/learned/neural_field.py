r"""Conditional neural field: a network of space with weights from a hypernetwork of time.

    h = HY(t) ∈ R^c,    w = P h + p,    λ(x, t) = s · σ(NF(x; w))

HY is a residual network of time, shared by all fields of a part; P and p, one pair per field, emit
all weights of NF, a sinusoidal network of the coordinates (SIREN) with one residual block,

    NF(x) = A₃ sin(30 r),    r = y + A₂ sin(30 A₁ y),    y = A₀ x,

with affine A. At first w is nearly constant in time and the usual initial weights of a SIREN; the
field starts near s.

References: D. Akhare et al. 2025, arXiv:2504.02260; V. Sitzmann et al., NeurIPS 2020,
arXiv:2006.09661 (sinusoidal networks).
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datamodules.solvers.finite import check_finite
from emulators.learned.field import LearnedField, Points

FREQUENCY = 30.0


class Siren:
    """Sinusoidal network (SIREN) NF, evaluated with weights supplied by a hypernetwork.

    Args:
        dimensions: Number of coordinates.
        width: Number of features.
    """

    def __init__(self, dimensions: int, width: int) -> None:
        self.shapes = [(dimensions, width), (width, width), (width, width), (width, 1)]
        self.sizes = [size for i, o in self.shapes for size in (i * o, o)]
        self.count = sum(self.sizes)

    def initial(self) -> Float[Tensor, " weight"]:
        """Return initial weights and biases, as SIREN draws its weights.

        Weights of the first layer are uniform in ±1/inputs, of others in ±√(6/inputs)/30. Biases
        are 1/outputs.
        """
        parts = []
        for number, (inputs, outputs) in enumerate(self.shapes):
            bound = math.sqrt(6 / inputs) / FREQUENCY if number else 1 / inputs
            parts.append(torch.empty(inputs * outputs).uniform_(-bound, bound))
            parts.append(torch.full((outputs,), 1 / outputs))
        return torch.cat(parts)

    def __call__(
        self, x: Float[Tensor, "point dimension"], weights: Float[Tensor, "time weight"]
    ) -> Float[Tensor, "time point"]:
        """Return NF at each point, for each set of weights.

        Args:
            x: Coordinates of the points.
            weights: All kernels and biases of NF in a row, in the order of `initial`.
        """
        parts = weights.split(self.sizes, dim=-1)
        A = [
            (kernel.unflatten(-1, shape), bias[:, None])
            for kernel, bias, shape in zip(parts[::2], parts[1::2], self.shapes, strict=True)
        ]

        def layer(number: int, z: Tensor) -> Tensor:
            kernel, bias = A[number]
            return torch.baddbmm(bias, z, kernel)

        y = layer(0, x.expand(len(weights), *x.shape))
        r = y + layer(2, torch.sin(FREQUENCY * layer(1, y)))
        return layer(3, torch.sin(FREQUENCY * r)).squeeze(-1)


class ResidualBlock(nn.Module):
    """Residual block x + B₂ ρ(B₁ x), with affine B and the leaky rectifier ρ.

    Args:
        width: Number of features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.outer(nn.functional.leaky_relu(self.inner(x)))


def hypernetwork(width: int, depth: int, code: int) -> nn.Sequential:
    """Return the hypernetwork HY, from time (time, 1) to a code (time, code).

    Args:
        width: Number of features.
        depth: Number of residual blocks.
        code: Number of outputs.
    """
    layers: list[nn.Module] = [nn.Linear(1, width)]
    for number in range(depth):
        outputs = code if number == depth - 1 else width
        layers += [ResidualBlock(width), nn.LeakyReLU(), nn.Linear(width, outputs)]
    return nn.Sequential(*layers)


class NeuralField(LearnedField):
    """Conditional neural field of Akhare et al. (2025): λ(x, t) = s σ(NF(x; P HY(t) + p)).

    By default its values are not negative: σ is the rectifier (ReLU). A coefficient of both signs,
    such as a velocity, needs `output=torch.nn.Identity()`.

    It is evaluated in full precision under every precision of the trainer: sin(30 r) of rounded
    numbers is noise.

    Args:
        names: Names of the coefficients, each with a network of its own.
        steady: Whether they do not change in time; HY is then evaluated at t = 0.
        scale: Typical size s of the coefficients in their units.
        output: Activation σ; `torch.nn.ReLU()` by default.
        dimensions: Number of spatial dimensions.
        width: Number of features of NF.
        code: Number c of outputs of HY.
        hidden: Number of features of HY.
        depth: Number of residual blocks of HY.
        duration: Unit of time [T] of the input of HY.
        length: Unit of length [L] of the input of NF.

    Raises:
        ValueError: A size is below 1, or scale, duration or length is not positive.

    Example:
        Two coefficients of a plane that do not change in time, which are not negative:

        >>> field = NeuralField(["D", "r"], scale=0.1, width=8)
        >>> points = torch.rand(4, 6, 2)  # coordinates (y, x) of 4 by 6 cells
        >>> values = field(points, times=torch.zeros(1))
        >>> list(values), tuple(values["D"].shape), bool((values["D"] >= 0).all())
        (['D', 'r'], (1, 4, 6), True)
    """

    def __init__(
        self,
        names: Sequence[str],
        steady: bool = True,
        scale: float = 1.0,
        output: nn.Module | None = None,
        dimensions: int = 2,
        width: int = 128,
        code: int = 10,
        hidden: int = 16,
        depth: int = 3,
        duration: float = 1.0,
        length: float = 1.0,
    ) -> None:
        check_finite("NeuralField", scale=scale, duration=duration, length=length)
        super().__init__(names, steady)
        sizes = {"dimensions": dimensions, "width": width, "code": code}
        for name, value in {**sizes, "hidden": hidden, "depth": depth}.items():
            if value < 1:
                raise ValueError(f"NeuralField.{name} must be at least 1, got {value}.")
        if not (scale > 0 and duration > 0 and length > 0):
            raise ValueError(
                "NeuralField.scale, duration and length must be positive, got "
                f"scale={scale}, duration={duration}, length={length}."
            )
        self.scale = scale
        self.duration = duration
        self.length = length
        self.output = output or nn.ReLU()
        self.field = Siren(dimensions, width)
        self.conditional = hypernetwork(hidden, depth, code)
        self.projections = nn.ModuleList(nn.Linear(code, self.field.count) for _ in self.names)
        bound = math.sqrt(6 / code) / 100
        for projection in self.projections:
            nn.init.uniform_(projection.weight, -bound, bound)
            projection.bias.data.copy_(self.field.initial())

    def forward(
        self, points: Points, times: Float[Tensor, " time"]
    ) -> dict[str, Float[Tensor, "time *space"]]:
        weight = self.projections[0].weight
        with torch.autocast(points.device.type, enabled=False):
            x = (points / self.length).to(weight).flatten(0, -2)
            t = torch.zeros_like(times[:1]) if self.steady else times / self.duration
            code = self.conditional(t.to(weight)[:, None])
            return {
                name: self.scale
                * self.output(self.field(x, projection(code))).unflatten(-1, points.shape[:-1])
                for name, projection in zip(self.names, self.projections, strict=True)
            }
