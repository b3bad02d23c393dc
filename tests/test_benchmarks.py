"""The one command that runs benchmarks, and how their results are written."""

import importlib
import json
import math
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


@pytest.fixture
def time_to_error(monkeypatch, tmp_path):
    """The benchmark of optimisers, as a script imports its neighbours."""
    monkeypatch.syspath_prepend(Path(run.__file__).parent)
    monkeypatch.setattr(importlib.import_module("machine"), "RESULTS", tmp_path)
    return importlib.import_module("time_to_error")


def test_time_to_a_target_is_interpolated_in_logarithms(time_to_error):
    errors = {4.0: 0.01, 1.0: 1.0, 2.0: 0.16}
    # 0.4 is halfway from 1 to 0.16 in logarithms, so that the time is halfway from 1 to 2
    assert time_to_error.time_to(errors, 0.4) == pytest.approx(math.sqrt(2))
    assert time_to_error.time_to(errors, 0.04) == pytest.approx(2 * math.sqrt(2))
    assert time_to_error.time_to(errors, 0.16) == 2.0
    assert time_to_error.time_to(errors, 0.001) is None
    assert time_to_error.shown(None, [1.0, 4.0]) == "> 4"
    assert time_to_error.time_to(errors, 2.0) == 1.0
    assert time_to_error.shown(1.0, [1.0, 4.0]) == "≤ 1"


def test_diverged_run_does_not_reach_a_target(time_to_error):
    errors = {1.0: time_to_error.DIVERGED, 2.0: time_to_error.DIVERGED, 4.0: 0.5}
    assert 2 < time_to_error.time_to(errors, 1.0) < 4
    assert time_to_error.time_to({1.0: time_to_error.DIVERGED}, 1.0) is None


def test_search_is_extended_while_the_best_is_at_an_edge(time_to_error):
    # the least of (n - 3)² is at 3, which is inside from 4 on
    assert time_to_error.extended(lambda n: (n - 3) ** 2) == [-1, 0, 1, 2, 3, 4]
    assert time_to_error.extended(lambda n: (n + 2) ** 2) == [-3, -2, -1, 0, 1]
    assert time_to_error.extended(abs) == [-1, 0, 1]


def test_ratio_of_times_is_their_geometric_mean(time_to_error):
    assert time_to_error.ratio({0: 1.0, 1: 8.0}, {0: 2.0, 1: 4.0}) == "1.00 (0.50, 2.00)"
    assert time_to_error.ratio({0: 1.0, 1: None}, {0: 2.0, 1: 4.0}) == ""


def test_search_keeps_the_best_and_an_interrupted_one_resumes(
    time_to_error, monkeypatch, tmp_path, single_precision
):
    smoke, kinds = Path(__file__).with_name("smoke.yaml"), importlib.import_module("optimisers")
    network = {"width": 4, "multipliers": (1, 2)}
    problem = time_to_error.Problem(smoke, network, steps=16, target=1.0, rollouts=2, lead=5)
    two = {name: kinds.Kind(make, 1e-3) for name, make in (
        ("AdamW", torch.optim.AdamW), ("Muon", kinds.Muon))}  # fmt: skip
    bench = time_to_error.Bench("small", problem, two, tmp_path)
    found = bench.search()
    lengths = sorted(len(errors) for one, errors in found.items() if one.optimizer == "Muon")
    assert lengths[-3:] == [2, 3, 4]  # three have the second budget, two the third, one the last
    assert len(lengths) >= 5
    for count in (1, 2, 3):  # who is dropped has the larger error for the last budget
        left = [e[count - 1] for s, e in found.items() if s.optimizer == "Muon" and len(e) > count]
        dropped = [
            e[count - 1] for s, e in found.items() if s.optimizer == "Muon" and len(e) == count
        ]
        assert max(left) <= min(dropped)
    monkeypatch.setattr(time_to_error, "trainer", None)  # nothing is trained twice
    assert time_to_error.Bench("small", problem, two, tmp_path).search() == found


def test_optimisers_that_are_not_installed_are_named_in_a_sentence(time_to_error, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(SystemExit, match=r"run `pip install pytorch_optimizer`\.$"):
        time_to_error.optimisers()


def test_benchmark_of_optimisers_is_skipped_without_their_library(monkeypatch, capsys):
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["run.py", "time_to_error"])
    run.main()
    assert capsys.readouterr().out == (
        "time_to_error is skipped: run `pip install pytorch_optimizer`.\n"
    )
