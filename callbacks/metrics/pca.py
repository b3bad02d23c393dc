"""Principal components of data larger than RAM, and the autocorrelation of a series."""

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
    passes: int = 60,
    direct: int = 2048,
    memory: int = 2**29,
) -> tuple[Float[Tensor, " point"], Float[Tensor, "component point"], Float[Tensor, " component"]]:
    """Return the mean, the leading principal components and their variances.

    They are the singular value decomposition of all states. With few grid points they are computed
    as eigenvectors of the covariance, with few states as eigenvectors of the Gram matrix of the
    states (Sirovich, Q. Appl. Math. 45 (1987) 561-571). With many of both, `leading_eigenvectors`
    applies the covariance chunk by chunk and never stores it.

    Args:
        chunks: Function that returns an iterable over all states, in pieces (time, ...), each time
            it is called.
        count: Number of components.
        centre: If true, the mean is removed; if not, the returned mean is zero.
        extra: Additional directions of the iteration.
        passes: Largest number of passes of the iteration over the data.
        direct: Largest number of points, or of states, for which the matrix is stored.
        memory: Largest size of the states of a Gram matrix, or of the directions of the iteration
            [bytes].

    Returns:
        Mean, orthonormal components and variances in descending order, in float64. The sign of a
        component makes its largest entry positive, the first one where several are as large.

    Raises:
        ValueError: There are fewer states, or values in a state, than components.

    Example:
        Two states on the line along (3, 4), five from the mean:

        >>> states = torch.tensor([[3.0, 4.0], [-3.0, -4.0]])
        >>> mean, components, variances = principal_components(lambda: [states], count=1)
        >>> components.numpy().round(6).tolist(), round(variances.item(), 6)
        ([[0.6, 0.8]], 25.0)
    """
    total, states = torch.zeros((), dtype=torch.float64), 0
    for chunk in chunks():
        total = total + chunk.double().flatten(1).sum(0)
        states += len(chunk)
    if states < count:
        raise ValueError(
            f"{count} principal components were asked for, but there are {states} states; lower "
            "the number of components or provide more data."
        )
    if len(total) < count:
        raise ValueError(
            f"{count} principal components were asked for, but a state has {len(total)} values; "
            "lower the number of components."
        )
    mean = total / states if centre else torch.zeros_like(total)
    points = len(mean)

    def departures() -> Iterable[Float[Tensor, "_ point"]]:
        return (chunk.double().flatten(1) - mean for chunk in chunks())

    def apply(directions: Float[Tensor, "point _"]) -> Float[Tensor, "point _"]:
        result = torch.zeros_like(directions)
        for rows in departures():
            result += rows.T @ (rows @ directions)
        return result / states

    if points <= min(direct, states):
        covariance = sum(rows.T @ rows for rows in departures()) / states
        variances, vectors = torch.linalg.eigh(covariance)
        vectors = vectors.flip(1)[:, :count]
    elif states <= direct and 8 * states * points <= memory:
        rows = torch.cat(list(departures()))
        variances, mixing = torch.linalg.eigh(rows @ rows.T / states)
        # orthonormal also where the variance vanishes, as after removing the mean of few states
        vectors = torch.linalg.qr(rows.T @ mixing.flip(1)[:, :count]).Q
    else:
        size = min(count + extra, states, points)
        generator = torch.Generator().manual_seed(0)
        start = torch.randn(points, size, generator=generator, dtype=torch.float64)
        blocks = max(4, memory // (8 * points * size))
        variances, vectors = leading_eigenvectors(
            apply, start.to(mean.device), count, passes, blocks
        )
    components = vectors.T
    size = components.abs()
    large = size >= (1 - 1e-6) * size.amax(1, keepdim=True)
    first = components.gather(1, large.int().argmax(1, keepdim=True))
    return mean, components * first.sign(), variances.flip(0)[:count].clamp_min(0)


def leading_eigenvectors(
    apply: Callable[[Float[Tensor, "point _"]], Float[Tensor, "point _"]],
    start: Float[Tensor, "point block"],
    count: int,
    passes: int,
    blocks: int,
    tolerance: float = 1e-10,
) -> tuple[Float[Tensor, " value"], Float[Tensor, "point count"]]:
    """Return the eigenvectors of a symmetric matrix with the largest eigenvalues.

    Block Lanczos iteration with full orthogonalisation (Golub and Underwood 1977; Musco and Musco
    2015). It restarts from the best directions when `blocks` blocks are stored.

    Args:
        apply: Function that multiplies directions by the matrix.
        start: First directions.
        count: Number of eigenvectors.
        passes: Largest number of products with the matrix.
        blocks: Largest number of blocks of directions that are stored.
        tolerance: Angle to the eigenvectors at which the iteration stops, estimated as residual
            over gap.

    Returns:
        Eigenvalues of the projected matrix, ascending, the last `count` of which belong to the
        eigenvectors; and these eigenvectors as columns, in descending order of eigenvalue.

    Example:
        >>> matrix = torch.diag(torch.tensor([1.0, 2.0, 9.0], dtype=torch.float64))
        >>> start = torch.eye(3, dtype=torch.float64)
        >>> values, vectors = leading_eigenvectors(lambda x: matrix @ x, start, 1, 1, 1)
        >>> round(values[-1].item(), 6), vectors.abs().numpy().round(6).ravel().tolist()
        (9.0, [0.0, 0.0, 1.0])
    """
    width = start.shape[1]
    blocks = min(blocks, len(start) // width)
    basis = block = torch.linalg.qr(start).Q
    projected = block.new_zeros(0, 0)
    for number in range(passes):
        image = apply(block)
        columns = basis.T @ image
        projected = torch.nn.functional.pad(projected, (0, width, 0, width))
        projected[:, -width:], projected[-width:] = columns, columns.T
        values, mixing = torch.linalg.eigh(projected)
        rest = image - basis @ columns
        following, remainder = torch.linalg.qr(rest - basis @ (basis.T @ rest))
        residual = (remainder @ mixing[-width:, -count:]).norm(dim=0)
        apart = (values[-count:, None] - values).abs()
        gap = torch.where(apart == 0, torch.inf, apart).amin(1)
        if bool((residual <= tolerance * gap).all()) or number == passes - 1:
            break
        if basis.shape[1] + width > blocks * width:  # begin again from the best directions
            basis = block = torch.linalg.qr(basis @ mixing[:, -width:]).Q
            projected = block.new_zeros(0, 0)
            continue
        block = torch.linalg.qr(following - basis @ (basis.T @ following)).Q
        basis = torch.cat((basis, block), 1)
    return values, (basis @ mixing[:, -count:]).flip(1)


def autocorrelation(
    series: Float[Tensor, "*batch time"], lags: int, centre: bool = True, normalise: bool = True
) -> Float[Tensor, "*batch lag"]:
    """Return the autocorrelation c(k) = Σ_t x(t) x(t + k) at lags 0 .. lags - 1.

    Args:
        series: Values at equal intervals.
        lags: Number of lags.
        centre: If true, x is the departure from the mean of its series.
        normalise: If true, c is divided by c(0), which gives the biased estimate of the
            autocorrelation; if not, c is the plain sum.

    Returns:
        Autocorrelation at each lag; NaN, if normalised, for a series that is constant to rounding.

    Example:
        Of four values that alternate, three pairs at lag 1 contribute -1 each:

        >>> c = autocorrelation(torch.tensor([1.0, -1.0, 1.0, -1.0]), lags=3)
        >>> c.double().numpy().round(6).tolist()
        [1.0, -0.75, 0.5]
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
