"""Training and testing on a simulated GPU: no devices meet, and no step is waited for."""

import json

import pytest

from tests.gpu import program
from tests.processes import start, wait

BATCH = "copy to the GPU utilities/apply_func.py"  # Lightning's copy of the training batch
USUAL = ["conditioned", "stochastic"]
FAMILIES = [
    *program.OPTIONS,
    "Simulation",
    "Persistence",
    "ImPiNDiff",
    "mixed",
    "projected",
    "resumed",
]


def test_simulated_gpu_refuses_and_records_what_a_gpu_would(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, said = wait(start(program.__file__, "device"))
    assert status == 0, said[-3000:]


@pytest.mark.parametrize(
    "name", [*USUAL, *(pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES)]
)
def test_training_and_test_run_on_a_gpu_without_being_waited_for(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, said = wait(start(program.__file__, name))
    assert status == 0, said[-3000:]
    found = json.loads((tmp_path / "result.json").read_text())
    assert found["difference"] < (0.02 if name == "mixed" else 1e-4)
    half = {line for line in found["precisions"] if line.endswith(("bfloat16", "float16"))}
    mixed = {"convolution torch.bfloat16", "product torch.bfloat16"}
    assert half == (mixed if name == "mixed" else set())  # Fourier transforms, sums: never
    if name != "ImPiNDiff":  # an implicit solver ends when its residual is small
        waits = {word for stage in found["waits"].values() for word in stage}
        assert {word for word in waits if not word.startswith(BATCH)} == set()
