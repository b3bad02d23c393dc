"""The one command that runs benchmarks, and how their results are written."""

import importlib
import json
import math
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import apebench_comparison, machine, run


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


@pytest.mark.parametrize("name", run.NEEDS_OTHERS)
def test_comparison_without_its_peers_is_skipped_in_a_sentence(monkeypatch, capsys, name):
    monkeypatch.setattr(sys, "argv", ["run.py", name])
    run.main()
    option, libraries = run.NEEDS_OTHERS[name]
    said = f"{name} is skipped: --{option} names no interpreter with {libraries}.\n"
    assert capsys.readouterr().out == said


def test_comparison_with_apebench_does_what_is_left(tmp_path):
    def scripts():
        found = apebench_comparison.commands("ape", tmp_path, [20], seeds=2)
        return [(python, " ".join(words)) for python, words in found]

    place = f"--folder {tmp_path}"
    problems = ["diff_adv", "diff_burgers", "diff_kdv", "diff_ks"]
    first, *trained = scripts()
    assert first == ("ape", f"export.py {place} --scenarios {' '.join(problems)}")
    assert len(trained) == 2 * len(problems) + 2
    for name in problems:
        file = tmp_path / name / "test" / "trajectories.nc"
        file.parent.mkdir(parents=True)
        file.touch()
    peer = {"scenario": "diff_adv", "updates": 20, "train": "one"}
    (tmp_path / "peer.jsonl").write_text(json.dumps(peer) + "\n")
    forecasts = tmp_path / "forecasts" / "ours-one-20"
    forecasts.mkdir(parents=True)
    (forecasts / "diff_adv-0.npz").touch()
    (forecasts / "diff_burgers-0.npz").touch()
    (forecasts / "diff_burgers-1.npz").touch()
    left = scripts()
    assert left[0][1].endswith(
        "--scenarios diff_adv --updates 20 --recipe ours --objective one --seeds 1"
    )
    peers = f"peer.py {place} --scenarios diff_burgers --updates 20 --seeds 2"
    assert left[1] == ("ape", peers)
    assert "diff_kdv" in left[2][1]
    assert [words.split()[0] for _, words in left[-2:]] == ["score.py", "table.py"]


def test_comparison_in_two_dimensions_has_its_own_recipe(tmp_path):
    forecasts = tmp_path / "forecasts" / "plane-one-20"
    forecasts.mkdir(parents=True)
    (forecasts / "phy_decay_turb-1.npz").touch()
    found = apebench_comparison.commands("ape", tmp_path, [20], seeds=2, dimensions=2)
    export, _, first, _, second, *_ = [" ".join(words) for _, words in found]
    assert export.endswith("--scenarios phy_decay_turb phy_kolm_flow")
    assert first.endswith("phy_decay_turb --updates 20 --recipe plane --objective one --seeds 0")
    assert second.endswith("phy_kolm_flow --updates 20 --recipe plane --objective one --seeds 0 1")


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
    assert time_to_error.shown(None, errors) == "> 4"
    assert time_to_error.time_to(errors, 2.0) == 1.0
    assert time_to_error.shown(1.0, errors) == "≤ 1"
    assert time_to_error.shown(None, {}) == ""


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
    assert time_to_error.ratio({0: 1.0, 1: None}, {0: 2.0, 1: 4.0}) == "0.50 (0.50)"
    assert time_to_error.ratio({0: None}, {0: 2.0}) == ""


@pytest.fixture
def small_bench(time_to_error, tmp_path, single_precision):
    """Runs of seconds, by optimisers of which none needs the other library."""
    kinds = importlib.import_module("optimisers")
    two = {"AdamW": kinds.Kind(torch.optim.AdamW, 1e-3), "Muon": kinds.Kind(kinds.Muon, 1e-3)}
    smoke, network = Path(__file__).with_name("smoke.yaml"), {"width": 4, "multipliers": (1, 2)}
    problem = time_to_error.Problem(smoke, network, 8, 1.0, 2, search_lead=3, lead=5)
    # what steps take is known, so that their numbers are
    costs = {name: {"4": 1.0, "8": 2.0, "16": 4.0} for name in two}
    (tmp_path / "small-costs.json").write_text(json.dumps(costs))
    return time_to_error.Bench("small", problem, two, tmp_path)


def test_search_keeps_the_best_and_an_interrupted_one_resumes(
    small_bench, time_to_error, monkeypatch
):
    def error(setting, steps, seed):
        # least for the rate 2.5e-3, of the four that are tried 3.2e-3, and the batch 4
        error = (math.log10(setting.rate) + 2.6) ** 2 + setting.batch / 10
        return {"val": error, "test": error / steps}

    monkeypatch.setattr(small_bench, "_run", error)
    found = small_bench.search()
    tried = [(f"{one.rate:.1e}", one.batch, len(e)) for one, e in found.items()][:6]
    # the third rate is at an edge, hence the fourth; three settings have the second budget, two
    # the third, and one the last
    assert tried == [
        ("3.2e-04", 8, 1), ("1.0e-03", 8, 2), ("3.2e-03", 8, 3), ("1.0e-02", 8, 1),
        ("3.2e-03", 4, 4), ("3.2e-03", 16, 1),
    ]  # fmt: skip

    def refuse(setting, steps, seed):
        pytest.fail("what has ended is trained again")

    monkeypatch.setattr(small_bench, "_run", refuse)
    assert small_bench.search() == found
    small_bench.only_kept = True
    times, errors, search, costs = small_bench.tables().values()
    assert [row["seed"] for row in errors] == [0, 0]  # seed 1 was not run
    # budgets of 2, 4, 8 and 16 s hold 2, 4, 8 and 16 steps of batch 4, with errors of 0.41 / steps
    assert [errors[0][column] for column in ("2 s", "16 s")] == pytest.approx(
        [0.41 / 2, 0.41 / 16], abs=1e-3
    )
    assert times[1]["/ AdamW"] == "1.00 (1.00)"
    assert len(search) == 12
    assert costs[0]["batch 8"] == 2000.0


def test_run_has_its_errors_and_the_time_of_its_training(small_bench, time_to_error):
    run = small_bench.run(time_to_error.Setting("AdamW", 1e-3, 8), small_bench.budgets[1], seed=1)
    assert (run["steps"], run["seed"], run["batch"]) == (2, 1, 8)
    assert all(run[name] > 0 for name in ("val", "test", "processor", "clock"))


def test_steps_cost_more_in_larger_batches(small_bench, time_to_error):
    costs = importlib.import_module("optimisers").step_costs(
        small_bench.kinds,
        lambda: small_bench.emulator(small_bench.kinds["AdamW"], 1e-3, 1),
        small_bench.problem.shape,
        batches=(256, 1),
        rounds=2,
    )
    assert all(costs[name]["256"] > costs[name]["1"] > 0 for name in ("AdamW", "Muon"))


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
