"""The one command that runs benchmarks, and how their results are written."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import machine, run


def test_every_benchmark_says_what_it_measures():
    known = run.benchmarks()
    assert {"rollout", "solvers", "training_loop"} <= set(known)
    assert not set(run.SHARED) & set(known)
    assert all(known.values())


def test_unknown_benchmark_is_refused_by_name(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run.py", "nothing"])
    with pytest.raises(SystemExit):
        run.main()
    assert "there is no benchmark 'nothing'" in capsys.readouterr().err


def test_comparison_without_its_peers_is_skipped_in_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run.py", "solvers"])
    run.main()
    assert capsys.readouterr().out.startswith("solvers is skipped: ")


def test_ratios_are_taken_turn_by_turn_and_of_the_fastest():
    both = machine.compared({"bare": [1.0, 2.0, 4.0], "ours": [2.0, 3.0, 4.0]}, "bare")
    # turn by turn 2, 1.5, 1; the fastest are 1 and 2
    assert both["ours"]["/ bare"] == 1.5
    assert both["ours"]["of the fastest"] == 2.0
    assert both["bare"] == {
        "median ms": 2000.0, "fastest ms": 1000.0, "/ bare": 1.0, "of the fastest": 1.0
    }  # fmt: skip


def test_result_is_the_same_in_markdown_and_json(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "RESULTS", tmp_path)
    machine.record("speed", "Speed", {"Steps": [{"batch": 1, "ms": 2.5}]}, "A remark.")
    text = (tmp_path / "speed.md").read_text()
    assert run.tables(text) == [[{"batch": "1", "ms": "2.5"}]]
    content = json.loads((tmp_path / "speed.json").read_text())
    assert content["tables"] == {"Steps": [{"batch": 1, "ms": 2.5}]}
    assert "A remark." in text


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """The benchmark on a GPU, as a script imports its neighbours."""
    monkeypatch.syspath_prepend(Path(run.__file__).parent)
    monkeypatch.setattr(importlib.import_module("machine"), "RESULTS", tmp_path)
    return importlib.import_module("gpu")


@pytest.mark.slow
def test_page_on_a_gpu_is_written_in_small_on_a_cpu(gpu, monkeypatch, tmp_path, single_precision):
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--small", "--device=cpu"])
    gpu.main()
    text = (tmp_path / "gpu.md").read_text()
    assert [f"## {name}" in text for name in gpu.PARTS] == [True] * len(gpu.PARTS)
    *_, solver, stored, agreement = run.tables(text)
    # ETDRK4 evaluates the tendency four times; a transform to the grid and one back at its ends
    assert int(solver[0]["transforms"]) >= 4 * 2 + 2
    assert {row["storage"] for row in stored} == {"memory", "shared", "device", "stream"}
    assert [row["relative difference"] for row in agreement] == ["0"] * 3  # the CPU with itself


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_a_sentence_says_so(gpu, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    with pytest.raises(SystemExit, match="this machine has no GPU"):
        gpu.main()
    monkeypatch.setattr(sys, "argv", ["run.py", "gpu"])
    run.main()
    assert capsys.readouterr().out == (
        "gpu is skipped: this machine has no GPU that PyTorch can use.\n"
    )
