"""Learned constitutive law: a small perceptron of one or several local quantities."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from datamodules.solvers.finite import check_finite


class Curve(nn.Module):
    """Learned curve s f((q - centre)/spread) with a perceptron f, the function of a `Closure`.

    It is evaluated cell by cell, in full precision.

    Args:
        centre: Centre of each quantity q that the closure reads, in its units.
        spread: Typical departure of each quantity from its centre.
        scale: Typical size s of the result in its units.
        width: Number of features of a hidden layer.
        depth: Number of hidden layers.
        hidden: Activation between layers; tanh by default.
        output: Activation after the last layer; softplus by default, for a positive result.

    Raises:
        ValueError: A size is below 1, a spread or the scale is not positive, or centre and spread
            differ in length.

    Example:
        A rate constant as a function of temperature [K], of about 0.1 /s and positive for any
        weights:

        >>> from datamodules.solvers.finite_volume import Closure
        >>> law = Curve(centre=[1200.0], spread=[100.0], scale=0.1)
        >>> rate = Closure(("temperature",), law)(torch.tensor([[1100.0, 1200.0, 1300.0]]))
        >>> tuple(rate.shape), bool((rate > 0).all())
        ((1, 3), True)
    """

    def __init__(
        self,
        centre: Sequence[float] = (0.0,),
        spread: Sequence[float] = (1.0,),
        scale: float = 1.0,
        width: int = 32,
        depth: int = 2,
        hidden: Callable[[Tensor], Tensor] | None = None,
        output: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        check_finite("Curve", centre=centre, spread=spread, scale=scale)
        super().__init__()
        if len(centre) != len(spread) or not centre:
            raise ValueError(
                "Curve.centre and Curve.spread must have one entry for each quantity, got "
                f"{list(centre)} and {list(spread)}."
            )
        if not (scale > 0 and all(value > 0 for value in spread)):
            raise ValueError(
                "Curve.spread and Curve.scale must be positive, got "
                f"spread={list(spread)}, scale={scale}."
            )
        if width < 1 or depth < 1:
            raise ValueError(
                f"Curve needs width and depth of at least 1, got width={width}, depth={depth}."
            )
        self.centre, self.spread, self.scale = tuple(centre), tuple(spread), scale
        self.hidden = hidden or torch.tanh
        self.output = output or nn.functional.softplus
        sizes = [len(centre), *[width] * depth]
        self.layers = nn.ModuleList(
            nn.Linear(i, o) for i, o in zip(sizes, [*sizes[1:], 1], strict=True)
        )

    def forward(self, *quantities: Tensor) -> Tensor:
        """Return the law at fields of one shape, in its units.

        Raises:
            ValueError: The number of quantities is not the number of centres.
        """
        if len(quantities) != len(self.centre):
            raise ValueError(
                f"Curve is made for {len(self.centre)} quantities, its closure reads "
                f"{len(quantities)}; give one centre and spread for each."
            )
        wide = torch.broadcast_tensors(*quantities)
        with torch.autocast(wide[0].device.type, enabled=False):
            scaled = [(q - c) / s for q, c, s in zip(wide, self.centre, self.spread, strict=True)]
            z = torch.stack(scaled, -1).to(self.layers[0].weight)
            for layer in self.layers[:-1]:
                z = self.hidden(layer(z))
            value = self.scale * self.output(self.layers[-1](z)).squeeze(-1)
        return value.to(wide[0].dtype)
