"""Principal components of data that may exceed the memory, and autocorrelation of a series."""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor

Chunk = Float[Tensor, "_ ..."]


def principal_components(
    chunks: Callable[[], Iterable[Chunk]],
    count: int,
    centre: bool = True,
    extra: int = 10,
    passes: int = 4,
) -> tuple[Float[Tensor, " point"], Float[Tensor, "component point"], Float[Tensor, " component"]]:
    """Return mean, leading components (orthonormal) and their variances, in float64.

    Randomised subspace iteration (Halko, Martinsson and Tropp 2011, algorithm 4.4) on the
    covariance, which is only ever applied, chunk by chunk: memory is that of one chunk and of
    count + extra fields. Each component has the sign that makes its largest entry positive.

    Args:
        chunks: Yields all states anew at each call, (time, ...).
        count: Number of components.
        centre: Whether the mean is removed; without, the mean is returned as zero.
        extra: Additional directions of the iteration.
        passes: Number of iterations, each a pass over the data.

    Raises:
        ValueError: There are fewer states than components.
    """
    total, states = 0.0, 0
    for chunk in chunks():
        total = total + chunk.double().flatten(1).sum(0)
        states += len(chunk)
    if states < count:
        raise ValueError(
            f"{count} principal components were asked for, but there are {states} states; lower "
            "the number of components or provide more data."
        )
    mean = total / states if centre else torch.zeros_like(total)

    def apply(directions: Float[Tensor, "point _"]) -> Float[Tensor, "point _"]:
        result = torch.zeros_like(directions)
        for chunk in chunks():
            rows = chunk.double().flatten(1) - mean
            result += rows.T @ (rows @ directions)
        return result / states

    size = min(count + extra, states, len(mean))
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(len(mean), size, generator=generator, dtype=torch.float64)
    basis = torch.linalg.qr(start.to(mean.device)).Q
    for _ in range(passes):
        basis = torch.linalg.qr(apply(basis)).Q
    variances, mixing = torch.linalg.eigh(basis.T @ apply(basis))
    order = variances.argsort(descending=True)[:count]
    components = (basis @ mixing[:, order]).T
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    return mean, components * largest.sign(), variances[order]


def autocorrelation(
    series: Float[Tensor, "*batch time"], lags: int, centre: bool = True, normalise: bool = True
) -> Float[Tensor, "*batch lag"]:
    """Return c(k) = Σ_t x(t) x(t + k) for lags 0 .. lags - 1.

    With `centre`, x is the departure from the mean of its series. With `normalise`, c is divided by
    c(0) (the biased estimate of the autocorrelation); without, it is the plain sum. Of a series
    that is constant but for rounding it is not a number.
    """
    time = series.shape[-1]
    x = series - series.mean(-1, keepdim=True) if centre else series
    spectrum = torch.fft.rfft(x, n=2 * time)  # zeros in between: no wrap-around
    power = spectrum.real.square() + spectrum.imag.square()
    total = torch.fft.irfft(power, n=2 * time)[..., :lags]
    if not normalise:
        return total
    rounding = 1e-24 * series.square().sum(-1, keepdim=True)
    return torch.where(total[..., :1] > rounding, total / total[..., :1], float("nan"))
