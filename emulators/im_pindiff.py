r"""Im-PiNDiff: steps of known physics with learned parts, differentiated through the solver.

    ∂u/∂t = K(u; c_known, c_θ(x, t)),    û_{n+1} = (Δt-steps of K over one snapshot interval)(û_n)

The unknown θ is inside the equation: a coefficient field, a constitutive curve, a missing term. The
loss compares the rollout with the observed snapshots,

    L = mean_k d(û_k, u_k) + r mean(θ²),

and its gradient goes back through every time step: through an explicit step as it is, through an
implicit one by its adjoint or by another rule of the stepper's layer. Explicit PiNDiff, naive
implicit and implicit adjoint differ only in the `stepper`.

States are in physical units inside and outside; standardised numbers enter the loss only. A value
that was not observed is NaN in a training window and does not enter the means over space and k, in
which points may have weights (data.weights).

Reference: D. Akhare, P. Du, T. Luo and J.-X. Wang 2025, arXiv:2504.02260.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from datamodules.solvers.finite import check_finite
from datamodules.solvers.finite_volume import (
    SDIRK2,
    Balance,
    Coefficients,
    Profile,
    Stepper,
    ThetaScheme,
)
from datamodules.solvers.implicit import Checkpointing, Monitor, NoCheckpointing
from datamodules.solvers.solver import substeps_of
from emulators.checkpoint_checks import described
from emulators.context import NO_CONTEXT, Context
from emulators.emulator import Emulator, State, Window
from emulators.learned import Hybrid, LearnedPart
from emulators.networks.from_module import check_parameters
from emulators.networks.interface import NetworkFactory, NetworkInterface
from emulators.training.losses import L2, Distance


class ImPiNDiff(Emulator):
    """Known physics with learned parts, stepped explicitly or implicitly.

    Only the learned parts are trained, averaged and saved.

    Args:
        physics: Equation: domain, variables, terms and closures by name.
        learned: Learned parts by name: fields in place of coefficients, closures, terms.
        coefficients: Known coefficients by name: numbers or profiles.
        conditioned_on: Coefficients that are the data's physical parameters, in the order of
            data.parameters.
        stepper: Time stepper: `ThetaScheme`, `SDIRK2`, `ExplicitEuler`, `RK4`; Crank-Nicolson by
            default.
        dt: Inner time step Δt [T].
        interval: Time between snapshots of the data [T], a whole number of dt.
        unrolled_steps: Length of a training rollout [intervals].
        checkpointing: Choice of the states that a training rollout keeps for its backward pass.
        origin: Lower corner of the domain [L], where coordinates do not start at 0.
        regularization: Weight r of the mean square of the weights.
        distance: Distance d of standardised states.
        optimizer: Optimiser of all parameters, many of which are no matrices.

    Raises:
        ValueError: dt does not divide the interval, or unrolled_steps is below 1; a coefficient is
            missing.
        ImplicitSolveError: A step did not converge, unless its layer masks it.

    Example:
        Diffusion with an unknown diffusivity D(x), by Crank-Nicolson steps:

        >>> from datamodules.solvers import Grid, Variable
        >>> from datamodules.solvers.finite_volume import Diffusion, Domain
        >>> from emulators.learned import NeuralField
        >>> tracer, domain = Variable("u", "tracer", "1"), Domain(Grid((16,), (1.0,)))
        >>> physics = Balance(domain, (tracer,), {"diffusion": Diffusion("D")})
        >>> learned = {"D": NeuralField(["D"], dimensions=1, scale=1e-3)}
        >>> emulator = ImPiNDiff(physics, learned, dt=0.05, interval=0.1, dimensions=1).eval()
        >>> emulator.rollout(torch.rand(2, 1, 16), steps=3).shape
        torch.Size([2, 3, 1, 16])
    """

    timed = True
    sparse = True
    interval: float

    def __init__(
        self,
        physics: Balance,
        learned: Mapping[str, LearnedPart],
        coefficients: Mapping[str, float | Profile] | None = None,
        conditioned_on: Sequence[str] = (),
        stepper: Stepper | None = None,
        dt: float = 0.01,
        interval: float = 0.01,
        unrolled_steps: int = 1,
        checkpointing: Checkpointing | None = None,
        origin: Sequence[float] | None = None,
        regularization: float = 0.0,
        distance: Distance = L2(),
        optimizer: OptimizerCallable = torch.optim.AdamW,
        **kwargs: Any,
    ) -> None:
        check_finite(
            "ImPiNDiff",
            coefficients=coefficients,
            dt=dt,
            interval=interval,
            origin=origin,
            regularization=regularization,
        )
        substeps = substeps_of("ImPiNDiff", interval, dt, "model.dt")
        if unrolled_steps < 1 or regularization < 0:
            raise ValueError(
                "ImPiNDiff needs unrolled_steps of at least 1 and regularization of at least 0, "
                f"got unrolled_steps={unrolled_steps}, regularization={regularization}."
            )
        hybrid = Hybrid(physics, learned, coefficients, conditioned_on, origin)
        super().__init__(
            network=hybrid, distance=distance, optimizer=optimizer, project=None, **kwargs
        )
        if self.channels != len(physics.variables):
            raise ValueError(
                f"The physics has {len(physics.variables)} variables "
                f"({', '.join(v.name for v in physics.variables)}), the data {self.channels}; set "
                "data.variables to the variables of the physics, in their order."
            )
        self.stepper = stepper or ThetaScheme()
        self.dt = dt
        self.interval = interval
        self.substeps = substeps
        self.unrolled_steps = unrolled_steps
        self.checkpointing = checkpointing or NoCheckpointing()
        self.regularization = regularization
        self.monitor: Monitor | None = None
        if isinstance(self.stepper, ThetaScheme | SDIRK2):
            self.monitor = self.stepper.layer.monitor = Monitor()

    def make_trained(
        self, network: NetworkFactory | nn.Module, interface: NetworkInterface
    ) -> nn.Module:
        """Return the physics unchanged.

        Raises:
            ValueError: The data have static fields, forcing or masked points, or random numbers
                were asked for.
        """
        if interface.input_fields:
            raise ValueError(
                "ImPiNDiff steps an equation, which takes no static fields, forcing or mask, but "
                f"the data have {interface.input_fields}; leave data.static, data.forcing and "
                "data.mask out, or train another emulator."
            )
        if interface.noise_latents or interface.noise_parameters:
            raise ValueError(
                "ImPiNDiff steps an equation, which is given no random numbers; leave "
                "model.noise_fields, model.noise_numbers and model.objective out, or train another "
                "emulator."
            )
        check_parameters(network, interface)
        return network

    @property
    def window(self) -> int:
        """Number of snapshots: the initial state, and one per interval."""
        return self.unrolled_steps + 1

    @property
    def hybrid(self) -> Hybrid:
        """The physics: with trained parts in training mode, averaged ones in evaluation mode."""
        if self.training or self.averaged is None:
            return self.trained
        return self.averaged

    def setup(self, stage: str) -> None:
        """Check that variables, grid and interval of the data agree with the physics."""
        data, grid = described(self.trainer.datamodule), self.hybrid.balance.domain.grid
        if abs(data.interval - self.interval) > 1e-4 * self.interval:
            raise ValueError(
                f"ImPiNDiff.interval is {self.interval:g}, the snapshots of the data are "
                f"{data.interval:g} apart; set model.interval to that."
            )
        own = data.uniform_grid
        if own is not None and not grid.is_same_domain(own):
            raise ValueError(
                f"The physics is on a domain of lengths {grid.lengths}, the data of "
                f"{own.lengths}; set model.physics.domain.grid to the grid of the data."
            )
        super().setup(stage)

    def check(self, shape: tuple[int, ...]) -> None:
        """Check that a grid is the grid of the physics."""
        self.trained.check(shape)

    # Steps --------------------------------------------------------------------------------------

    def steps_from(self, like: State, context: Context) -> Callable[[State, int], State]:
        """Return (state, n) ↦ the state one Δt after n steps of rollouts from a context.

        Args:
            like: A state in physical units.
            context: Physical parameters and times of the rollouts; times are 0 if not known.
        """
        self.conditioning.check(context.parameters)
        hybrid, times = self.hybrid, start_times(like, context)
        still = hybrid.steady(like, context.parameters)
        if hybrid.is_steady:
            step = self.stepper.prepared(hybrid.balance, still, self.dt)
            return lambda state, number: step(state)

        def advance(state: State, number: int) -> State:
            def coefficients(elapsed: float) -> Coefficients:
                return {**still, **hybrid.moving(state, times + elapsed)}

            return self.stepper.step(hybrid.balance, state, coefficients, number * self.dt, self.dt)

        return advance

    def step(
        self, state: State, memory: None = None, context: Context = NO_CONTEXT
    ) -> tuple[State, None]:
        """Return the state one interval later, by `interval / dt` steps of the stepper."""
        advance = self.steps_from(state, context)
        for number in range(self.substeps):
            state = advance(state, number)
        return state, None

    def loss(self, window: Window, context: Context = NO_CONTEXT) -> Float[Tensor, ""]:
        """Return the mean distance to the observations plus r mean(θ²).

        Raises:
            ValueError: The initial state is not observed completely, or nothing else is.
        """
        self.check_window(window)
        observed = torch.isfinite(window)
        leads = [
            lead for lead in range(1, self.unrolled_steps + 1) if bool(observed[:, lead].any())
        ]
        if not leads or not observed[:, 0].all():
            raise ValueError(
                "A training window of ImPiNDiff must hold its whole initial state and a value of "
                f"the {self.unrolled_steps} snapshots after it; set "
                "model.unrolled_steps to reach the first observed time, or observe more."
            )
        state = window[:, 0]
        rollout = self.checkpointing.rollout(
            self.steps_from(state, context),
            state,
            leads[-1] * self.substeps,
            [lead * self.substeps for lead in leads],
        )
        distances, shares = [], []  # by weight, of what was observed
        for position, lead in enumerate(leads):
            seen = observed[:, lead]
            prediction = self.standardize(rollout[:, position])
            target = self.standardize(torch.where(seen, window[:, lead], 0.0))
            target = torch.where(seen, target, prediction.detach())  # no distance, no gradient
            distances.append(self.distance(prediction, target))
            shares.append(self.distance.average(seen.double()).to(prediction))
        total = torch.stack(distances).sum() / torch.stack(shares).sum()
        return total + self.regularization * self.mean_square() if self.regularization else total

    def mean_square(self) -> Float[Tensor, ""]:
        """Return the mean square of all trained weights, mean(θ²)."""
        trained = [p for p in self.trained.parameters() if p.requires_grad]
        return sum(p.square().sum() for p in trained) / sum(p.numel() for p in trained)

    # Lightning ----------------------------------------------------------------------------------

    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        """Clear the record of earlier solves."""
        if self.monitor is not None:
            self.monitor.clear()

    def on_train_batch_end(self, outputs: object, batch: object, batch_idx: int) -> None:
        """Log iterations, residuals and failures of the implicit steps and their adjoints."""
        if self.monitor is not None:
            for name, value in self.monitor.summary().items():
                self.log(f"solver/{name}", value, batch_size=1)
            self.monitor.clear()


def start_times(state: State, context: Context) -> Float[Tensor, " batch"]:
    """Return the times of a batch in double precision, 0 where they are not known."""
    if context.time is None:
        return torch.zeros(len(state), dtype=torch.float64, device=state.device)
    return context.time.to(state.device, torch.float64)
