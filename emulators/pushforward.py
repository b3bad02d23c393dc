r"""Training on predicted states: pushforward and unrolled losses of a one-step emulator.

Several methods share one name in the literature. With û_0 = u_n and û_{k+1} = f(û_k),

- `Pushforward` draws r, computes û_r without gradient and takes the loss of the next step alone,
  d(f(û_r), u_{n+r+1}) (Brandstetter, Worrall and Welling, "Message Passing Neural PDE Solvers",
  ICLR 2022, section 3.1);
- `Unrolled` takes the loss of all K steps, (1/K) Σ_k d(û_k, u_{n+k}), with the gradient through the
  whole rollout (backpropagation through time), or cut between steps.
"""

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from emulators.baseline import Baseline
from emulators.context import NO_CONTEXT, Context
from emulators.emulator import Window
from emulators.training.randomness import training_position


def check_options(kind: str, name: str, steps: int, curriculum: int) -> None:
    """Check that the options are within their ranges."""
    if steps < 1 or curriculum < 0:
        raise ValueError(
            f"{kind} needs {name} of at least 1 and curriculum of at least 0, got {name}={steps}, "
            f"curriculum={curriculum}."
        )


def curriculum_steps(first: int, last: int, every: int, emulator: Baseline) -> int:
    """Return a number that grows by one after `every` training steps, from first to last.

    The result depends only on the number of training steps, also in a resumed run. It is `last` if
    `every` is 0, and outside of training.
    """
    if not every or training_position(emulator) is None:
        return last
    return min(last, first + emulator.trainer.global_step // every)


class Pushforward(Baseline):
    """Pushforward: the loss of one step from a state that the emulator predicted without gradient.

    With `draw: fixed`, no loss penalises the first step from a true state, which may then be less
    accurate than the following ones.

    Args:
        detached_steps: Largest number R of steps without gradient.
        draw: Choice of r: drawn from 0 .. R for each batch (`uniform`, Brandstetter et al.), or R.
        curriculum: Training steps after which R grows by one, from 0; 0 starts with the whole R.

    Example:
        The input, two steps without gradient, and the target of the next one:

        >>> Pushforward(detached_steps=2).window
        4
    """

    def __init__(
        self,
        detached_steps: int = 1,
        draw: Literal["uniform", "fixed"] = "uniform",
        curriculum: int = 0,
        **kwargs: Any,
    ) -> None:
        check_options("Pushforward", "detached_steps", detached_steps, curriculum)
        super().__init__(**kwargs)
        self.detached_steps = detached_steps
        self.draw = draw
        self.curriculum = curriculum

    @property
    def window(self) -> int:
        """Number of snapshots: the input, R steps, and the target."""
        return self.detached_steps + 2

    def draw_steps(self) -> int:
        """Return r, the number of steps without gradient."""
        most = curriculum_steps(0, self.detached_steps, self.curriculum, self)
        if self.draw == "fixed":
            return most
        return int(torch.randint(most + 1, (), generator=self.random("pushforward")))

    def loss(self, window: Window, context: Context = NO_CONTEXT) -> Float[Tensor, ""]:
        self.check_window(window)
        steps = self.draw_steps()
        u = self.perturb(self.standardize(window[:, 0]))
        with torch.no_grad():
            for _ in range(steps):
                u = self.advance(u, context)
                context = context.after(self.interval)
        target = self.standardize(window[:, steps + 1])
        return self.distance(self.advance(u, context), target).mean()


class Unrolled(Baseline):
    """Mean loss of several steps, each from the state predicted by the previous one.

    Args:
        unrolled_steps: Number K of steps of the rollout.
        gradient: Path of the gradient: through the whole rollout (`full`), or through each step
            alone, whose input is a constant (`detached`).
        curriculum: Training steps after which K grows by one, from 1; 0 starts with the whole K.
        checkpointing: Whether only the states between steps are kept, and activations are computed
            again in the backward pass: the RAM of one step, the time of one more forward pass.

    Example:
        >>> emulator = Unrolled(unrolled_steps=3)
        >>> emulator.loss(torch.zeros(8, emulator.window, 1, 32, 32)).requires_grad
        True
    """

    def __init__(
        self,
        unrolled_steps: int = 2,
        gradient: Literal["full", "detached"] = "full",
        curriculum: int = 0,
        checkpointing: bool = False,
        **kwargs: Any,
    ) -> None:
        check_options("Unrolled", "unrolled_steps", unrolled_steps, curriculum)
        super().__init__(**kwargs)
        self.unrolled_steps = unrolled_steps
        self.gradient = gradient
        self.curriculum = curriculum
        self.checkpointing = checkpointing

    @property
    def window(self) -> int:
        """Number of snapshots: the input and K targets."""
        return self.unrolled_steps + 1

    def loss(self, window: Window, context: Context = NO_CONTEXT) -> Float[Tensor, ""]:
        self.check_window(window)
        steps = curriculum_steps(1, self.unrolled_steps, self.curriculum, self)
        u = self.perturb(self.standardize(window[:, 0]))
        total = torch.zeros((), device=u.device)
        for lead in range(1, steps + 1):
            if self.checkpointing:
                u = checkpoint(self.advance, u, context, use_reentrant=False)
            else:
                u = self.advance(u, context)
            context = context.after(self.interval)
            total = total + self.distance(u, self.standardize(window[:, lead])).mean()
            if self.gradient == "detached":
                u = u.detach()
        return total / steps
