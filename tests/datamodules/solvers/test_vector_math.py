"""The first call of an elementary function in a process is as exact as the second."""

import importlib
import os
import subprocess
import sys

import pytest

import datamodules.solvers
from datamodules.solvers import vector_math

FIRST_CALLS = """
import runpy, sys, torch
runpy.run_path(sys.argv[1])["initialize"]()
x = torch.rand(16384, generator=torch.Generator().manual_seed(0))
for function in (torch.exp, torch.log, torch.cos, torch.tanh):
    for numbers in (x, x.double()):
        assert torch.equal(function(numbers), function(numbers)), (function, numbers.dtype)
"""


def test_functions_are_called_when_the_solvers_are_imported(monkeypatch):
    calls = []
    monkeypatch.setattr(vector_math, "initialize", lambda: calls.append(1))
    importlib.reload(datamodules.solvers)
    assert calls == [1]


@pytest.mark.slow
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two threads")
@pytest.mark.parametrize("process", range(20))  # without the calls none to a third fail
def test_first_calls_are_exact(process):
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", FIRST_CALLS, vector_math.__file__]
    subprocess.run(command, check=True, env=environment)
