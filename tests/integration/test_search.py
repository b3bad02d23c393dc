"""Searches of options: trials by Optuna, with trainings that are formulas, and one that is real."""

import json
import os
import signal
import statistics
import time
from pathlib import Path

import pytest

import commands.jobs
from commands.run_study import best_runs
from commands.search_section import Search
from commands.study import StudyRun
from tests.conftest import SMOKE
from tests.processes import start, wait, wait_for

optuna = pytest.importorskip("optuna", reason="Optuna is not installed")
search_module = pytest.importorskip("commands.search")
FAKE = Path(__file__).parents[1] / "fake_trial.py"
LINE = {"a.x": {"low": 0.0, "high": 10.0}}
SQUARE = """
steps = 1
def scores(options, step):
    return {"val/error": (options["x"] - 3) ** 2}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory in which trainings run `plan.py`, and are watched closely."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("commands.jobs.PROGRAM", FAKE)
    monkeypatch.setattr("commands.search.POLL", 0.02)
    return tmp_path


def search(plan, trials=3, space=LINE, objective="val/error", jobs=1, arguments=()):
    Path("plan.py").write_text(plan)
    wanted = Search(Path("study.yaml"), trials, objective, space)
    runs = [StudyRun("m", Path("runs/m"), list(arguments))]
    (report,) = search_module.search_options(runs, Path("runs"), wanted, jobs, cores=2)
    return report


def started(number):
    """Return the options of each start of a trial."""
    file = Path(f"runs/m-trial{number}/started")
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def x_of(row):
    return float(row.options["a.x"])


def test_trials_approach_the_minimum_of_a_parabola(place):
    report = search(SQUARE, trials=24, jobs=2)
    assert [row.number for row in report.rows] == list(range(24))
    assert all(row.outcome == "complete" and 0 <= x_of(row) <= 10 for row in report.rows)
    for row in report.rows:
        assert row.value == pytest.approx((x_of(row) - 3) ** 2)
        assert started(row.number) == [row.options]
    assert report.best == min(report.rows, key=lambda row: abs(x_of(row) - 3))
    # a distance of 3.5 is the median of |x - 3| at random, for x between 0 and 10
    assert statistics.median(abs(x_of(row) - 3) for row in report.rows[12:]) < 1.5
    assert report.importances == {"a.x": 1.0}


def test_every_trial_draws_other_numbers_whatever_was_interrupted(place):
    at_once = [x_of(row) for row in search(SQUARE, trials=6).rows]
    Path("runs").rename("before")
    search(SQUARE, trials=2)
    in_parts = [x_of(row) for row in search(SQUARE, trials=6).rows]
    assert in_parts == at_once
    assert len(set(at_once)) == 6
    assert [len(started(number)) for number in range(6)] == [1] * 6


def test_values_are_those_of_the_space(place):
    space = {
        "a.x": {"low": 2, "high": 9, "step": 3},  # 2, 5, 8
        "a.y": {"low": 1.0e-3, "high": 10, "log": True},
        "a.z": {"choices": [0.5, 1, "2"]},
        "a.n": {"low": 1, "high": 3},
    }
    rows = search(SQUARE, trials=12, space=space).rows
    assert {row.options["a.x"] for row in rows} == {"2", "5", "8"}
    assert {row.options["a.z"] for row in rows} == {"0.5", "1", "2"}
    assert {row.options["a.n"] for row in rows} == {"1", "2", "3"}
    assert all(1.0e-3 <= float(row.options["a.y"]) <= 10 for row in rows)
    assert sum(float(row.options["a.y"]) < 0.1 for row in rows) > 2  # half of them in log y


def test_important_option_is_found(place):
    plan = SQUARE.replace("** 2}", "** 2 + 1e-6 * options['y']}")
    report = search(plan, trials=16, space=LINE | {"a.y": {"low": 0.0, "high": 1.0}})
    assert list(report.importances) == ["a.x", "a.y"]
    assert sum(report.importances.values()) == pytest.approx(1)
    assert report.importances["a.x"] > 0.6


LEVEL = """
import time
steps = 3
def scores(options, step):
    return {"val/error": options["x"]}
def before(folder, options, step):
    time.sleep(0.5 if step > 1 else 0)  # the search looks every 0.02 s
"""


def test_trials_above_the_median_of_complete_ones_are_pruned(place, capsys):
    rows = search(LEVEL, trials=14).rows
    complete = []
    for row in rows:  # from five complete trials on
        worse = len(complete) >= 5 and x_of(row) > statistics.median(complete)
        assert (row.outcome, row.step) == (("pruned", 1) if worse else ("complete", 3))
        complete += [] if worse else [x_of(row)]
    assert 0 < len(complete) < 14
    said = capsys.readouterr().out
    pruned = next(row for row in rows if row.outcome == "pruned")
    assert f"m-trial{pruned.number}: pruned at step 1 after" in said


def test_complete_trial_is_not_pruned_by_its_last_validation(place):
    plan = SQUARE + "def before(folder, options, step): pass\n"
    rows = search(plan + "import atexit, time; atexit.register(time.sleep, 0.3)\n", trials=9).rows
    assert {row.outcome for row in rows} == {"complete"}


def test_trial_that_diverges_or_fails_is_the_worst_and_ends_no_search(place, capsys):
    plan = """
steps = 2
def scores(options, step):
    return {"val/error": None if options["x"] < 5 else options["x"]}  # as of NaN
def before(folder, options, step):
    if options["x"] > 8:
        raise FloatingPointError
"""
    report = search(plan, trials=12)
    for row in report.rows:
        x = x_of(row)
        assert row.outcome == ("failed" if x > 8 else "not finite" if x < 5 else "complete")
        assert row.value == (x if 5 <= x <= 8 else None)
    assert {row.outcome for row in report.rows} == {"failed", "not finite", "complete"}
    assert report.best.value == min(row.value for row in report.rows if row.value)
    said = capsys.readouterr().out
    assert "failed (runs/m-trial" in said
    assert "objective not finite after" in said


def test_failure_of_all_trials_ends_the_search(place):
    plan = "steps = 1\ndef before(*_): raise ValueError('no data')\n"
    with pytest.raises(ValueError, match=r"all 3 trials failed; .*m-trial0/log.txt, .*trial2/log"):
        search(plan, trials=9)
    assert not started(3)
    rows = search(SQUARE, trials=5).rows  # what was wrong is put right
    assert [row.outcome for row in rows] == ["failed"] * 3 + ["complete"] * 2


def test_training_without_validation_is_refused(place):
    with pytest.raises(ValueError, match=r"m-trial0: .* not validated; set trainer\.val_check_int"):
        search("steps = 0\n")


def test_unknown_score_ends_the_search_and_may_be_put_right(place):
    with pytest.raises(ValueError, match=r"study.yaml: 'search.objective' has val/eror, .*error"):
        search(SQUARE, objective="val/eror")
    report = search(SQUARE, objective="val/error")  # the first trial is taken up again
    assert [row.outcome for row in report.rows] == ["complete"] * 3
    assert report.rows[0].value == pytest.approx((x_of(report.rows[0]) - 3) ** 2)


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"objective": "2 * val/error"}, r"objective \(val/error\)"),
        ({"space": {"a.x": {"low": 0.0, "high": 5.0}}}, r"space \(\{'a.x'"),
        ({"arguments": ["--b.c=1"]}, r"options \(\[\]\)"),
    ],
)
def test_trials_of_another_search_are_not_mixed(place, changed, key):
    search(SQUARE, trials=1)
    with pytest.raises(
        ValueError, match=rf"the 1 trials of 'm' in runs/search\.db have other {key}"
    ):
        search(SQUARE, trials=2, **changed)
    same = ["--config=the/same/file/by/another/path.yaml", "--data.test_rollouts.steps=9"]
    assert len(search(SQUARE, trials=2, arguments=same).rows) == 2  # their number may grow


def test_folder_that_is_not_of_the_search_is_left_alone(place):
    Path("runs/m-trial0").mkdir(parents=True)
    Path("runs/m-trial0/config.yaml").touch()
    with pytest.raises(
        ValueError, match=r"runs/m-trial0 is there, but runs/search\.db has no such"
    ):
        search(SQUARE)
    assert not started(0)


def test_damaged_storage_is_refused(place):
    Path("runs").mkdir()
    Path("runs/search.db").write_text("nothing of the kind " * 100)
    with pytest.raises(ValueError, match=r"runs/search\.db is not the storage of a search"):
        search(SQUARE)


PROGRAM = f"""
import sys
from pathlib import Path
from commands import jobs, search
from commands.search_section import Search
from commands.study import StudyRun

jobs.PROGRAM, search.POLL = Path({str(FAKE)!r}), 0.02
wanted = Search(Path("study.yaml"), int(sys.argv[1]), "val/error", {LINE!r})
runs = [StudyRun("m", Path("runs/m"), [])]
(report,) = search.search_options(runs, Path("runs"), wanted, jobs=2, cores=2)
Path(sys.argv[2]).write_text(str(len(report.rows)))
"""


@pytest.fixture
def program(place, monkeypatch):
    """A file that searches, to be run in a process of its own."""
    monkeypatch.setenv("PYTHONPATH", str(Path(commands.jobs.__file__).parents[1]))
    Path("search_here.py").write_text(PROGRAM)
    return "search_here.py"


def test_two_processes_share_the_trials(program):
    Path("plan.py").write_text(SQUARE + "import time\ntime.sleep(0.2)\n")
    both = [start(program, 9, f"ended{number}") for number in (0, 1)]
    for one in both:
        status, said = wait(one)
        assert status == 0, said
    assert [len(started(number)) for number in range(10)] == [1] * 9 + [0]
    report = search(SQUARE, trials=9)
    assert [row.outcome for row in report.rows] == ["complete"] * 9


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_interrupted_trials_are_run_again_with_their_options(program, number):
    waiting = "import time\ndef before(folder, *_):\n    (folder / 'at_work').touch()\n"
    Path("plan.py").write_text(f"{SQUARE}{waiting}    time.sleep(60)\n")
    process = start(program, 4, "ended")
    for trial in (0, 1):
        wait_for(f"runs/m-trial{trial}/at_work", process)
    if number == signal.SIGKILL:
        os.killpg(process.pid, number)  # the trainings, too
    else:
        process.send_signal(number)
    wait(process)
    assert not Path("ended").exists()
    report = search(SQUARE, trials=4)
    assert [row.outcome for row in report.rows] == ["complete"] * 4
    assert [len(started(trial)) for trial in range(4)] == [2, 2, 1, 1]
    for trial in (0, 1):
        assert started(trial)[0] == started(trial)[1] == report.rows[trial].options


def test_trials_of_another_process_are_left_to_it(program, capsys):
    waiting = "import time\ndef before(folder, *_):\n    (folder / 'at_work').touch()\n"
    Path("plan.py").write_text(f"{SQUARE}{waiting}    time.sleep(60)\n")
    process = start(program, 2, "ended")
    for trial in (0, 1):
        wait_for(f"runs/m-trial{trial}/at_work", process)
    began = time.monotonic()
    report = search(SQUARE, trials=2)
    assert time.monotonic() - began < 30
    assert report.running == 2
    assert best_runs([report], Path("runs")) == []
    assert "2 trials are running in another process" in capsys.readouterr().out
    os.killpg(process.pid, signal.SIGKILL)
    wait(process)


def test_search_without_a_complete_trial_says_so(place):
    report = search("steps = 1\ndef scores(*_): return {'val/error': None}\n", trials=2)
    with pytest.raises(ValueError, match=r"none of the 2 trials of 'm' is complete"):
        best_runs([report], Path("runs"))


def test_report_has_the_trials_and_the_command_of_the_best(place, capsys):
    space = {**LINE, "a.a_name_that_is_rather_long": {"choices": ["word" * 9, "text" * 9]}}
    plan = SQUARE.replace('["x"]', '["x"]')
    Path("plan.py").write_text(plan)
    fake = FAKE.read_text().replace("float(text)", "float(text) if name == 'a.x' else 0")
    Path("fake.py").write_text(fake)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("commands.jobs.PROGRAM", Path("fake.py"))
        report = search(plan, trials=3, space=space, arguments=["--c.d=a b"])
    (run,) = best_runs([report], Path("runs"))
    best = report.best
    assert (run.name, str(run.folder)) == ("m", f"runs/m-trial{best.number}")
    assert [stage for stage, *_ in run.commands()] == ["test"]
    said = capsys.readouterr().out.partition("m: 3 trials")[2].splitlines()
    assert all(len(line) <= 100 for line in said if not line.startswith("  emulate"))
    order = [int(line.split()[0]) for line in said[2:5]]
    assert order == [row.number for row in sorted(report.rows, key=lambda row: row.value)]
    options = [f"--{name}={text}" for name, text in best.options.items()]
    assert f"  {options[0]}" in said
    assert said[-1] == (
        f"  emulate fit '--c.d=a b' {' '.join(options)} --trainer.default_root_dir=runs/m-best"
    )
    written = json.loads(Path("runs/search.json").read_text())["searches"]
    assert [one["run"] for one in written] == ["m"]
    assert [trial["number"] for trial in written[0]["trials"]] == order
    assert written[0]["best"] == best.number


# The command ------------------------------------------------------------------------------------


def study(folder, space, more=""):
    (folder / "smoke.yaml").write_text(SMOKE.read_text())
    (folder / "study.yaml").write_text(
        "root: runs/s\ncommon: [smoke.yaml]\nruns: {m: []}\nsearch:\n  trials: 2\n"
        "  objective: val/mse/lead_5 + 1 - val/stability_rate\n"
        f"  space: {json.dumps(space)}\n{more}"
    )
    return "study.yaml"


@pytest.mark.parametrize(
    ("space", "parts"),
    [
        ({"model.noize": {"low": 0.0, "high": 1.0}}, ["no option 'noize' (did you mean noise?)"]),
        ({"model.network.width": {"choices": [4, "wide"]}}, ["width=wide is refused", "got wide"]),
        ({"data.batch_sise": {"low": 1, "high": 2}}, ["batch_sise"]),
    ],
)
def test_option_that_is_not_there_is_refused_before_anything_is_run(workplace, say, space, parts):
    status, _, err = say("study", study(workplace, space))
    assert status == 1
    assert "study.yaml: a trial of 'm' with --" in err
    assert all(part in err for part in parts)
    assert not Path("runs/s").exists()


def test_missing_library_is_one_sentence(workplace, say, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    monkeypatch.delitem(__import__("sys").modules, "commands.search")
    status, _, err = say("study", study(workplace, {"model.noise": {"low": 0.0, "high": 1.0}}))
    assert status == 1
    assert "study.yaml: 'search' needs the library optuna; run `pip install \"implicit-em" in err


def test_dry_run_names_what_trials_vary(workplace, say):
    file = study(workplace, {"model.noise": {"low": 0.0, "high": 1.0}})
    status, out, _ = say("study", file, "--dry_run")
    assert status == 0
    first, second = out.splitlines()
    assert first == "# each of the 2 trials of a run sets model.noise"
    assert second.startswith("emulate fit --config=smoke.yaml --trainer.method=m ")


@pytest.mark.timeout(400)
def test_two_trials_are_trained_and_the_best_is_tested_and_compared(workplace, say):
    space = {
        "model.optimizer.lr": {"choices": [1.0e-9, 0.02]},
        "model.noise": {"low": 0, "high": 1},
    }
    options = "  options: [--trainer.max_steps=2, --trainer.val_check_interval=1]\n"
    file = study(workplace, space, options)
    status, out, err = say("study", file, "--jobs=2")
    assert status == 0, err
    for trial in (0, 1):
        folder = Path(f"runs/s/m-trial{trial}")
        lines = [json.loads(one) for one in (folder / "validation.jsonl").read_text().splitlines()]
        assert [(line["step"], line["of"]) for line in lines] == [(1, 2), (2, 2)]
        assert {"val/mse/lead_1", "val/mse/lead_5", "val/stability_rate"} <= set(lines[0]["scores"])
    written = json.loads(Path("runs/s/search.json").read_text())["searches"][0]
    best, other = written["trials"]
    last = json.loads(
        Path(f"runs/s/m-trial{best['number']}/validation.jsonl").read_text().splitlines()[1]
    )
    scores = last["scores"]
    assert best["value"] == pytest.approx(
        scores["val/mse/lead_5"] + 1 - scores["val/stability_rate"]
    )
    assert best["value"] <= other["value"]
    tested = [path.parent.name for path in Path("runs/s").glob("*/scores.json")]
    assert tested == [f"m-trial{best['number']}"]  # the test split is seen by one run
    assert "--trainer.max_steps=2" not in written["command"]
    assert "| m |" in out
    page = Path("runs/s/comparison.html").read_text()
    assert "<h2>Search</h2>" in page
    assert "val/mse/lead_5 + 1 - val/stability_rate" in page
    times = [path.stat().st_mtime_ns for path in Path("runs/s").glob("*/last.ckpt")]
    assert say("study", file)[0] == 0  # nothing is trained again
    assert [path.stat().st_mtime_ns for path in Path("runs/s").glob("*/last.ckpt")] == times
