r"""Bred vectors: perturbations of initial states that have grown in the emulator.

White noise is not what a flow amplifies: most of it decays in the first steps. Breeding runs the
emulator from true states before the initial one, n = -N, ..., -1, with a perturbation δ of each
member that is scaled back after every step,

    δ_{n+1} = s (f(u_n + δ_n) - f(u_n)),    δ_{-N} white noise of initial_noise,

with s such that the root mean square over channels and points, in units of the white noise, is 1
again. What remains has grown fastest in the recent past. All members have the same random numbers,
so that they differ by the perturbation alone.

Reference: Z. Toth and E. Kalnay, Mon. Weather Rev. 125 (1997) 3297-3319.
"""

import torch
from torch import Tensor

from emulators.context import Context, Steps, checked_step
from emulators.host_copies import copy_to_device
from emulators.rollout import Members, RolloutBatch, StepInputs
from emulators.step_in_parts import step_in_parts


def breed(model: Steps, start: RolloutBatch, steps: int, context: Context) -> Members:
    """Return the members of an ensemble with perturbations that were bred.

    Args:
        model: Emulator or solver.
        start: Initial conditions, with white noise in their further members, and `truth` from
            `-steps` on.
        steps: Number N of steps before the initial states.
        context: Context of the initial states of all members.

    Returns:
        The further members, (member, batch, channel, *space).
    """
    initial, device = start.initial, start.initial.device
    noise = start.perturbed - initial
    points = tuple(range(2, noise.dim() - 1))
    scale = torch.stack(  # one at a time: sums over a batch round by its size
        [one.square().mean((0, *points), keepdim=True).sqrt()[0] for one in noise.unbind(1)]
    )
    step, interval = checked_step(model), getattr(model, "interval", None)
    inputs = StepInputs(start, getattr(model, "steps_per_call", 1))
    count = 1 + len(noise)
    if context.keys is not None:
        context = context._replace(keys=context.keys[: len(initial)].repeat(count, 1))
    everyone = torch.arange(count * len(initial), device=device)
    context = context.after(interval, -steps)
    for lead in range(-steps, 0):
        state = copy_to_device(start.truth(lead), device)
        states = torch.cat((state, (state + noise).flatten(0, 1)))
        given = inputs.at(lead, context, everyone)
        found, _ = step_in_parts(step, states, None, given, len(initial))
        control, *perturbed = found.split(len(initial))
        noise = rescale(torch.stack(perturbed) - control, scale)
        context = context.after(interval)
    return initial + noise


def rescale(noise: Tensor, scale: Tensor) -> Tensor:
    """Return perturbations of the size 1 in units of a scale.

    Args:
        noise: Perturbations (member, batch, channel, *space).
        scale: Root mean square of the white noise, (batch, channel, 1, ...); 0 for a channel
            without.

    Example:
        >>> rescale(torch.full((1, 1, 1, 4), 8.0), torch.full((1, 1, 1), 2.0)).flatten().tolist()
        [2.0, 2.0, 2.0, 2.0]
    """
    units = torch.where(scale > 0, noise / scale, 0.0)
    sizes = [one.square().mean().sqrt() for sample in units for one in sample]
    size = torch.stack(sizes).reshape(*noise.shape[:2], *[1] * (noise.dim() - 2))
    return torch.where(size > 0, noise / size, noise)
