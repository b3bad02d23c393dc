r"""Proper scores of ensembles as training objectives.

A network trained on the mean square predicts the mean of what the state does not determine. With a
score of M members x_1, ..., x_M, made from the same state with different random numbers,

    S = (1/M) Σ_m d(x_m, y) - (1 - ε)/(2M(M - 1)) Σ_m Σ_k d(x_m, x_k),    ε = (1 - α)/M,

the least expected value is attained by members that are distributed as the truth y. For α = 1 the
score is *fair*: its expectation does not depend on M. For M = 2 a fair score may be minimised by a
pair of which one member is anywhere; α slightly below 1, the *almost fair* score, prevents that.

References: T. Gneiting and A. E. Raftery, J. Am. Stat. Assoc. 102 (2007) 359-378, sections 4.2 and
4.3; C. A. T. Ferro, Q. J. R. Meteorol. Soc. 140 (2014) 1917-1923; S. Lang et al., "AIFS-CRPS:
Ensemble forecasting using a model trained with a loss function based on the continuous ranked
probability score", 2024, arXiv:2412.15832, equation 4.
"""

from abc import abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datamodules.solvers.finite import check_finite
from emulators.networks.interface import check_factors, coarsen
from emulators.networks.layers import PeriodicOnly
from emulators.training.losses import Criterion, Fields
from emulators.training.spectral_losses import rings

TINY = 1e-12  # keeps the derivative of a root finite where members are equal


class Objective(Criterion):
    """Score of an ensemble of predictions, all standardised, in place of a distance.

    Attributes:
        sees_phases: Whether the score depends on where waves are, not on their energy alone.

    Example:
        An objective of your own, the squared error of the mean and of the spread of the members
        about it:

        >>> class MeanAndSpread(Objective):
        ...     def score(self, members, truth):
        ...         error = (members.mean(0) - truth).square()
        ...         return (error - members.var(0)).square().flatten(1).mean(1)
        >>> members, truth = torch.tensor([[[0.0]], [[2.0]]]), torch.full((2, 1, 1), 3.0)
        >>> MeanAndSpread().of(2)(members, truth).tolist()
        [4.0, 4.0]
    """

    sees_phases = True

    def __init__(self) -> None:
        super().__init__()
        self.members = 0
        self.checked = False

    def of(self, members: int) -> "Objective":
        """Return a copy for a number M of members."""
        copy = deepcopy(self)
        copy.members = members
        return copy

    @abstractmethod
    def score(
        self, members: Float[Tensor, "member batch channel *space"], truth: Fields
    ) -> Float[Tensor, " batch"]:
        """Return the score of each sample; the lower, the better.

        Args:
            members: Standardised predictions of each member.
            truth: Standardised fields (batch, channel, *space).
        """

    def forward(self, prediction: Fields, target: Fields) -> Float[Tensor, " batch"]:
        """Return the score of each sample, once per member.

        Args:
            prediction: Standardised predictions (M · batch, channel, *space), member by member.
            target: Standardised target of the same shape, the same for all members.

        Returns:
            Scores (M · batch), so that the mean over samples is the mean score.

        Raises:
            ValueError: The targets of members differ, or there is not one score per sample.
        """
        self.check_targets(target)
        members = prediction.unflatten(0, (self.members, -1))
        truth = target.unflatten(0, (self.members, -1))[0]
        score = self.score(members, truth)
        self.check_shape("score", score, truth)
        return score.repeat(self.members)

    def check_shape(self, method: str, result: Tensor, truth: Fields) -> None:
        """Check that a method returned one number per sample."""
        if result.shape != (len(truth),):
            raise ValueError(
                f"{type(self).__name__}.{method} returned a tensor of shape "
                f"{tuple(result.shape)}, expected {(len(truth),)}: one number for each sample."
            )

    def check_targets(self, target: Fields) -> None:
        """Check that all members have the same target; on a GPU, which would wait, once."""
        if self.checked and target.device.type != "cpu":
            return
        samples, apart = divmod(len(target), max(self.members, 1))
        one, other = target[samples:], target[:-samples]
        if self.members < 2 or apart or not torch.allclose(one, other, 0.0, 0.0, equal_nan=True):
            raise ValueError(
                f"{type(self).__name__} compares {self.members} members of each window, and the "
                f"{len(target)} windows given are not such members one after the other; call the "
                "loss with the result of `emulators.training.members.repeat_members`."
            )
        self.checked = True


class KernelScore(Objective):
    """Score S of the distances d between members and truth, and between members.

    Args:
        alpha: Share α of the fair score, at most 1; 1 - α is the share of the score whose pairs
            include each member with itself.

    Raises:
        ValueError: α does not lie in [0, 1].

    Example:
        A score of your own, from the largest difference. Two members at 0 and 2 have the
        errors 3 and 1 and the distance 2:

        >>> class Largest(KernelScore):
        ...     def between(self, one, other):
        ...         return (one - other).abs().flatten(1).amax(1)
        >>> members, truth = torch.tensor([[[0.0]], [[2.0]]]), torch.full((2, 1, 1), 3.0)
        >>> Largest(alpha=1.0).of(2)(members, truth).tolist()
        [1.0, 1.0]
    """

    def __init__(self, alpha: float = 0.95) -> None:
        check_finite(type(self).__name__, alpha=alpha)
        super().__init__()
        if not 0 <= alpha <= 1:
            raise ValueError(
                f"{type(self).__name__} needs alpha between 0 and 1, got alpha={alpha}."
            )
        self.alpha = alpha

    @abstractmethod
    def between(self, one: Fields, other: Fields) -> Float[Tensor, " batch"]:
        """Return the distance d of each sample.

        Args:
            one: Standardised fields (batch, channel, *space).
            other: Standardised fields of the same shape.
        """

    def score(
        self, members: Float[Tensor, "member batch channel *space"], truth: Fields
    ) -> Float[Tensor, " batch"]:
        errors = [self.between(one, truth) for one in members]
        self.check_shape("between", errors[0], truth)
        error = torch.stack(errors).mean(0)
        apart = torch.stack([self.between(*pair) for pair in combinations(members, 2)]).mean(0)
        return error - 0.5 * (1 - (1 - self.alpha) / len(members)) * apart


class CRPS(KernelScore):
    """Continuous ranked probability score, d = |x - y| at each point and channel.

    Args:
        alpha: Share of the fair score.
        factors: Coarsening factors, which divide the grid. The score is the mean over the factors,
            each with the fields averaged over blocks; a factor beyond the points of a latent is
            left out.

    Example:
        Members at 0 and 2, truth 3: the mean error is 2, half the distance of the pair 1.

        >>> members, truth = torch.tensor([[[0.0]], [[2.0]]]), torch.full((2, 1, 1), 3.0)
        >>> CRPS(alpha=1.0).of(2)(members, truth).tolist()
        [1.0, 1.0]
    """

    weighted = True

    def __init__(self, alpha: float = 0.95, factors: Sequence[int] = (1,)) -> None:
        super().__init__(alpha)
        if not factors or min(factors) < 1 or 1 not in factors:
            raise ValueError(
                "CRPS.factors must be coarsening factors that include 1, the grid itself, got "
                f"{list(factors)}."
            )
        self.factors = tuple(factors)

    def check(self, shape: tuple[int, ...], latents: Sequence[tuple[int, ...]] = ()) -> None:
        """Check that factors divide the grid of the states, and of latents with as many points.

        Raises:
            ValueError: One does not.
        """
        self._check_grid(self.factors, shape)
        for latent in latents:
            self._check_grid([factor for factor in self.factors if factor <= min(latent)], latent)

    def between(self, one: Fields, other: Fields) -> Float[Tensor, " batch"]:
        difference = one - other
        points = min(difference.shape[2:])
        parts = [
            self.average(self.coarse(difference, factor).abs())
            for factor in self.factors
            if factor <= points
        ]
        return torch.stack(parts).mean(0)

    def coarse(self, field: Fields, factor: int) -> Float[Tensor, "batch channel ..."]:
        """Return averages over blocks.

        Raises:
            ValueError: The factor does not divide the grid.
        """
        self._check_grid([factor], field.shape[2:])
        return coarsen(field, factor)

    @staticmethod
    def _check_grid(factors: Sequence[int], grid: Sequence[int]) -> None:
        """Check that factors divide the grid of states or of a latent."""
        check_factors("CRPS.factors", factors, grid, " of the states or of a latent")


class EnergyScore(KernelScore):
    """Energy score, with d the root mean square difference over channels and grid points.

    It depends on how points vary together, which the mean of `CRPS` over points does not.

    Example:
        >>> members, truth = torch.tensor([[[0.0]], [[2.0]]]), torch.full((2, 1, 1), 3.0)
        >>> EnergyScore(alpha=1.0).of(2)(members, truth).tolist()
        [1.0, 1.0]
    """

    weighted = True

    def between(self, one: Fields, other: Fields) -> Float[Tensor, " batch"]:
        return (self.average((one - other).square()) + TINY).sqrt()


class SpectralCRPS(KernelScore, PeriodicOnly):
    """CRPS of the logarithm of the energy of each ring of wavenumbers, mean over rings.

    d is the mean over channels and rings of |log(E_x(k) + ε) - log(E_y(k) + ε)|, with E(k) as in
    `BinnedSpectralPower`. It says nothing about phases: combine it with another objective by
    `WeightedSum`.

    Args:
        alpha: Share of the fair score.
        floor: Energy ε [variance of the data] below which differences do not count, above 0.

    Raises:
        ValueError: The floor is not positive.

    Example:
        Both members have the spectrum of the truth:

        >>> wave = torch.tensor([[[1.0, 0.0, -1.0, 0.0]]])
        >>> SpectralCRPS().of(2)(torch.cat((wave, -wave)), torch.cat((wave, wave))).tolist()
        [0.0, 0.0]
    """

    sees_phases = False

    def __init__(self, alpha: float = 0.95, floor: float = 1e-4) -> None:
        check_finite("SpectralCRPS", floor=floor)
        super().__init__(alpha)
        if not floor > 0:
            raise ValueError(f"SpectralCRPS.floor must be above 0, got {floor}.")
        self.floor = floor

    def between(self, one: Fields, other: Fields) -> Float[Tensor, " batch"]:
        ratio = (rings(one) + self.floor) / (rings(other) + self.floor)
        return ratio.log().abs().flatten(1).mean(1)


class WeightedSum(Objective):
    """Weighted sum of objectives.

    Args:
        objectives: Objectives.
        weights: Weight of each, above 0.

    Raises:
        ValueError: There are no objectives, or not one weight above 0 for each.

    Example:
        >>> members, truth = torch.tensor([[[0.0]], [[2.0]]]), torch.full((2, 1, 1), 3.0)
        >>> both = WeightedSum([CRPS(alpha=1.0), EnergyScore(alpha=1.0)], [1.0, 0.5])
        >>> both.of(2)(members, truth).tolist()
        [1.5, 1.5]
    """

    def __init__(self, objectives: Sequence[Objective], weights: Sequence[float]) -> None:
        check_finite("WeightedSum", weights=list(weights))
        super().__init__()
        if not objectives or len(objectives) != len(weights) or min(weights) <= 0:
            raise ValueError(
                "WeightedSum needs objectives and one weight above 0 for each, got "
                f"{len(objectives)} objectives and the weights {list(weights)}."
            )
        self.objectives = nn.ModuleList(objectives)
        self.weights = tuple(weights)

    @property
    def weighted(self) -> bool:  # type: ignore[override]
        """True if all objectives weight grid points."""
        return all(one.weighted for one in self.objectives)

    @property
    def sees_phases(self) -> bool:  # type: ignore[override]
        """True if any of the objectives does."""
        return any(one.sees_phases for one in self.objectives)

    def check(self, shape: tuple[int, ...], latents: Sequence[tuple[int, ...]] = ()) -> None:
        """Check that each objective can compare fields on these grids."""
        for one in self.objectives:
            one.check(shape, latents)

    def score(
        self, members: Float[Tensor, "member batch channel *space"], truth: Fields
    ) -> Float[Tensor, " batch"]:
        parts = zip(self.weights, self.objectives, strict=True)
        return torch.stack([w * one.score(members, truth) for w, one in parts]).sum(0)
