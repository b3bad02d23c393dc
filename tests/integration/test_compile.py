"""Compiled training and rollouts: the same numbers, few compilations."""

import inspect

import pytest
import torch

import emulators
from emulators import Emulator
from tests.conftest import SMOKE, says
from tests.processes import start, wait

# in a process of its own: the type checks of this suite cannot be compiled
PROGRAM = """
import sys
from functools import partial

import torch

torch.set_num_threads(1)
from torch._dynamo import register_backend, reset
from torch._dynamo.utils import counters

import cli
import callbacks
import emulators

words = ["--trainer.callbacks+=callbacks.Compile", "--trainer.callbacks.backend=eager"]
words += ["--trainer.default_root_dir=runs/compiled"]
cli.run(["fit", "-c", sys.argv[1], *words])
cli.run(["test", "--ckpt_path=runs/compiled/last.ckpt", "--trainer.precision=bf16-mixed", *words])


def report(name):
    count, breaks = counters["stats"]["unique_graphs"], len(counters["graph_break"])
    print("counted", name, count, breaks, flush=True)
    reset()
    counters.clear()


report("smoke")


def train_and_roll_out(emulator):
    torch.manual_seed(1)
    window, numbers = torch.randn(4, emulator.window, 1, 16), []
    for steps in range(3):
        with torch.autocast("cpu", torch.bfloat16):
            loss = emulator.train().loss(window)
            loss.backward()
            with torch.no_grad():
                numbers += [emulator.eval().rollout(window[:3, 0], 3), loss.detach()]
        for parameter in emulator.trained.parameters():
            parameter.data.sub_(parameter.grad, alpha=0.1)
        emulator.update_average(steps)
    return torch.cat([number.flatten() for number in (*numbers, *emulator.averaged.parameters())])


for name in sys.argv[2:]:
    family = getattr(emulators, name)
    latents = {"latents": ((1, 2), (2, 4))} if "Hierarchical" in name else {}
    numbers = []
    for compiled in (False, True):
        torch.manual_seed(0)
        network = partial(emulators.DilatedResNet, width=4, blocks=1, dilations=(1,))
        emulator = family(network=network, dimensions=1, **latents)
        if compiled:
            callbacks.Compile("eager", "reduce-overhead").on_fit_start(None, emulator)
        numbers.append(train_and_roll_out(emulator))
    torch.testing.assert_close(*numbers, rtol=1e-4, atol=1e-6)
    report(name)


@register_backend
def overwriting(graph, inputs, **options):
    kept = []

    def call(*args):
        results = graph(*args)
        kept.extend(results[len(kept):])
        for old, new in zip(kept, results):
            old.copy_(new)
        return tuple(kept)

    return call


for mode in (None, "reduce-overhead"):
    emulator = emulators.Baseline(network=torch.nn.Conv1d(1, 1, 1), dimensions=1).eval()
    callbacks.Compile("overwriting", mode).on_test_start(None, emulator)
    with torch.no_grad():
        first, _ = emulator.network(torch.ones(2, 1, 8))
        before = first.clone()
        emulator.network(torch.zeros(2, 1, 8))
    print("outlasts", mode, torch.equal(first, before))
"""
FAMILIES = {
    name
    for name in emulators.__all__
    if inspect.isclass(family := getattr(emulators, name)) and issubclass(family, Emulator)
    if family not in (Emulator, emulators.ImPiNDiff) and not issubclass(family, emulators.Untrained)
}
TWO = {"Baseline", "Hierarchical"}  # without a memory and with one


@pytest.mark.parametrize(
    "families", [TWO, pytest.param(FAMILIES - TWO, marks=pytest.mark.slow)], ids=["two", "others"]
)
def test_compiled_networks_equal_eager_ones_and_compile_little(workplace, families):
    (workplace / "program.py").write_text(PROGRAM)
    status, text = wait(start("program.py", SMOKE, *sorted(families)))
    assert status == 0, text[-3000:]
    lines = [line.split() for line in text.splitlines() if line.startswith("counted ")]
    graphs = {name: int(count) for _, name, count, _ in lines}
    assert {breaks for *_, breaks in lines} == {"0"}
    # training; validation; test, under autocast, with batches of 3 and of another size
    assert 3 <= graphs.pop("smoke") <= 4
    eager, compiled = (
        torch.load(f"runs/{name}/last.ckpt", weights_only=True)["state_dict"]
        for name in ("smoke", "compiled")
    )
    assert list(compiled) == list(eager)
    for name, value in eager.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-4, atol=1e-6)
    # each family: steps with gradient, steps without, perhaps both together; rollouts
    assert set(graphs) == families
    assert set(graphs.values()) <= {2, 3, 4}, graphs
    assert "outlasts None False" in text  # as with the memory of CUDA graphs
    assert "outlasts reduce-overhead True" in text


@pytest.mark.parametrize("kind", ["Simulation", "Persistence"])
def test_emulators_without_a_network_are_not_compiled(workplace, say, kind):
    words = ["test", "-c", SMOKE, f"--model={kind}", "--trainer.callbacks+=callbacks.Compile"]
    status, _, err = say(*words)
    assert status == 1
    assert says(err, kind, "no network to compile", "leave out")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "backend=fast",
            r"Compile.backend must be a backend of torch.compile (cudagraphs, inductor",
        ),
        ("mode=fast", r"Compile.mode must be one of default, reduce-overhead, max-autotune, "),
    ],
)
def test_options_that_torch_does_not_know_are_refused(workplace, say, option, message):
    words = ["--trainer.callbacks+=callbacks.Compile", f"--trainer.callbacks.{option}"]
    status, _, err = say("fit", "-c", SMOKE, *words)
    assert status == 1
    assert message in err
