"""Compiled training and rollouts: the same numbers, few compilations."""

import pytest
import torch

from tests.conftest import SMOKE
from tests.processes import start, wait

# in a process of its own: the type checks of this suite cannot be compiled
PROGRAM = """
import sys

import torch

torch.set_num_threads(1)
from torch._dynamo.utils import counters

import cli

words = ["--trainer.callbacks+=emulators.Compile", "--trainer.callbacks.backend=eager"]
words += ["--trainer.default_root_dir=runs/compiled"]
cli.run(["fit", "-c", sys.argv[1], *words])
cli.run(["test", "--ckpt_path=runs/compiled/last.ckpt", "--trainer.precision=bf16-mixed", *words])
print("graphs", counters["stats"]["unique_graphs"], "breaks", len(counters["graph_break"]))
"""


def test_compiled_run_equals_the_eager_one_and_compiles_little(workplace):
    (workplace / "program.py").write_text(PROGRAM)
    status, text = wait(start("program.py", SMOKE))
    assert status == 0, text[-3000:]
    graphs, breaks = text.split("graphs ")[1].split(" breaks ")
    # training; validation; test, under autocast, with batches of 3 and of another size
    assert 3 <= int(graphs) <= 4
    assert int(breaks) == 0
    eager, compiled = (
        torch.load(f"runs/{name}/last.ckpt", weights_only=True)["state_dict"]
        for name in ("smoke", "compiled")
    )
    assert list(compiled) == list(eager)
    for name, value in eager.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["Simulation"])
def test_solver_is_not_compiled(workplace, say, kind):
    words = ["test", "-c", SMOKE, f"--model={kind}", "--trainer.callbacks+=emulators.Compile"]
    status, _, err = say(*words)
    assert status == 1
    assert f"{kind} steps by a solver and has no network to compile; leave out the callback" in err
