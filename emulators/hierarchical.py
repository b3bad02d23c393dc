r"""Hierarchical implicit emulator, whose steps take coarse predictions of the future as input.

With latents z^(l)_m = T(u_{m}; r_l) at leads 1 .. L-1 and factors r_1 <= r_2 <= ..., one step is

    û_{n+1}, ẑ^(1)_{n+2}, ..., ẑ^(L-1)_{n+L} = f(u_n, ẑ^(1)_{n+1}, ..., ẑ^(L-1)_{n+L-1}),

so that level l looks l steps further ahead and is coarser. The latents in the memory are the
network's own predictions. At the start they are zero and are estimated by L-1 further calls,
nearest first, which training prepares by masking; `emulators.hierarchy.latent_layout` defines these
calls for any layout.

Reference: Jiang et al., "Hierarchical Implicit Neural Emulators", NeurIPS 2025,
https://arxiv.org/abs/2506.04528, equations 9-12.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from datamodules.solvers.finite import check_finite
from emulators.context import NO_CONTEXT, Context
from emulators.emulator import Emulator, State, Window
from emulators.former_names import rename_weights
from emulators.hierarchy.coarsening import Coarse, CoarseningFactory, Pooling
from emulators.hierarchy.latent_layout import LatentLayout
from emulators.host_copies import copy_to_device
from emulators.networks.interface import Latents, check_factors, coarsen
from emulators.training.randomness import add_noise

Memory = tuple[Latents, tuple[State, ...]]
LossWindow = Float[Tensor, "batch loss_time channel *space"]  # part of a window for one loss


class Hierarchical(Emulator):
    """Hierarchical implicit emulator (Jiang et al. 2025): steps conditioned on coarse futures.

    Latents `[[1, 8]]` are L = 2 of the paper; leads of 0 give its spatial hierarchy, negative ones
    its histories. All cold starts share `masking`.

    Of `data.forcing` every call of a step from n to n + 1, also at a cold start, is given the
    fields at n and n + 1. The forcing up to the leads of the latents is not given.

    Args:
        latents: (lead, factor) of each latent: intervals from the present, and coarsening factor;
            `[[1, 8], [2, 32]]` is L = 3 of the paper.
        masking: Probability that a training sample is a cold start.
        state_weight: Weight of the state in the loss; a latent has 1.
        coarsening: Operation T that makes the latents of true states.
        unrolled_steps: Number of steps that training unrolls from its own states and latents,
            with the gradient through all.
        latent_noise: Noise of input latents in training, as `noise`.
        latent_weights: Weight of each latent in the loss; 1 each by default.

    Example:
        L = 3: the memory holds the latents of the next step, coarsened by 4 and by 16.

        >>> emulator = Hierarchical(latents=[(1, 4), (2, 16)]).eval()
        >>> emulator.window
        4
        >>> state, (latents, history) = emulator.step(torch.zeros(1, 1, 32, 32))
        >>> [tuple(latent.shape) for latent in latents], len(history)
        ([(1, 1, 8, 8), (1, 1, 2, 2)], 0)
    """

    def __init__(
        self,
        latents: list[tuple[int, int]] = [(1, 4), (2, 16)],  # noqa: B006 - shown in --help
        masking: float = 0.15,
        state_weight: float = 2.0,
        coarsening: CoarseningFactory = Pooling,
        unrolled_steps: int = 1,
        latent_noise: float = 0.0,
        latent_weights: list[float] | None = None,
        **kwargs: Any,
    ) -> None:
        check_finite(
            "Hierarchical",
            masking=masking,
            state_weight=state_weight,
            latent_noise=latent_noise,
            latent_weights=latent_weights,
        )
        layout = LatentLayout(latents)
        super().__init__(
            latent_inputs=layout.factors,
            latent_outputs=tuple(layout.factors[i] for i in layout.predicted),
            masks=len(layout.masks),
            steps_per_call=1,
            **kwargs,
        )
        if not 0 <= masking < 1:
            raise ValueError(
                f"masking must lie in [0, 1), got {masking}; it is the probability of a cold start."
            )
        if not state_weight > 0:
            raise ValueError(f"state_weight must be positive, got {state_weight}.")
        self.layout = layout
        self.coarsening = coarsening(self.channels, self.dimensions, layout.factors)
        self._register_load_state_dict_pre_hook(rename_coarsening)
        self.masking = masking
        if unrolled_steps < 1:
            raise ValueError(f"unrolled_steps must be at least 1, got {unrolled_steps}.")
        if latent_noise < 0:
            raise ValueError(f"latent_noise must be at least 0, got {latent_noise}.")
        weights = [1.0] * len(latents) if latent_weights is None else list(latent_weights)
        if len(weights) != len(latents) or min(weights, default=0.0) < 0:
            raise ValueError(
                "latent_weights must hold one number of at least 0 for each of the "
                f"{len(latents)} latents, got {latent_weights}."
            )
        self.latent_weights = weights
        self.state_weight = state_weight
        self.latent_noise = latent_noise
        self.unrolled_steps = unrolled_steps
        masks = layout.masks
        for name in ("input_mask", "asks_state", "target_mask", "advance"):
            values = [getattr(mask, name) for mask in masks]
            self.register_buffer(name, torch.tensor(values), persistent=False)

    @property
    def window(self) -> int:
        """Number of snapshots from the oldest input to the latest target."""
        return self.layout.window + self.unrolled_steps - 1

    def check(self, shape: tuple[int, ...]) -> None:
        """Check that all factors divide the grid."""
        check_factors("model.latents", self.layout.factors, shape)
        super().check(shape)

    # Stepping -----------------------------------------------------------------------------------

    def step(
        self, state: State, memory: Memory | None = None, context: Context = NO_CONTEXT
    ) -> tuple[State, Memory]:
        u = self.standardize(state)
        predicted, past = self._cold_start(u, context) if memory is None else memory
        mask_id = self.layout.regular_mask(len(past))
        output, latents = self._call(u, context, self._inputs(u, predicted, past), mask_id)
        past = (u, *past)[: self.layout.history]
        return self.standardize.inverse(self.next_state(u, output)), (latents, past)

    def _cold_start(self, u: State, context: Context) -> Memory:
        """Estimate the future latents from one state, by one call per lead, nearest first."""
        layout = self.layout
        predicted = tuple(
            self._coarse(u, factor) * (lead == 0) for lead, factor in layout.latents if lead >= 0
        )
        for mask_id in range(len(layout.ahead)):
            _, estimates = self._call(u, context, self._inputs(u, predicted, ()), mask_id)
            wanted = [layout.masks[mask_id].target_mask[i] for i in layout.predicted]
            predicted = tuple(
                new if target else old
                for new, old, target in zip(estimates, predicted, wanted, strict=True)
            )
        return predicted, ()

    def _inputs(self, u: State, predicted: Latents, past: tuple[State, ...]) -> Latents:
        """Return all latent inputs: predicted latents, past latents, and zeros if missing."""
        ahead = iter(predicted)
        inputs = []
        for lead, factor in self.layout.latents:
            if lead >= 0:
                inputs.append(next(ahead))
            elif -lead <= len(past):
                inputs.append(self._coarse(past[-lead - 1], factor))
            else:
                inputs.append(torch.zeros_like(self._coarse(u, factor)))
        return tuple(inputs)

    def _coarse(self, u: State, factor: int) -> Coarse:
        """Return the latent of a true state."""
        return self._without_masked(self.coarsening(u, factor))

    def _without_masked(self, latent: Coarse) -> Coarse:
        """Return a latent that is 0 in blocks whose points are all masked."""
        mask = self.standardize.mask
        if mask is None:
            return latent
        share = coarsen(mask.to(latent.dtype)[None], mask.shape[-1] // latent.shape[-1])
        return torch.where(share > 0, latent, torch.zeros_like(latent))

    def _call(
        self, u: State, context: Context, inputs: Latents, mask_id: int
    ) -> tuple[State, Latents]:
        ids = torch.full((u.shape[0],), mask_id, device=u.device)
        # the calls of a cold start are within one step
        output, latents = self.predict_from(u, context, inputs, ids, call=mask_id)
        return output, tuple(self._without_masked(z.to(u.dtype)) for z in latents)

    # Training -----------------------------------------------------------------------------------

    def draw_masks(self, samples: int) -> Int[Tensor, " batch"]:
        """Return a random mask id per sample: the regular mask with probability 1 - masking."""
        others, members = len(self.layout.masks) - 1, samples
        samples = -(-samples // self.members)  # members have the mask of their window
        mask_id = torch.full((samples,), others)
        if others:
            generator = self.random("cases")  # the word is part of the seed
            masked = torch.rand(samples, generator=generator) < self.masking
            mask_id = torch.where(
                masked, torch.randint(others, (samples,), generator=generator), mask_id
            )
        return copy_to_device(mask_id.repeat(self.members)[:members], self.device)

    def loss(self, window: Window, context: Context = NO_CONTEXT) -> Float[Tensor, ""]:
        """Return the objective of Jiang et al. (2025), equation 12, for randomly drawn masks."""
        self.check_window(window)
        return self.loss_of_masks(window, self.draw_masks(len(window)), context)

    def loss_of_masks(
        self, window: Window, mask_id: Int[Tensor, " batch"], context: Context = NO_CONTEXT
    ) -> Float[Tensor, ""]:
        """Return Σ weight · mean over the batch of d(prediction, target), 0 without a target.

        Inputs and targets are true snapshots: the input latent at index n + lead, its target one
        later in a regular step and the same in a cold start. With `unrolled_steps` above one,
        regular samples continue from their own state and latents, and the objective is the mean
        over steps.
        """
        now = self.layout.history
        window = self.standardize(window.flatten(0, 1)).unflatten(0, window.shape[:2])
        snapshots, states, inputs = self.training_start(window, mask_id, context)
        # a subclass may have taken steps: its snapshots begin later than the window
        context = context.after(self.interval, now + window.shape[1] - snapshots.shape[1])
        extra = self.coarsening.objective(states[now])
        weight, total = torch.ones(len(mask_id), device=mask_id.device), 0.0
        predicted: Latents = ()
        for step in range(self.unrolled_steps):
            if step > 0:
                inputs = self._inputs(states[-1], predicted, tuple(states[-2::-1]))
                context = context.after(self.interval)
            output, latents = self.predict_from(states[-1], context, inputs, mask_id)
            states.append(self.next_state(states[-1], output))
            predicted = tuple(self._without_masked(z.to(states[-1].dtype)) for z in latents)
            distances = self._distances(snapshots, now + step, states[-1], predicted, mask_id)
            total = total + (weight * distances).mean()
            weight = (mask_id == len(self.layout.masks) - 1).to(weight)
        total = total / self.unrolled_steps
        return total if extra is None else total + extra

    def training_start(
        self, window: Window, mask_id: Int[Tensor, " batch"], context: Context
    ) -> tuple[LossWindow, list[State], Latents]:
        """Return the snapshots of the loss, the states up to the first input, and its latents.

        States, latents and the window are standardised. Of the snapshots of the loss, number
        `layout.history` belongs to `states[-1]`.
        """
        now = self.layout.history
        states = [*window[:, :now].unbind(1), self.perturb(window[:, now])]
        return window, states, self._true_latents(window, mask_id)

    def _true_latents(self, window: Window, mask_id: Int[Tensor, " batch"]) -> Latents:
        """Return the latents of true snapshots with noise, zero where they are masked."""
        inputs = []
        for i, (lead, factor) in enumerate(self.layout.latents):
            z = self._coarse(window[:, self.layout.history + lead], factor)
            if self.latent_noise:
                source = self.random(f"latent {i}", z.device)
                z = add_noise(z, self.latent_noise, source, self.members)
            inputs.append(self._without_masked(z * like(self.input_mask[mask_id, i], z)))
        return tuple(inputs)

    def _distances(
        self,
        window: Window,
        now: int,
        state: State,
        latents: Latents,
        mask_id: Int[Tensor, " batch"],
    ) -> Float[Tensor, " batch"]:
        """Return the weighted sum of the distances of a step from `now`, per sample."""
        distance = self.distance(state, window[:, now + 1])
        total = self.state_weight * distance * self.asks_state[mask_id]
        for i, prediction in zip(self.layout.predicted, latents, strict=True):
            lead, factor = self.layout.latents[i]
            same, later = (self.coarsening(window[:, now + lead + k], factor) for k in (0, 1))
            target = torch.lerp(same, later, like(self.advance[mask_id], same)).detach()
            distance = self.distance(prediction.to(target.dtype), target)
            total = total + self.latent_weights[i] * distance * self.target_mask[mask_id, i]
        return total

    def on_train_batch_end(self, *args: object) -> None:
        """Check every 100 steps that a learned coarsening has not collapsed."""
        if self.trainer.global_step % 100 == 0:
            self.coarsening.check(self.trainer.global_step)


def rename_coarsening(state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Rename the coarsening in weights of versions before 0.2."""
    rename_weights(state, prefix, "transform", "coarsening")


def like(chosen: Tensor, field: Tensor) -> Tensor:
    """Return numbers (batch,) as (batch, 1, ..., 1) in the precision of a field (batch, ...)."""
    return chosen.to(field.dtype).reshape(-1, *[1] * (field.dim() - 1))
