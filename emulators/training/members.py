"""Windows that are predicted several times, by members of an ensemble, in training."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import torch
from jaxtyping import Float
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from datamodules.files.sizes import readable
from datamodules.storage.free_memory import free_on
from emulators.context import Context, Window, Windows, checked_loss, training_context
from emulators.training.objectives import Objective
from emulators.training.randomness import training_position

if TYPE_CHECKING:
    from emulators.emulator import Emulator

Repeated = Float[Tensor, "sample time channel *space"]
PEAK = 1.6  # of the memory in a backward pass, over what is kept for it; measured for our networks
LARGE = 10_000  # windows; what a network keeps of a window is below it


def windows_of_members(emulator: "Emulator", batch: Window | Windows) -> tuple[Repeated, Context]:
    """Return the windows of a training batch and their context, once per member.

    Args:
        emulator: Emulator in training.
        batch: Windows, with parameters and times if the data have them.

    Raises:
        TypeError: There is a data module, and a subclass overrides `setup` without calling it.
        ValueError: The memory has no room for what the first training step keeps for its gradient.
    """
    position = training_position(emulator)
    if position is not None and emulator.trained_on is None and emulator.trainer.datamodule:
        raise TypeError(
            f"{type(emulator).__name__}.setup has not set the statistics of the data; call "
            "super().setup(stage) in it."
        )
    context = training_context(batch, emulator.training_seed, *(position or (0, 0)))
    window = batch if isinstance(batch, Tensor) else batch.states
    if emulator.members > 1 and position is not None:
        if position[1] == 0 or not emulator.members_fit:  # the first step, also of a resumed run
            check_training_memory(emulator, window, context)
        emulator.members_fit = True
    return repeat_members(window, context, emulator.members)


def check_training_memory(emulator: "Emulator", window: Window, context: Context) -> None:
    """Check that what a training step keeps for its gradient fits into the free memory.

    It is measured with two and with three members of one window, unless it is small for certain.
    At its peak a backward pass needs up to `PEAK` times as much. Processes of one node share the
    memory.

    Args:
        emulator: Emulator.
        window: Windows of a batch.
        context: Context of the windows.

    Raises:
        ValueError: It does not fit; the number of members that fits is named.
    """
    trainer = emulator._trainer
    shares = trainer.num_devices if trainer is not None and window.device.type == "cpu" else 1
    free = free_on(window.device) // shares
    if emulator.members * window.nbytes * LARGE < free:
        return
    try:
        two, three = (kept_for_gradient(emulator, window, context, n) for n in (2, 3))
    except Exception:  # a loss that needs its whole batch; the training will tell
        return
    each = max(int(PEAK * (three - two)), 1) * len(window)
    free -= max(two - 2 * (three - two), 0)  # of all members
    if emulator.members * each <= free:
        return
    fits, windows = free // each, len(window) * free // (emulator.members * each)
    ways = [f"model.members to {fits}"] if fits > 1 else []
    ways += [f"data.batch_size to {windows}"] if windows > 0 else []
    raise ValueError(
        f"A training step with model.members={emulator.members} of {len(window)} windows of "
        f"{tuple(window.shape[2:])} needs about {readable(emulator.members * each)}, and "
        f"{readable(max(free, 0))} are free; "
        + (f"lower {', or '.join(ways)}." if ways else "lower both, or choose a smaller network.")
    )


def kept_for_gradient(emulator: "Emulator", window: Window, context: Context, members: int) -> int:
    """Return what the loss of some members of the first window keeps for its gradient [bytes]."""
    one = apply_to_collection(context, Tensor, lambda value: value[:1])
    kept: dict[int, int] = {}

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return value.detach()  # the tensor itself would refer to the graph that refers to it

    with (
        scoring(emulator, members),
        torch.compiler.set_stance("force_eager"),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value),
    ):
        _ = checked_loss(emulator)(*repeat_members(window[:1], one, members))
    return sum(kept.values())


@contextmanager
def scoring(emulator: "Emulator", members: int) -> Iterator[None]:
    """Train with another number of members in this context, log nothing, and restore buffers."""
    own, objective = emulator.members, cast(Objective, emulator.distance)
    buffers = [(value, value.clone()) for value in emulator.trained.buffers()]
    emulator.members, emulator.distance = members, objective.of(members)
    emulator.log = lambda *words, **options: None  # type: ignore[method-assign] # in this context
    try:
        yield
    finally:
        del emulator.log
        emulator.members, emulator.distance = own, objective
        for value, before in buffers:
            value.copy_(before)


def repeat_members(window: Window, context: Context, members: int) -> tuple[Repeated, Context]:
    """Return every window and its context once per member, member by member.

    Args:
        window: Windows (batch, time, channel, *space).
        context: Context of the windows. Members have random numbers of their own.
        members: Number M of members.

    Returns:
        Windows (M · batch, time, channel, *space), and their context.

    Example:
        >>> window = torch.tensor([1.0, 2.0]).reshape(2, 1, 1, 1)
        >>> context = Context(keys=torch.tensor([[0, 0], [0, 1]]))
        >>> windows, context = repeat_members(window, context, 2)
        >>> windows.flatten().tolist(), context.keys.tolist()
        ([1.0, 2.0, 1.0, 2.0], [[0, 0], [0, 1], [0, 2], [0, 3]])
    """
    if members == 1:
        return window, context

    def repeated(values: Tensor | None) -> Tensor | None:
        return None if values is None else values.repeat(members, *[1] * (values.dim() - 1))

    keys = repeated(context.keys)
    if keys is not None:
        place = torch.arange(members, device=keys.device).repeat_interleave(len(window))
        keys = keys + len(window) * place[:, None] * torch.tensor([0, 1], device=keys.device)
    return repeated(window), context._replace(
        keys=keys,
        parameters=repeated(context.parameters),
        time=repeated(context.time),
        static=repeated(context.static),
        forcing=repeated(context.forcing),
    )
