"""One step of an emulator as a program of `torch.export`."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.func import functional_call
from torch.fx import GraphModule
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from emulators.context import checked_step
from emulators.emulator import Emulator
from emulators.exporting.given_inputs import Draws, context_of, typical_inputs
from emulators.exporting.memory_forms import (
    Memory,
    MemoryForms,
    filled,
    find_forms,
    tensors_in,
)

INPUTS = ("parameters", "noise", "static", "forcing", "time")
"""Inputs that a program may have in addition to state and memory."""

BATCH = 3
"""Number of states with which a step is traced; programs are given any number."""

VALUES = (
    "its steps depend on values of the state by loops or branches, such as the checks and "
    "iterations of a solver"
)
SIZE = (
    "it treats the number of states as a constant; in a class of your own write x.shape[0] where "
    "there is len(x)"
)


class Step(nn.Module):
    """Step of an emulator from a memory of one form, whose tensors are a flat tuple.

    Args:
        emulator: Emulator.
        form: Memory with slots in place of tensors.
        draws: Random numbers of the step.
    """

    def __init__(self, emulator: Emulator, form: Any, draws: Draws) -> None:
        super().__init__()
        self.emulator = emulator
        self.form, self.draws = form, draws

    def forward(
        self, state: Tensor, memory: Memory, inputs: dict[str, Tensor]
    ) -> tuple[Tensor, Memory]:
        draw = self.draws.of(inputs["noise"]) if "noise" in inputs else self.draws.measure
        step, context = checked_step(self.emulator), context_of(inputs, draw)
        state, after = step(state, filled(self.form, memory), context)
        return whole(state), tuple(map(whole, tensors_in(after)))


class AnyStep(nn.Module):
    """Step of an emulator from a memory of any form.

    Args:
        emulator: Emulator.
        forms: Forms of its memory.
        draws: Random numbers of the step.
    """

    def __init__(self, emulator: Emulator, forms: MemoryForms, draws: Draws) -> None:
        super().__init__()
        self.emulator = emulator
        self.forms = forms
        self.steps = [Step(emulator, form, draws) for form in forms.forms]
        self.register_buffer("after", torch.tensor(forms.after))

    def forward(
        self,
        state: Tensor,
        memory: Memory,
        parameters: Tensor | None = None,
        noise: Tensor | None = None,
        static: Tensor | None = None,
        forcing: Tensor | None = None,
        time: Tensor | None = None,
    ) -> tuple[Tensor, Memory]:
        given = zip(INPUTS, (parameters, noise, static, forcing, time), strict=True)
        inputs = {name: one for name, one in given if one is not None}
        if not self.forms.any:
            return self.steps[0](state, (), inputs)
        number, *slots = memory
        for one in (*slots, *inputs.values()):  # else the batch of each is another symbol
            torch._check(one.shape[0] == state.shape[0])
        weights = dict(self.named_weights())
        # all that a branch reads is an argument of it
        known = {"state": state, "number": number, "slots": slots, "inputs": inputs}
        flat, spec = tree_flatten({**known, "weights": weights})
        state, *slots = self._choice(0, spec)(*flat)
        return state, (torch.take(self.after, number), *slots)

    def named_weights(self) -> Iterator[tuple[str, Tensor]]:
        """Yield weights and buffers of the emulator with their names in a step."""
        for name, weight in (*self.emulator.named_parameters(), *self.emulator.named_buffers()):
            yield f"emulator.{name}", weight

    def _choice(self, form: int, spec: TreeSpec) -> Callable[..., tuple[Tensor, ...]]:
        """Return the step from the forms from a number on."""

        def step(*flat: Tensor) -> tuple[Tensor, ...]:
            given = tree_unflatten(list(flat), spec)
            own = tuple(self.forms.take(form, given["slots"]))
            arguments = given["state"], own, given["inputs"]
            state, after = functional_call(self.steps[form], given["weights"], arguments)
            return state, *self.forms.put(self.forms.after[form], after, state)

        def branch(*flat: Tensor) -> tuple[Tensor, ...]:
            number = tree_unflatten(list(flat), spec)["number"]
            return torch.ops.higher_order.cond(
                number == form, step, self._choice(form + 1, spec), flat
            )

        return step if form == len(self.steps) - 1 else branch


class StepProgram:
    """Program of one step of an emulator, and what it needs to be called.

    Args:
        emulator: Trained emulator, which stays as it is.
        shape: Number of points along each axis.

    Attributes:
        emulator: Copy of the emulator in evaluation mode, with one set of weights.
        program: Program `step(state, memory, **inputs)`, which returns the next state and memory.
        state: States with which it was traced.
        inputs: Inputs by name with which it was traced.
        forms: Forms of the memory.
        draws: Random numbers of a step.

    Raises:
        ValueError: PyTorch cannot export the step, in a sentence that says why.
    """

    def __init__(self, emulator: Emulator, shape: tuple[int, ...]) -> None:
        self.emulator = alone(emulator)
        self.kind = type(emulator).__name__
        self.state = self.random_states(BATCH, shape)
        self.inputs = typical_inputs(self.emulator, self.state)
        self.draws = Draws()
        with torch.no_grad():
            self.forms = find_forms(self._measured, self.state, self.kind)
        if self.draws.count:
            self.inputs["noise"] = self.noise(BATCH)
        with quiet():
            self.program = self._export()

    def random_states(self, batch: int, shape: tuple[int, ...]) -> Tensor:
        """Return random states of the mean and standard deviation of the data."""
        own = self.emulator.standardize
        u = torch.randn((batch, len(own.mean), *shape), dtype=own.mean.dtype)
        with torch.no_grad():
            return own.inverse(own.masked(self.emulator.projection(u, u)))

    def noise(self, batch: int) -> Tensor:
        """Return random numbers for a step."""
        return torch.randn(batch, self.draws.count, dtype=self.state.dtype)

    @cached_property
    def content(self) -> bytes:
        """Bytes of the program as a file."""
        file = io.BytesIO()
        with quiet(), self._explained():
            torch.export.save(self.program, file)
        return file.getvalue()

    @cached_property
    def loaded(self) -> Callable[..., tuple[Tensor, Memory]]:
        """The program as it is read from its file."""
        with quiet(), self._explained():
            return torch.export.load(io.BytesIO(self.content)).module()

    @torch.no_grad()
    def largest_difference(self, steps: int) -> float:
        """Return the largest difference between program and emulator in a number of steps.

        Each step of both is from the same state and memory, as differences grow in a chaotic
        system. A difference is relative to the largest value of the state or of the tensor of the
        memory. Where the emulator diverges, it begins again.

        Args:
            steps: Number of steps.
        """
        step, largest = checked_step(self.emulator), 0.0
        state, memory, number = self.state, None, 0
        for _ in range(steps):
            inputs = dict(self.inputs)
            if self.draws.count:
                inputs["noise"] = self.noise(len(state))
            given: Memory = ()
            if self.forms.any:
                slots = self.forms.put(number, tensors_in(memory), state)
                given = (torch.tensor(number), *slots)
            found, kept = self.loaded(state, given, **inputs)
            draw = self.draws.of(inputs["noise"]) if self.draws.count else self.draws.measure
            state, memory = step(state, memory, context_of(inputs, draw))
            number = self.forms.after[number]
            wanted = [state, *tensors_in(memory)]
            own = self.forms.take(number, kept[1:]) if self.forms.any else []
            for one, other in zip([found, *own], wanted, strict=True):
                size = other.abs().max()
                if size > 0 and torch.isfinite(size):
                    largest = max(largest, float((one - other).abs().max() / size))
            if not torch.isfinite(state).all():
                state, memory, number = self.state, None, 0
        return largest

    def _measured(self, state: Tensor, memory: Any) -> tuple[Tensor, Any]:
        context = context_of(self.inputs, self.draws.measure)
        return checked_step(self.emulator)(state, memory, context)

    def _export(self) -> ExportedProgram:
        along = {0: Dim("batch", min=1)}
        memory = self.forms.start(BATCH)
        of_memory = (None, *(along for _ in memory[1:])) if memory else ()
        with self._explained():
            program = torch.export.export(
                AnyStep(self.emulator, self.forms, self.draws),
                (self.state, memory),
                self.inputs,
                dynamic_shapes={
                    "state": along,
                    "memory": of_memory,
                    **dict.fromkeys(self.inputs, along),
                },
            )
        for module in graph_modules(program.graph_module):
            remove_autocast(module)
            remove_places(module)
        return program

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn an error of `torch.export` into a sentence."""
        try:
            yield
        except Exception as error:  # of many kinds, most of them internal
            raise ValueError(
                f"{self.kind} cannot be exported: {reason(error)}; forecast by `emulators.load` "
                "in Python instead."
            ) from error


def whole(tensor: Tensor) -> Tensor:
    """Return a copy in row-major order: branches of a program return new tensors of one layout."""
    return tensor.clone(memory_format=torch.contiguous_format)


def reason(error: Exception) -> str:
    """Return why `torch.export` failed, as a clause."""
    text = str(error)
    if "data-dependent" in text or "GuardOnDataDependent" in type(error).__name__:
        return VALUES
    if "specialized it to be a constant" in text:
        return SIZE
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"PyTorch says {type(error).__name__}: {(lines or ['nothing'])[0].rstrip('.')}"


def alone(emulator: Emulator) -> Emulator:
    """Return a copy of an emulator for rollouts, on the CPU, with its averaged weights alone."""
    copy = deepcopy(emulator).cpu().eval().requires_grad_(False)
    if copy.averaged is not None:
        copy.trained, copy.averaged = copy.averaged, None
    return copy


def graph_modules(module: nn.Module) -> list[GraphModule]:
    """Return a traced program and the programs of its branches."""
    return [part for part in module.modules() if isinstance(part, GraphModule)]


def remove_autocast(module: GraphModule) -> None:
    """Insert the operations of parts of a program that turn autocast off.

    Networks do so where they need full precision. A program is in full precision everywhere, and
    PyTorch does not load one that has such parts in its branches.
    """
    for node in list(module.graph.nodes):
        if node.target is not torch.ops.higher_order.wrap_with_autocast or node.args[2]:
            continue
        part: GraphModule = getattr(module, node.args[4].target)
        remove_autocast(part)
        own = [one for one in part.graph.nodes if one.op == "placeholder"]
        with module.graph.inserting_before(node):
            results = module.graph.graph_copy(
                part.graph, dict(zip(own, node.args[5:], strict=True))
            )
        for user in list(node.users):  # each takes one of the results
            user.replace_all_uses_with(results[user.args[1]])
            module.graph.erase_node(user)
        module.graph.erase_node(node)
    module.recompile()


def remove_places(module: GraphModule) -> None:
    """Remove the lines of source code from a program, which can be larger than its weights."""
    for node in module.graph.nodes:
        for name in ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node", "torch_fn"):
            node.meta.pop(name, None)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out warnings and logs of `torch.export`, whose errors say what matters."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
